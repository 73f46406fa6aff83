"""Target: forms, with the body cut anywhere as the network would cut it."""

import asyncio
import os
import tempfile
from functools import cache
from pathlib import Path
from unittest import mock

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from fuzz.inputs import pieces, split
from fuzz.requests import tried
from handlers.reading.multipart import open_form

MAX_BYTES = 2048
LIMIT = 1500  # bytes of a form, so that some are over it
TOKENS = (
    *(b"--x\r\n", b"--x--\r\n", b"--x", b"\r\n\r\n", b"\r\n", b"\n", b"--"),
    *(b"Content-Disposition: form-data; name=", b'"a"', b'; filename="a.png"', b"; filename*="),
    *(b"UTF-8''a%20b", b"Content-Type: image/png", b"Content-Transfer-Encoding: ", b"base64"),
    *(b"quoted-printable", b"Content-Length: 5", b"Content-Encoding: deflate", b"gzip"),
    *(b"Content-Type: multipart/mixed; boundary=y", b"\x00", b"\xff", b"../../etc/passwd"),
)
Told = tuple[dict[str, tuple[str, ...]], dict[str, list[tuple[str, str, int, str]]]]


def check(data: bytes) -> None:
    """Check that any cut gives the same form or refusal, and no file is left behind."""
    choice, body = split(data)
    whole = _read([body])
    assert _read(pieces(body, choice)) == whole, "another cut, another form"
    assert not list(_directory().iterdir()), "a file is left"


def _read(cut: list[bytes]) -> Told | None:
    return form_of(cut, LIMIT)


def form_of(cut: list[bytes], limit: int) -> Told | None:
    """Return the fields and files of a form of at most `limit` bytes, None if it is refused."""
    told: Told | None = tried(lambda: _loop().run_until_complete(_form(cut, limit)))
    return told


async def _form(cut: list[bytes], limit: int) -> Told:
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.transport = mock.Mock()
    content = StreamReader(protocol, max(2**16, sum(map(len, cut))), loop=loop)
    for piece in cut:
        content.feed_data(piece)
    content.feed_eof()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = make_mocked_request("POST", "/", headers=headers, payload=content)
    async with open_form(request, _directory(), limit) as form:
        files = {
            name: [(f.name, f.media_type, f.size_bytes, f.sha256) for f in several]
            for name, several in form.files.items()
        }
        for several in form.files.values():
            for file in several:
                assert file.path.stat().st_size == file.size_bytes <= limit
                assert "/" not in file.name and file.name.isprintable(), "a name that is none"
        return dict(form.fields), files


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _directory() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made there
    return Path(
        tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None)
    )


def _part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value


def seeds() -> dict[str, bytes]:
    """Return forms of every kind."""
    end = b"\r\n--x--\r\n"
    png = _part("image", b"\x89PNG\r\n\x1a\nabc", '; filename="a.png"\r\nContent-Type: image/png')
    found = {
        "field": _part("prompt", b"A boat") + end,
        "file": _part("prompt", b"A boat") + b"\r\n" + png + end,
        "two": png + b"\r\n" + png + end,
        "empty": _part("image", b"", '; filename=""') + end,
        "names": _part("a", b"1", "; filename*=UTF-8''a%2Fb.png") + end,
        "cut": png[:-4],
        "nested": b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n--y--" + end,
        "encoded": _part("a", b"Qm9hdHM=", "\r\nContent-Transfer-Encoding: base64") + end,
        "preamble": b"hello\r\n" + _part("a", b"\r\n--y\r\n--x") + end + b"epilogue",
    }
    return {name: b"0a" + body for name, body in found.items()}
