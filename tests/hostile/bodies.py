"""Bodies that are no JSON, no object, or packed to do harm."""

import gzip
import zlib
from typing import Any

from tests.hostile.case import JSON, Hostile, Section, written

MIB = 1024 * 1024
MAX_BODY_BYTES = 2 * MIB  # of the gateway that these are sent to
START = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]'
WHOLE = START + b"}"
DEEP = 100_000


def packed(head: bytes, mebibytes: int) -> bytes:
    """Return a body of so many zeros as gzip has it."""
    pack = zlib.compressobj(1, wbits=31)
    parts = [pack.compress(head), *(pack.compress(bytes(MIB)) for _ in range(mebibytes))]
    return b"".join(parts) + pack.flush()


def _body(name: str, body: bytes, why: str, **more: Any) -> Hostile:
    more = {"status": 400, "code": "invalid_request", "headers": JSON, **more}
    return Hostile(name, more.pop("shown", written(body)), body=body, why=why, **more)


def _with(field: bytes) -> bytes:
    return START + b"," + field + b"}"


NOT_JSON = "it is not JSON"
NESTED = "nesting is bounded; it costs no stack"
BODIES = Section(
    "Bodies of JSON",
    "Sent to `/v1/chat/completions` as `application/json`.",
    (
        _body("nothing", b"", "there is no object to read"),
        _body("blanks", b" \r\n\t ", "there is no object to read"),
        _body("a byte order mark only", b"\xef\xbb\xbf", "there is no object to read"),
        _body("a byte order mark before the object", b"\xef\xbb\xbf" + WHOLE, "it is skipped", status=200, code=None),
        _body("UTF-16", WHOLE.decode().encode("utf-16"), "JSON is UTF-8"),
        _body("UTF-32", WHOLE.decode().encode("utf-32"), "JSON is UTF-8"),
        _body("bytes that are no UTF-8", START.replace(b"Hello", b"\xff\xfe") + b"}", "JSON is UTF-8"),
        _body("a character in more bytes than it needs", START.replace(b"Hello", b"\xc0\xaf") + b"}", "it is another way to write a slash, and no UTF-8"),
        _body("half of a surrogate pair in UTF-8", START.replace(b"Hello", b"\xed\xa0\x80") + b"}", "it is no UTF-8"),
        _body("half of a surrogate pair, escaped", START.replace(b"Hello", b"a\\ud83d") + b"}", "front ends cut an emoji in two; the rest is text", status=200, code=None),
        _body("a name that is no UTF-8", _with(b'"\xff":1'), "JSON is UTF-8"),
        _body("half an object", START, NOT_JSON),
        _body("half a string", START[:60], NOT_JSON),
        _body("half an escape", START.replace(b"Hello", b"\\ud8") + b"}", NOT_JSON),
        _body("more after the object", WHOLE + b" x", NOT_JSON),
        _body("two objects", WHOLE + WHOLE, NOT_JSON),
        _body("single quotes", WHOLE.replace(b'"', b"'"), NOT_JSON),
        _body("a comment", b"/* x */" + WHOLE, NOT_JSON),
        _body("a comma too many", _with(b'"n":1,'), NOT_JSON),
        _body("a raw line break in a string", START.replace(b"Hello", b"a\nb") + b"}", NOT_JSON),
        _body("a raw zero byte in a string", START.replace(b"Hello", b"a\0b") + b"}", NOT_JSON),
        _body("a zero byte after the object", WHOLE + b"\0", NOT_JSON),
        _body("XML", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', "nothing reads XML"),
        _body("YAML that makes objects", b"!!python/object/apply:os.system ['id']", "nothing reads YAML"),
        _body("a pickle", b"cos\nsystem\n(S'id'\ntR.", "nothing unpickles"),
        _body("a form", b"model=gpt-4o&messages=x", NOT_JSON),
        _body("a list", b"[]", "an object is expected"),
        _body("a string", b'"x"', "an object is expected"),
        _body("null", b"null", "an object is expected"),
        _body("a number", b"1", "an object is expected"),
        _body("an empty object", b"{}", "the first field that is missing is named", param="model"),
        _body("a key twice", _with(b'"model":"gpt-4"'), "the last one counts, here and upstream: only what was read is sent on", status=200, code=None),
        _body("a name that a prototype would take", _with(b'"__proto__":{"stream":true},"constructor":1'), "a field that nobody knows is dropped", status=200, code=None),
        _body("a hundred thousand lists in each other", _with(b'"x":' + b"[" * DEEP + b"]" * DEEP), NESTED),
        _body("a hundred thousand lists that do not end", b"[" * DEEP, NESTED),
        _body("a hundred thousand objects in each other", _with(b'"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP), NESTED),
        _body("lists in each other as the content", b'{"model":"gpt-4o","messages":[{"role":"user","content":' + b"[" * DEEP + b"]" * DEEP + b"}]}", "the outermost is no part of a message", param="messages[0].content[0]"),
        _body("NaN", _with(b'"temperature":NaN'), "JSON has no such number"),
        _body("Infinity", _with(b'"temperature":Infinity'), "JSON has no such number"),
        _body("NaN beside half a character", _with(b'"user":"\\ud800","top_p":NaN'), "the lenient reader holds to numbers, too"),
        _body("a number over all range", _with(b'"temperature":1e999'), "it is no number any more", param="temperature"),
        _body("a number of a hundred thousand digits", _with(b'"seed":' + b"9" * DEEP), "reading it would take quadratic time", param="seed"),
        _body("a fraction of a hundred thousand digits", _with(b'"temperature":0.' + b"9" * DEEP), "it is read in linear time", status=200, code=None),
        _body("a hexadecimal number", _with(b'"seed":0x10'), NOT_JSON),
        _body("a number that begins with zeros", _with(b'"seed":007'), NOT_JSON),
        _body("a body over the limit", _with(b'"user":"' + b"x" * MAX_BODY_BYTES + b'"'), "`server.max_body_bytes`: refused unread", status=413, code="body_size_exceeded"),
        _body("seven hundred thousand values", _with(b'"x":[' + b"1," * 700_000 + b"1]"), "of a body over 1 MiB they are counted before it is decoded: up to 200,000"),
        _body("three hundred thousand lists in a list", _with(b'"x":[' + b"[]," * 400_000 + b"1]"), "likewise"),
        _body("the same within a string", _with(b'"x":"' + b"[]," * 400_000 + b'"'), "it is one value", status=200, code=None),
        _body("no type of content", WHOLE, "the type is not needed to read it", status=200, code=None, headers={"Content-Type": None}),
        _body("another type of content", WHOLE, "many clients send a wrong one; what counts is that it is JSON", status=200, code=None, headers={"Content-Type": "text/plain"}, shown="Content-Type: text/plain"),
        _body("a charset that nobody has", WHOLE, "JSON is UTF-8, whatever the header says", status=200, code=None, headers={"Content-Type": "application/json; charset=utf-7"}, shown="Content-Type: application/json; charset=utf-7"),
        _body("a form with files", b"--x--\r\n", "this call takes JSON", code="unsupported_media_type", headers={"Content-Type": "multipart/form-data; boundary=x"}),
    ),
)  # fmt: skip


def _packed(name: str, body: bytes, why: str, encoding: str = "gzip", **more: Any) -> Hostile:
    shown = f"Content-Encoding: {encoding}"  # what a packer makes differs from one to the next
    headers = {**JSON, "Content-Encoding": encoding}
    return _body(name, body, why, headers=headers, shown=shown, **more)


CUT = "it does not unpack to its end"
PACKED = Section(
    "Packed bodies",
    "Unpacked piece by piece, up to the limit of a body.",
    (
        _packed("64 MiB of zeros", packed(b'{"model": "', 64), "unpacking ends at the limit", status=413, code="body_size_exceeded", ),
        _packed("64 MiB as deflate", zlib.compress(bytes(64 * MIB)), "unpacking ends at the limit", "deflate", status=413, code="body_size_exceeded"),
        _packed("a good body", gzip.compress(WHOLE, mtime=0), "it may be packed", status=200, code=None),
        _packed("packed twice", gzip.compress(gzip.compress(WHOLE, mtime=0), mtime=0), "only one packing is undone"),
        _packed("packed twice, and said so", gzip.compress(gzip.compress(WHOLE, mtime=0), mtime=0), "only one packing is undone", "gzip, gzip"),
        _packed("half of it", gzip.compress(WHOLE, mtime=0)[:-20], CUT),
        _packed("a wrong checksum", gzip.compress(WHOLE, mtime=0)[:-8] + b"\0" * 8, CUT),
        _packed("not packed at all", WHOLE, CUT),
        _packed("bytes after the packed ones", gzip.compress(WHOLE, mtime=0) + b"x" * 100, CUT),
        _packed("a packing that nobody has", WHOLE, "it is read as it came", "x-evil", status=200, code=None),
    ),
)  # fmt: skip
