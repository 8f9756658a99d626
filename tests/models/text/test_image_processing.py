"""What is made of a file that somebody sends."""

import random
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image, ImageChops, ImageFile, PngImagePlugin

from models.tables.media import MAX_PICTURE_BYTES
from models.text import image_processing
from models.text.errors import Invalid
from models.text.image_processing import render_sizes
from tests.support.picture_files import bomb, photo


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def is_red(image: Image.Image, x: int, y: int) -> bool:
    red, green, blue = image.convert("RGB").getpixel((x, y))
    return red > 200 and green < 60 and blue < 60


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((3000, 2000), [(1920, 1280), (960, 640), (480, 320)]),
        ((1000, 500), [(1000, 500), (480, 240)]),  # 960 would save nobody anything
        ((300, 200), [(300, 200)]),
        ((1, 1), [(1, 1)]),
        ((1000, 9000), [(427, 3840), (213, 1920), (107, 960)]),
        ((20_000, 1), [(1920, 1), (960, 1), (480, 1)]),
    ],
)
def test_a_picture_comes_in_at_most_three_sizes_and_never_larger_than_it_was(size, sizes):
    drawn = render_sizes(photo(*size))
    assert [(one.width, one.height) for one in drawn] == sizes
    assert [opened(one.data).size for one in drawn] == sizes


@pytest.mark.parametrize(
    ("turn", "corner"), [(1, (40, 40)), (3, (440, 280)), (6, (280, 40)), (8, (40, 440))]
)
def test_a_camera_held_sideways_makes_an_upright_picture(turn, corner):
    exif = Image.Exif()
    exif[0x0112] = turn
    (drawn,) = render_sizes(photo(exif=exif))
    assert (drawn.width, drawn.height) == ((480, 320) if turn < 5 else (320, 480))
    image = opened(drawn.data)
    assert is_red(image, *corner)
    assert not is_red(image, drawn.width - corner[0], drawn.height - corner[1])


def test_picture_metadata_is_removed():
    exif = Image.Exif()
    exif[0x010F] = "SECRET CAMERA"
    exif.get_ifd(0x8825)[1] = "SECRET PLACE"
    jpeg = (
        photo(exif=exif, comment=b"SECRET COMMENT", xmp=b"<x>SECRET XMP</x>", dpi=(72, 72))
        + b"SECRET TAIL"
    )
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "SECRET AUTHOR")
    for sent in (
        jpeg,
        photo(form="PNG", pnginfo=notes, exif=exif),
        photo(form="WEBP", exif=exif, xmp=b"SECRET XMP"),
        photo(form="GIF", comment=b"SECRET"),
    ):
        assert b"SECRET" in sent
        for drawn in render_sizes(sent):
            assert b"SECRET" not in drawn.data
            assert not opened(drawn.data).getexif()
            assert (
                not {"exif", "comment", "xmp", "icc_profile", "Author"}
                & opened(drawn.data).info.keys()
            )


@pytest.mark.parametrize(
    ("form", "type_"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/jpeg"),
        ("GIF", "image/png"),
        ("AVIF", "image/jpeg"),
    ],
)
def test_each_kind_that_is_taken_becomes_one_that_everybody_reads(form, type_):
    (drawn,) = render_sizes(photo(form=form))
    assert drawn.media_type == type_ == opened(drawn.data).get_format_mimetype()
    assert is_red(opened(drawn.data), 40, 40) and not is_red(opened(drawn.data), 440, 280)


def test_a_photo_that_came_without_losses_becomes_a_jpeg():
    noise = Image.frombytes("RGB", (200, 200), random.Random(1).randbytes(120_000))
    out = BytesIO()
    noise.save(out, "PNG")
    assert render_sizes(out.getvalue())[0].media_type == "image/jpeg"


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_what_shines_through_goes_on_doing_so(mode):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 32))
    out = BytesIO()
    image.convert(mode).save(out, "PNG")
    (drawn,) = render_sizes(out.getvalue())
    assert [opened(drawn.data).convert("RGBA").getpixel(at)[3] for at in ((5, 5), (60, 60))] == [
        255,
        0,
    ]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "RGBA"])
def test_each_way_to_write_colours_is_read(mode):
    image = (
        Image.new("I;16", (8, 8), 65535)
        if mode == "I;16"
        else Image.new("RGB", (8, 8), "white").convert(mode)
    )
    out = BytesIO()
    image.save(out, "JPEG" if mode == "CMYK" else "PNG")
    (drawn,) = render_sizes(out.getvalue())
    assert opened(drawn.data).convert("RGB").getpixel((4, 4)) == (255, 255, 255)
    assert opened(drawn.data).mode != "RGBA", "an opaque picture needs no transparency"


