"""Forms that are broken, and names of files that lead elsewhere."""

from collections.abc import Iterator
from typing import Any

from tests.handlers.reading.test_multipart import BROKEN_FORMS, END, FILE, HOSTILE_NAMES, TYPE, part
from tests.hostile.case import FILES, Hostile, Section, short, written

PURPOSE = part("purpose", b"user_data")


def _form(name: str, body: bytes, why: str, **more: Any) -> Hostile:
    more = {"status": 400, "code": "invalid_request", "path": FILES, "headers": TYPE, **more}
    return Hostile(name, more.pop("shown", written(body)), body=body, why=why, **more)


NAMES = (  # what each of `HOSTILE_NAMES` is
    "a name with steps upwards", "a name that is a path", "a name with a drive",
    "a name that turns the direction of text", "a name of dots", "a name of four thousand emoji",
)  # fmt: skip


def _named() -> Iterator[Hostile]:
    """Yield files whose names are more than names."""
    for name, (sent, kept) in zip(NAMES, HOSTILE_NAMES, strict=True):
        body = PURPOSE + part("file", b"hello", filename=sent) + END
        shown = f'filename="{short(ascii(sent)[1:-1])}"'
        why = f"it is kept as `{short(ascii(kept)[1:-1])}`, under an id that is made"
        yield _form(name, body, why, status=200, code=None, shown=shown)


BROKEN = (  # what each of `BROKEN_FORMS` is, and why it is refused
    ("no file", "there has to be one"),
    ("a file without a name", "it is a field, and no file"),
    ("an empty file", "there is nothing to keep"),
    ("two files", "there has to be one"),
    ("a field that is given twice", "one of them would be meant"),
    ("a field that is no UTF-8", "a field is text"),
    ("a file that is encoded once more", "it would be kept as it is not"),
    ("a part with an empty name", "every part has one"),
    ("no form", "it has no parts"),
    ("garbage", "it has no parts"),
    ("a form without an end", "it may have been cut"),
    ("half a form", "it may have been cut"),
    ("a part with a line that is no header", "it is no part"),
    ("a form in a form", "nothing reads it"),
    ("a charset of a hundred characters", "it is no charset"),
    ("too many parts", "they are counted"),
)


def _broken() -> Iterator[Hostile]:
    """Yield the broken forms of the reader's own tests, as this call would get them."""
    for (name, why), (body, param) in zip(BROKEN, BROKEN_FORMS, strict=True):
        sent = body.replace(b'name="one"', b'name="purpose"')
        sent = PURPOSE + sent if sent.startswith(b"--x\r\n") else sent
        yield _form(name, sent, why, param="purpose" if param == "one" else param)


def _odd(parameters: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"' + parameters
    return head + b"\r\n\r\nhello\r\n--x--\r\n"


FORMS = Section(
    "Forms and names of files",
    "Sent to `/v1/files` as `multipart/form-data; boundary=x`. Nothing of a form that is refused "
    "stays on disk.",
    (
        *_broken(),
        *_named(),
        _form("a name with a zero byte", PURPOSE + part("file", b"x", filename="a\0.txt") + END, "a header holds none"),
        _form("a purpose that leads upwards", part("purpose", b"../x") + FILE + END, "a purpose is a word", param="purpose"),
        _form("a file over the limit", PURPOSE + part("file", b"x" * 1_100_000, filename="a") + END, "`server.max_upload_bytes`", status=413, code="body_size_exceeded"),
        _form("a boundary of a kilobyte", FILE + END, "a boundary has up to 70 characters", headers={"Content-Type": "multipart/form-data; boundary=" + "x" * 1024}, shown="boundary=" + short("x" * 1024)),
        _form("a part with a thousand parameters", PURPOSE + _odd(b";x" * 1000), "reading them takes time that grows with the square of their number"),
        _form("a part with a parameter of ten thousand characters", PURPOSE + _odd(b"; x=" + b"y" * 10_000), "what names a part has up to 8 KiB"),
        _form("no boundary", FILE + END, "the parts cannot be told apart", headers={"Content-Type": "multipart/form-data"}, shown="Content-Type: multipart/form-data"),
        _form("a form of JSON", b"{}", "this call takes a form", code="unsupported_media_type", headers={"Content-Type": "application/json"}),
        _form("a packed form", b"x", "forms come unpacked", code="unsupported_media_type", headers={**TYPE, "Content-Encoding": "gzip"}, shown="Content-Encoding: gzip"),
    ),
)  # fmt: skip
