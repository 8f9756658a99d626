"""The site's icon as browsers and feed readers ask for it: the logo where it is a PNG, else the
mark in the site's colour.
"""

import io
from functools import lru_cache

from flask import Blueprint, abort, current_app
from flask.typing import ResponseReturnValue
from PIL import Image, ImageDraw, UnidentifiedImageError

from feeds.cache.cached_response import ANY_ORIGIN
from web.context import service
from web.private_response import answer
from web.public.theme import Logo

icons = Blueprint("icons", __name__)

SIZES = {64, 144, 180, 512}  # pixels: JSON Feed's favicon, RSS, iOS, JSON Feed's icon
_ICO_SIZES = [(16, 16), (32, 32), (48, 48)]
_DAY = "public, max-age=86400"
# The colours of web/static/mark.svg in the light scheme.
_PAPER = "#ffffff"
_INK = "#131a1b"
_LINE = "#ccd3cd"
_SMOOTH = 4  # drawn so many times as large


@icons.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    return _answer("ICO", 48, "image/vnd.microsoft.icon")


@icons.get("/apple-touch-icon.png")
def touch_icon() -> ResponseReturnValue:
    return _answer("PNG", 180, "image/png")


@icons.get("/icon-<int:pixels>.png")
def icon(pixels: int) -> ResponseReturnValue:
    if pixels not in SIZES:
        abort(404)
    return _answer("PNG", pixels, "image/png")


def _answer(fmt: str, pixels: int, content_type: str) -> ResponseReturnValue:
    logo: Logo | None = current_app.extensions["logo"]
    body = logo.body if logo and logo.content_type == "image/png" else None
    response = answer(
        draw(body, service().settings.site_color, pixels, fmt),
        content_type=content_type,
        cache_control=_DAY,
    )
    response.headers.set(*ANY_ORIGIN)
    return response


@lru_cache(8)
def draw(logo: bytes | None, color: str, pixels: int, fmt: str) -> bytes:
    """A square of that many pixels as PNG or ICO bytes; of a logo that cannot be read the mark."""
    square = Image.new("RGB", (pixels, pixels), _PAPER)
    try:
        _paste(square, logo)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError):
        square = _mark(pixels, color or _INK)
    out = io.BytesIO()
    if fmt == "ICO":
        square.save(out, fmt, sizes=_ICO_SIZES)
    else:
        square.save(out, fmt, optimize=True)
    return out.getvalue()


def _paste(square: Image.Image, logo: bytes | None) -> None:
    """Put the logo in the middle, as large as it can be."""
    if logo is None:
        raise ValueError("there is no logo")
    with Image.open(io.BytesIO(logo)) as opened:
        picture = opened.convert("RGBA")
    scale = square.width / max(picture.size)
    picture = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
        Image.Resampling.LANCZOS,
    )
    square.paste(
        picture,
        ((square.width - picture.width) // 2, (square.height - picture.height) // 2),
        picture,
    )


def _mark(pixels: int, color: str) -> Image.Image:
    unit = pixels * _SMOOTH / 16  # of the mark's own drawing
    large = Image.new("RGB", (pixels * _SMOOTH, pixels * _SMOOTH), _PAPER)
    pen = ImageDraw.Draw(large)
    pen.rectangle((7 * unit, 8 * unit, 9 * unit, 16 * unit), fill=_LINE)
    pen.ellipse((2 * unit, unit, 14 * unit, 13 * unit), fill=color)
    return large.resize((pixels, pixels), Image.Resampling.LANCZOS)
