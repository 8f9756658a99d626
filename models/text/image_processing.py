"""Image processing: an uploaded picture is rendered anew in up to three sizes.

Only the pixels are kept: no location, no camera name, no second file behind the first.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any

from PIL import (
    Image,
    ImageChops,
    ImageCms,
    ImageOps,
    ImageSequence,
    UnidentifiedImageError,
    features,
)

from models.tables.media import MAX_PICTURE_BYTES
from models.text.errors import Invalid

MAX_PIXELS = 25_000_000
MAX_JPEG_PIXELS = 50_000_000  # a JPEG is decoded no larger than it is needed
MAX_JPEG_SCANS = 100
"""Each scan, of 81 bytes or more, costs a pass over all pixels; cameras write ten or fewer."""
MAX_FRAMES = 300
MAX_LOST_PIXEL_ROWS = 32
"""Rows of pixels that a truncated JPEG may lack: the height of one row of its largest blocks."""
PICTURE_WIDTHS = (1920, 960, 480)
# a taller picture is made narrower, such as the screenshot of a chat
MAX_HEIGHT_TO_WIDTH = 2

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", *(["AVIF"] if features.check("avif") else []))
_TAKEN = "JPEG, PNG, WebP, GIF" + (" or AVIF" if features.check("avif") else "")
_LOSSLESS = ("PNG", "GIF")
_SPARING = ("JPEG", "MPO")
_QUALITY = 82
_ALIKE = 0.8  # of the next larger width: a size that is nearly as large saves nobody anything
_SRGB = ImageCms.createProfile("sRGB")
# markers of ITU-T T.81, table B.1
_JPEG_START = b"\xff\xd8"
_JPEG_SCAN = b"\xff\xda"
_JPEG_END = b"\xff\xd9"
# 25 megapixels of WebP take 450 MB, and a file of 90 bytes may say that it has them
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class RenderedSize:
    """One size of a picture, ready to be served."""

    media_type: str
    width: int
    height: int
    data: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


def render_sizes(sent: bytes) -> list[RenderedSize]:
    """The sizes of an uploaded picture, largest first, and never larger than it.  Raises Invalid.

    Equal bytes give equal sizes.  An animation stays one, as WebP.
    """
    if len(sent) > MAX_PICTURE_BYTES:
        raise Invalid(
            "picture",
            "too large: %(size)s MB, and the limit is %(most)s MB.",
            size=f"{math.ceil(len(sent) / 1048576 * 10) / 10:.1f}",
            most=str(MAX_PICTURE_BYTES // 1048576),
        )
    if sent.startswith(_JPEG_START) and sent.count(_JPEG_SCAN) > MAX_JPEG_SCANS:
        raise Invalid(
            "picture",
            "this JPEG has more than %(most)s scans. Save it as an ordinary JPEG.",
            most=str(MAX_JPEG_SCANS),
        )
    with _one_at_a_time:
        try:
            return _drawn(sent)
        except UnidentifiedImageError as exc:
            raise Invalid(
                "picture",
                "we can’t use this image. Upload a %(formats)s file.",
                formats=_TAKEN,
            ) from exc
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
            raise Invalid(
                "picture",
                "too many pixels. The limit is %(most)s megapixels (JPEG: %(jpeg)s), and for an"
                " animation %(frames)s frames, which count together.",
                most=str(MAX_PIXELS // 1_000_000),
                jpeg=str(MAX_JPEG_PIXELS // 1_000_000),
                frames=str(MAX_FRAMES),
            ) from exc
        except Exception as exc:  # whatever a decoder stumbles over, it is the file's fault
            raise Invalid(
                "picture", "this file seems to be damaged. Try exporting it again."
            ) from exc


def _drawn(sent: bytes) -> list[RenderedSize]:
    with Image.open(BytesIO(sent), formats=_FORMATS) as image:
        max_pixels = MAX_JPEG_PIXELS if image.format in _SPARING else MAX_PIXELS
        if image.width * image.height > max_pixels:  # by the header: no pixel is decoded yet
            raise Image.DecompressionBombError
        if image.format not in _SPARING and getattr(image, "is_animated", False):
            return list(_moving_sizes(image))
        try:
            return list(_sizes(image))
        except OSError:
            if (
                image.format not in _SPARING
                or sent.endswith(_JPEG_END)
                or not _lacks_its_end_alone(sent)
            ):
                raise
    return _drawn(sent + _JPEG_END)


def _lacks_its_end_alone(sent: bytes) -> bool:
    """Whether a JPEG lost a few bytes at most, which libjpeg only warns of.

    What is missing depends on what follows, so two decodings with different ends differ there, and
    nowhere else.
    """
    first = Image.open(BytesIO(sent + _JPEG_END)).convert("RGB")
    second = Image.open(BytesIO(sent + b"\x55" * 64 + _JPEG_END)).convert("RGB")
    differ = ImageChops.difference(first, second).getbbox()
    return differ is None or first.height - differ[1] <= MAX_LOST_PIXEL_ROWS


def _moving_sizes(image: Image.Image) -> Iterator[RenderedSize]:
    frames, durations = [], []
    for frame in ImageSequence.Iterator(image):
        frames.append(frame.convert("RGBA"))
        durations.append(max(20, int(frame.info.get("duration") or 100)))  # ms
        if len(frames) > MAX_FRAMES or len(frames) * image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
    options = {
        "duration": durations,
        "loop": image.info.get("loop", int(image.format == "GIF")),
        "quality": _QUALITY,
    }
    for size in _sizes_of(image.size):
        first, *rest = (
            frame if size == frame.size else frame.resize(size, Image.Resampling.LANCZOS)
            for frame in frames
        )
        yield _saved(first, "WEBP", save_all=True, append_images=rest, **options)


def _sizes(image: Image.Image) -> Iterator[RenderedSize]:
    is_lossless = image.format in _LOSSLESS
    # a JPEG is decoded no larger than it is needed, whichever way it is turned
    image.draft("RGB", (PICTURE_WIDTHS[0], PICTURE_WIDTHS[0]))
    _match_transparency(image)
    ImageOps.exif_transpose(image, in_place=True)
    plain = _plain(image)  # of what is in order already no copy is made
    for size in _sizes_of(plain.size):
        yield _written(
            plain if size == plain.size else plain.resize(size, Image.Resampling.LANCZOS),
            is_lossless,
        )


def _sizes_of(whole: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Width and height of each size that is kept of a picture, the largest first."""
    last = 0
    for width in PICTURE_WIDTHS:
        scale = min(1.0, width / whole[0], width * MAX_HEIGHT_TO_WIDTH / whole[1])
        size = max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale))
        if not last or size[0] < last * _ALIKE:
            last = size[0]
            yield size


