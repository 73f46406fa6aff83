import io
import zipfile

import pytest

from tests.rows import each_row
from upstream.fetching.media_types import extension, media_type

OFFICE = "application/vnd.openxmlformats-officedocument"


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\nrest", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf3\x44\xc4", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x00\x00\x00\x18ftypisom", "video/mp4"),
        (b"<!DOCTYPE HTML><p>", "text/html"),
        (b"\xef\xbb\xbf\n<html lang=en>", "text/html"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "application/msword"),
    ],
)
def test_the_content_decides_whatever_is_claimed(content, kind, tmp_path):
    assert media_type(content, "image/png", "x.png") == kind
    path = tmp_path / "x"
    path.write_bytes(content)
    assert media_type(path, "text/plain", "") == kind


def test_a_mark_of_byte_order_is_no_sound():
    assert media_type("Boats float.".encode("utf-16-le"), None, "") == "text/plain"
    assert media_type(b"\xff\xfe" + "Boats.".encode("utf-16-le"), "text/plain", "") == "text/plain"


def test_riff_alone_is_no_picture():
    assert media_type(b"12345678WEBP", None, "") == "text/plain"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (archive(**{"[Content_Types].xml": "x", "word__document.xml": "x"}), f"{OFFICE}.wordprocessingml.document"),
        (archive(**{"[Content_Types].xml": "x", "ppt__p.xml": "x"}), f"{OFFICE}.presentationml.presentation"),
        (archive(**{"[Content_Types].xml": "x", "xl__w.xml": "x"}), f"{OFFICE}.spreadsheetml.sheet"),
        (archive(mimetype="application/epub+zip", x="y"), "application/epub+zip"),
        (archive(mimetype="\x00bad"), "application/zip"),
        (archive(**{"word__document.xml": "x"}), "application/zip"),
        (archive(a="b"), "application/zip"),
        (b"PK\x03\x04 damaged", "application/zip"),
    ],
)  # fmt: skip
def test_a_zip_archive_may_be_an_office_document(content, kind, tmp_path):
    assert media_type(content, None, "") == kind
    path = tmp_path / "x"
    path.write_bytes(content)
    assert media_type(path, None, "") == kind


def test_an_old_office_file_is_told_by_its_name():
    start = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert media_type(start, None, "a.XLS") == "application/vnd.ms-excel"


@each_row(
    ("content", "claimed", "kind"),
    [
        (b"text", "text/markdown; charset=utf-8", "text/markdown"),
        (b"text", "Text/X-C++", "text/x-c++"),
        (b"text", None, "text/plain"),
        (b"text", "", "text/plain"),
        (b"text", "nonsense", "text/plain"),
        (b"text", "application/octet-stream", "text/plain"),
        ("ü".encode() * 3000, "binary/octet-stream", "text/plain"),
        (b"a" + "ü".encode() * 3000, "binary/octet-stream", "text/plain"),
        (b"\x00\x01", "application/octet-stream", "application/octet-stream"),
        (b"\xff\xfe\xfd", "application/octet-stream", "application/octet-stream"),
        (b"\x00\x01", None, "text/plain"),
    ],
)
def test_else_the_claim_and_else_plain_text(content, claimed, kind):
    assert media_type(content, claimed, "") == kind


def test_a_type_has_its_usual_ending():
    assert [extension(kind) for kind in ("image/jpeg", "text/plain", "application/pdf", "x/y")] == [
        ".jpg",
        ".txt",
        ".pdf",
        "",
    ]
