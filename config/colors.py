"""An accent that a site or a story chose, made fit to be read by day and by night (WCAG 2.2, 1.4.3:
contrast 4.5).
"""

import re
from dataclasses import dataclass

LEAST = 4.5
PAPER_BY_DAY, PAPER_BY_NIGHT = "#fdfdfb", "#111516"  # as in storywire.css
_BLACK, _WHITE = "#000000", "#ffffff"
_WASH_BY_DAY, _WASH_BY_NIGHT = 0.1, 0.16  # how much of the accent stands in its wash
_COLOR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Accent:
    """Each as (by day, by night): the accent, what is written on it, and the ground that it is
    written on.
    """

    accent: tuple[str, str]
    on_accent: tuple[str, str]
    wash: tuple[str, str]


def as_accent(value: str) -> str:
    """The colour in lower case; ValueError, which says what to do, where it is none or too light to
    be read on the page.
    """
    color = value.lower()
    if not _COLOR.fullmatch(color):
        raise ValueError("write a colour as # and six digits, such as #b8241a")
    if not _bears(color, PAPER_BY_DAY, _WASH_BY_DAY):
        darker = _until_it_bears(color, _BLACK, PAPER_BY_DAY, _WASH_BY_DAY)
        raise ValueError(
            f"{color} is too light to be read on the page; {darker} is as dark as it has to be"
        )
    return color


def accent(color: str) -> Accent:
    """All that a page makes of a colour from `as_accent`; by night it is lightened as far as it has
    to be.
    """
    night = _until_it_bears(color, _WHITE, PAPER_BY_NIGHT, _WASH_BY_NIGHT)
    washes = (
        _mixed(PAPER_BY_DAY, color, _WASH_BY_DAY),
        _mixed(PAPER_BY_NIGHT, night, _WASH_BY_NIGHT),
    )
    return Accent((color, night), (_WHITE, _mixed(_BLACK, night, 0.1)), washes)


def contrast(one: str, other: str) -> float:
    """From 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _bears(color: str, paper: str, wash: float) -> bool:
    return min(contrast(color, paper), contrast(color, _mixed(paper, color, wash))) >= LEAST


def _until_it_bears(color: str, towards: str, paper: str, wash: float) -> str:
    steps = (_mixed(color, towards, step / 50) for step in range(51))
    return next(mixed for mixed in steps if _bears(mixed, paper, wash))


def _mixed(one: str, other: str, share: float) -> str:
    """``one`` with that share of ``other``."""
    return "#" + "".join(
        f"{round(a + (b - a) * share):02x}" for a, b in zip(_parts(one), _parts(other), strict=True)
    )


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    linear = [
        part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in _parts(color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
