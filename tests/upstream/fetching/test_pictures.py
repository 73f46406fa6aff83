import io
from itertools import product

import pytest
from PIL import Image

from tests.rows import each_row
from upstream.fetching import pictures
from upstream.fetching.pictures import PICTURE_TYPES, PictureSize, picture_size, web_picture


def picture(image_format, size=(64, 48)):
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(buffer, image_format)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", PICTURE_TYPES)
def test_a_whole_picture_has_a_size(kind, tmp_path):
    content = picture(PICTURE_TYPES[kind])
    path = tmp_path / "p"
    path.write_bytes(content)
    assert picture_size(content, kind) == picture_size(path, kind) == PictureSize(64, 48)


@each_row(("kind", "cut"), list(product(("image/png", "image/jpeg"), (0.1, 0.5, 0.9))))
def test_a_cut_picture_is_broken(kind, cut):
    content = picture(PICTURE_TYPES[kind])
    assert picture_size(content[: int(len(content) * cut)], kind) is None


@each_row(
    ("content", "kind"),
    [
        (b"", "image/png"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "image/png"),
        (b"\xff\xd8\xff" + bytes(50), "image/jpeg"),
        (b"GIF89a" + bytes(3), "image/gif"),
        (b"RIFF\x08\x00\x00\x00WEBPVP8 ", "image/webp"),
        (picture("PNG"), "image/jpeg"),
        (picture("BMP"), "image/bmp"),
    ],
)
def test_what_is_no_such_picture_has_no_size(content, kind):
    assert picture_size(content, kind) is None


@pytest.mark.whole
def test_a_picture_over_the_pixel_limit_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 48 - 1)
    assert picture_size(picture("PNG"), "image/png") is None
    bomb = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(bomb, "PNG")
    assert picture_size(bomb.getvalue(), "image/png") is None


@each_row("kind", PICTURE_TYPES)
def test_a_web_picture_is_handed_out_as_it_is_whatever_was_claimed(kind):
    content = picture(PICTURE_TYPES[kind])
    assert web_picture(content, "application/octet-stream") == (content, kind)


@each_row("image_format", ["BMP", "TIFF"])
def test_another_picture_becomes_a_png(image_format):
    content, kind = web_picture(picture(image_format), "image/bmp")
    assert kind == "image/png"
    assert picture_size(content, kind) == PictureSize(64, 48)


@each_row(
    ("claimed", "kind"),
    [("image/webp", "image/webp"), ("text/html", "image/png"), ("", "image/png")],
)
def test_what_cannot_be_read_is_passed_on_under_a_picture_type(claimed, kind):
    assert web_picture(b"not a picture", claimed) == (b"not a picture", kind)