def animation(form: str, *colours: str, size: tuple[int, int] = (64, 40)) -> bytes:
    frames = [Image.new("RGB", size, colour) for colour in colours]
    out = BytesIO()
    frames[0].save(out, form, save_all=True, append_images=frames[1:], duration=150, loop=0)
    return out.getvalue()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_goes_on_moving(form):
    drawn = render_sizes(animation(form, "red", "blue", "red", size=(1000, 40)))
    assert [(one.media_type, one.width) for one in drawn] == [
        ("image/webp", 1000),
        ("image/webp", 480),
    ]
    for one in drawn:
        image = opened(one.data)
        assert (image.n_frames, image.info["loop"]) == (3, 0)
        seen = []
        for number in range(3):
            image.seek(number)
            seen.append(is_red(image, 5, 5))
            assert image.info["duration"] == 150
        assert seen == [True, False, True]


@pytest.mark.parametrize(
    ("size", "frames"), [((1, 1), image_processing.MAX_FRAMES + 1), ((3000, 3000), 3)]
)
def test_an_animation_of_too_many_pixels_in_all_is_refused(size, frames):
    colours = ("red", "blue") * (frames // 2) + ("red",) * (frames % 2)
    with pytest.raises(Invalid, match="animation 300 frames"):
        render_sizes(animation("GIF", *colours, size=size))


def progressive(scans: int) -> bytes:
    """A JPEG with so many scans, of which all after the first ten are empty."""
    out = BytesIO()
    Image.new("L", (64, 64), 90).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    start = whole.rindex(image_processing._JPEG_SCAN)
    return (
        whole[:start]
        + whole[start:-2] * (scans - whole.count(image_processing._JPEG_SCAN) + 1)
        + whole[-2:]
    )


def test_a_picture_that_costs_more_than_it_shows_is_refused_before_it_is_decoded(monkeypatch):
    assert render_sizes(progressive(20))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Invalid, match="more than 100 scans"):
        render_sizes(progressive(3_000))


@pytest.mark.parametrize("lost", [2, 3, 40])
@pytest.mark.parametrize("more", [{}, {"progressive": True}, {"subsampling": 2}])
def test_a_jpeg_whose_last_bytes_were_lost_is_taken(lost, more):
    # libjpeg warns of a missing EOI marker (ITU-T T.81, B.1.1.3) and shows the picture, as browsers
    # do.
    noise = Image.frombytes("RGB", (320, 200), random.Random(1).randbytes(192_000))
    out = BytesIO()
    noise.save(out, "JPEG", **more)
    (whole,), (drawn,) = render_sizes(out.getvalue()), render_sizes(out.getvalue()[:-lost])
    top = (0, 0, 320, 200 - image_processing.MAX_LOST_PIXEL_ROWS)
    differ = ImageChops.difference(opened(whole.data).crop(top), opened(drawn.data).crop(top))
    assert (drawn.width, drawn.height) == (320, 200) and differ.getbbox() is None


def png16(transparent: tuple[int, int, int]) -> bytes:
    """A PNG of 16 bits a channel; half of it has the colour that tRNS makes transparent."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    half = struct.pack(">3H", *transparent) * 16 + struct.pack(">3H", 0xC8C8, 0x1E1E, 0x1E1E) * 16
    rows = zlib.compress((b"\0" + half) * 32)
    head = struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0)
    parts = (
        chunk(b"IHDR", head),
        chunk(b"tRNS", struct.pack(">3H", *transparent)),
        chunk(b"IDAT", rows),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("colour", [(1, 2, 3), (0xFFFF, 0xFFFF, 0xFFFF), (0x1234, 0, 0xABCD)])
def test_the_transparent_colour_of_a_deep_png_stays_transparent(colour):
    (drawn,) = render_sizes(png16(colour))
    assert [opened(drawn.data).convert("RGBA").getpixel(at)[3] for at in ((5, 5), (25, 5))] == [
        0,
        255,
    ]


@pytest.mark.parametrize("size", [(5100, 5100), (7100, 7100), (10_000, 10_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_by_its_header_before_decoding(size, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Invalid, match="limit is 25 megapixels"):
        render_sizes(bomb(*size))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"%PDF-1.7 ...",
        photo(form="BMP"),
        photo(form="TIFF"),
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
    ],
    ids=["nothing", "svg", "html", "pdf", "bmp", "tiff", "heic"],
)
def test_what_is_no_picture_of_these_kinds_is_refused_with_their_names(sent):
    with pytest.raises(Invalid, match=r"Upload a JPEG, PNG, WebP, GIF or AVIF file"):
        render_sizes(sent)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_a_file_that_was_cut_off_is_refused(form):
    whole = photo(form=form)
    for length in (len(whole) // 2, len(whole) - len(whole) // 8):
        with pytest.raises(Invalid, match=r"damaged|can’t use"):
            render_sizes(whole[:length])


def test_a_page_behind_a_picture_is_dropped():
    (drawn,) = render_sizes(photo(form="GIF") + b"<script>alert(1)</script>")
    assert b"<script" not in drawn.data


def test_too_large_a_file_is_not_looked_at():
    with pytest.raises(Invalid, match=r"12\.1 MB, and the limit is 12 MB"):
        render_sizes(bytes(MAX_PICTURE_BYTES + 1))


def test_the_same_bytes_come_to_the_same_names():
    sent = photo(2000, 1000)
    assert [one.sha256 for one in render_sizes(sent)] == [one.sha256 for one in render_sizes(sent)]
