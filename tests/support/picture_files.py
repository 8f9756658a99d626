"""Files of pictures, as cameras, programs and attackers make them."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def photo(
    width: int = 480,
    height: int = 320,
    form: str = "JPEG",
    *,
    ground: str = "steelblue",
    **options: Any,
) -> bytes:
    """A picture with its upper left quarter red."""
    image = Image.new("RGB", (width, height), ground)
    image.paste("red", (0, 0, width // 2, height // 2))
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def camera_file() -> bytes:
    """A JPEG of some megabytes, as a phone makes it."""
    out = BytesIO()
    Image.effect_noise((3600, 2400), 60).save(out, "JPEG", quality=90)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that says that it is so large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(9999)))
        + chunk(b"IEND", b"")
    )