def _match_transparency(image: Image.Image) -> None:
    """Let the transparent colour of a PNG of 16 bits a channel match pixels that Pillow reads as 8
    bits.

    PNG section 11.3.1.1 (tRNS) gives it in the depth of the file.
    """
    colour = image.info.get("transparency")
    if (
        isinstance(colour, tuple)
        and image.mode == "RGB"
        and any(";16" in str(tile[3]) for tile in image.tile)  # type: ignore[attr-defined]
    ):
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def _plain(image: Image.Image) -> Image.Image:
    """The image in sRGB, with an alpha channel only where a pixel is transparent."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256, "L")
    if profile and image.mode in {"RGB", "RGBA", "CMYK"}:
        image = _in_srgb(image, profile)
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        lowest, _ = image.getchannel("A").getextrema()
        return image if lowest != 255 else image.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return (
            ImageCms.profileToProfile(
                image, source, _SRGB, outputMode="RGBA" if image.mode == "RGBA" else "RGB"
            )
            or image
        )
    except (ImageCms.PyCMSError, OSError):  # a profile that makes no sense is as good as none
        return image


def _written(image: Image.Image, is_lossless: bool) -> RenderedSize:
    """The smaller of a JPEG or WebP and, for a lossless original, a PNG."""
    ways = [
        (
            _saved(image, "WEBP", quality=_QUALITY)
            if image.mode == "RGBA"
            else _saved(image, "JPEG", quality=_QUALITY, progressive=True)
        )
    ]
    if is_lossless:
        ways.append(_saved(image, "PNG"))
    return min(ways, key=lambda way: len(way.data))


def _saved(image: Image.Image, form: str, **options: Any) -> RenderedSize:
    out = BytesIO()
    bare = image.copy()
    bare.info.clear()  # Pillow writes what it finds there, such as a comment
    bare.getexif().clear()
    bare.save(out, form, optimize=form != "WEBP", **options)
    return RenderedSize(Image.MIME[form], image.width, image.height, out.getvalue())
