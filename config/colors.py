"""Accent colours of a site or a story, adjusted until text is readable by day and by night.

Readable means a contrast of at least 4.5 (WCAG 2.2, 1.4.3).
"""

import re
from dataclasses import dataclass

MIN_CONTRAST = 4.5
DAY_BACKGROUND, NIGHT_BACKGROUND = "#fdfdfb", "#111516"  # as in storywire.css
_BLACK, _WHITE = "#000000", "#ffffff"
_DAY_WASH_SHARE, _NIGHT_WASH_SHARE = 0.1, 0.16  # share of the accent in its wash
_COLOR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Accent:
    """Colours as (by day, by night): the accent, text on the accent, and the accent's pale wash."""

    accent: tuple[str, str]
    on_accent: tuple[str, str]
    wash: tuple[str, str]


def as_accent(value: str) -> str:
    """Normalize a colour to lower case; ValueError if it is not a colour or too light to read."""
    color = value.lower()
    if not _COLOR.fullmatch(color):
        raise ValueError("write a colour as # and six digits, e.g. #b8241a")
    if not _is_readable(color, DAY_BACKGROUND, _DAY_WASH_SHARE):
        darker = _until_readable(color, _BLACK, DAY_BACKGROUND, _DAY_WASH_SHARE)
        raise ValueError(f"{color} is too light to read on the page; try {darker}")
    return color


def accent(color: str) -> Accent:
    """Derive a page's colours from `as_accent`'s; the night accent is lightened until readable."""
    night = _until_readable(color, _WHITE, NIGHT_BACKGROUND, _NIGHT_WASH_SHARE)
    washes = (
        _mix(DAY_BACKGROUND, color, _DAY_WASH_SHARE),
        _mix(NIGHT_BACKGROUND, night, _NIGHT_WASH_SHARE),
    )
    return Accent((color, night), (_WHITE, _mix(_BLACK, night, 0.1)), washes)


def contrast(color: str, other: str) -> float:
    """Contrast ratio from 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((_luminance(color), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _is_readable(color: str, background: str, wash_share: float) -> bool:
    wash = _mix(background, color, wash_share)
    return min(contrast(color, background), contrast(color, wash)) >= MIN_CONTRAST


def _until_readable(color: str, towards: str, background: str, wash_share: float) -> str:
    steps = (_mix(color, towards, step / 50) for step in range(51))
    return next(mixed for mixed in steps if _is_readable(mixed, background, wash_share))


def _mix(color: str, other: str, share: float) -> str:
    """Mix ``share`` of ``other`` into ``color``."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = map(_linear, _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: int) -> float:
    if channel <= 10:
        return channel / 255 / 12.92
    return float(((channel / 255 + 0.055) / 1.055) ** 2.4)
