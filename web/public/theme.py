"""The accent colour of a site or story as a stylesheet (the CSP allows no inline style), and the
site's logo.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, abort, current_app
from flask.typing import ResponseReturnValue
from lxml import etree
from PIL import Image, UnidentifiedImageError

from config.colors import accent, as_accent
from config.settings import Settings
from web.private_response import answer

theme = Blueprint("theme", __name__)

HEIGHT = 32  # CSS pixels of a logo in the masthead
_FOREVER = "public, max-age=31536000, immutable"  # every link holds a digest
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
# Opened by itself, an SVG is a document that could run scripts here.
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True)
class Logo:
    """The logo file as it was at start."""

    url: str
    width: int
    height: int
    body: bytes
    content_type: str


@theme.get("/theme/<digits>.css")
def stylesheet(digits: str) -> ResponseReturnValue:
    """The accent for the light and dark schemes."""
    try:
        color = as_accent(f"#{digits}")
    except ValueError:
        abort(404)
    return answer(_css(color), content_type="text/css; charset=utf-8", cache_control=_FOREVER)


@theme.get("/logo")
def logo() -> ResponseReturnValue:
    logo: Logo | None = current_app.extensions["logo"]
    if logo is None:
        abort(404)
    response = answer(logo.body, content_type=logo.content_type, cache_control=_FOREVER)
    response.headers["Content-Security-Policy"] = _SANDBOX
    return response


@cache
def theme_url(color: str) -> str:
    return f"/theme/{color.removeprefix('#')}.css?v={sha256(_css(color).encode()).hexdigest()[:12]}"


def read_logo(settings: Settings) -> Logo | None:
    if not settings.site_logo:
        return None
    path = Path(settings.site_logo)
    body = path.read_bytes()
    wide, high = _size(path)
    width = max(1, min(round(HEIGHT * wide / high), 8 * HEIGHT))
    return Logo(
        f"/logo?v={sha256(body).hexdigest()[:12]}", width, HEIGHT, body, _TYPES[path.suffix.lower()]
    )


def _size(path: Path) -> tuple[float, float]:
    """Width and height in any unit; a square if the file does not say."""
    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as picture:
                return picture.size
        root = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
        _, _, wide, high = (
            float(part) for part in root.get("viewBox", "").replace(",", " ").split()
        )
    except (OSError, UnidentifiedImageError, etree.XMLSyntaxError, ValueError):
        return 1, 1
    if wide > 0 and high > 0:
        return wide, high
    return 1, 1


def _css(color: str) -> str:
    shades = accent(color)
    variables = {
        "--accent": shades.accent,
        "--on-accent": shades.on_accent,
        "--accent-wash": shades.wash,
    }
    lines = [":root {"]
    for name, (day, night) in variables.items():
        lines.append(f"  {name}: light-dark({day}, {night});")
    lines += ["}", ""]
    return "\n".join(lines)
