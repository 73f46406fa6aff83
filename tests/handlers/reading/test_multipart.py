import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from handlers.edge.middleware import install_edge
from handlers.reading.multipart import MAX_FIELD_BYTES, MAX_PARTS, Form, open_form
from service import keys
from service.observing.metrics import Metrics
from service.settings.config import Config
from tests.gateway import until

# aiohttp rolls its own streams back with a method that it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

LIMIT = 3_000_000
TYPE = {"Content-Type": "multipart/form-data; boundary=x"}


class Server:
    """A route that reads a form and records it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "incoming"
        self.forms: list[Form] = []
        self.held = asyncio.Event()
        self.ended = asyncio.Event()
        self.client: TestClient

    async def read(self, request: web.Request) -> web.Response:
        try:
            async with open_form(request, self.directory, LIMIT) as form:
                self.forms.append(form)
                files = [file for several in form.files.values() for file in several]
                bodies = [sha256(file.path.read_bytes()).hexdigest() for file in files]
                assert bodies == [file.sha256 for file in files]
                if "hold" in form.fields:
                    self.held.set()
                    await asyncio.sleep(30)
                return web.json_response({"one": form.text("one"), "file": bool(form.file("file"))})
        finally:
            self.ended.set()

    @property
    def left(self) -> list[Path]:
        return list(self.directory.iterdir()) if self.directory.exists() else []

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict]:
        async with self.client.post("/", data=BytesIO(body), headers=headers or TYPE) as response:
            return response.status, await response.json()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    made = Server(tmp_path)
    app = web.Application()
    app[keys.CONFIG], app[keys.METRICS] = Config(), Metrics()
    install_edge(app)
    app.router.add_post("/", made.read)
    started = TestServer(app)
    await started.start_server(access_log=None)
    async with TestClient(started) as made.client:
        yield made


def part(name: str, value: bytes, *, filename: str | None = None, more: str = "") -> bytes:
    given = f'; filename="{filename}"' if filename is not None else ""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{given}\r\n{more}\r\n'
    return head.encode() + value + b"\r\n"


END = b"--x--\r\n"
FILE = part("file", b"hello", filename="a.txt", more="Content-Type: text/x-c\r\n")


async def test_fields_and_files_are_read(server: Server) -> None:
    body = part("one", "你好".encode()) + FILE + part("image[]", b"\x00\r\n--y", filename="b") + END
    assert await server.post(body) == (200, {"one": "你好", "file": True})
    (form,) = server.forms
    (file,), (image,) = form.files["file"], form.files["image[]"]
    assert (file.name, file.media_type, file.size_bytes) == ("a.txt", "text/x-c", 5)
    assert (image.size_bytes, image.sha256) == (6, sha256(b"\x00\r\n--y").hexdigest())
    assert form.text("two") is None
    assert server.left == []


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_it_does_not_matter_how_the_body_is_cut(step: int, server: Server) -> None:
    body = part("one", b"1" * 100) + part("file", b"\r\n--" * 50, filename="f") + END

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), step):
            yield body[at : at + step]

    async with server.client.post("/", data=pieces(), headers=TYPE) as response:
        assert response.status == 200, await response.text()
    assert server.forms[0].files["file"][0].size_bytes == 200


@pytest.mark.parametrize("packing", ["gzip", "deflate", "identity", "x"])
async def test_a_packed_form_is_refused_before_it_is_unpacked(packing: str, server: Server) -> None:
    body = part("one", b"1") + FILE + END
    given = {"gzip": gzip.compress, "deflate": zlib.compress}.get(packing, bytes)(body)
    status, answer = await server.post(given, {**TYPE, "Content-Encoding": packing})
    assert (status, answer["error"]["code"]) == (400, "unsupported_media_type")
    assert "Content-Encoding" in answer["error"]["message"]
    assert server.forms == server.left == []


async def test_a_file_input_that_was_left_empty_is_no_file(server: Server) -> None:
    status, body = await server.post(part("file", b"", filename="") + END)
    assert (status, body["error"]["param"]) == (400, "file")
    assert server.left == []


HOSTILE_NAMES: list[tuple[str, str]] = [
    ("../../etc/passwd", "passwd"),
    ("/etc/cron.d/x", "x"),
    ("C:\\\\temp\\\\evil.exe", "evil.exe"),
    ("a\u202eb.txt", "ab.txt"),
    ("..", "file"),
    ("😀" * 4096 + ".png", "😀" * 251 + ".png"),
]


@pytest.mark.parametrize(
    ("written", "name"),
    HOSTILE_NAMES,
    ids=["steps", "absolute", "drive", "direction", "dots", "long"],
)
async def test_a_hostile_name_is_only_a_name(written: str, name: str, server: Server) -> None:
    status, body = await server.post(part("file", b"hello", filename=written) + END)
    assert status == 200, body
    assert server.forms[0].files["file"][0].name == name
    assert server.forms[0].files["file"][0].path.parent == server.directory


async def test_a_nul_in_a_name_is_refused_or_removed(server: Server) -> None:
    status, body = await server.post(part("file", b"hello", filename="a\x00.txt") + END)
    assert status == 400, body
    assert server.left == []


BROKEN_FORMS: list[tuple[bytes, str | None]] = [
    (END, "file"),
    (part("file", b"hello") + END, "file"),
    (part("file", b"", filename="a.txt") + END, "file"),
    (FILE + FILE + END, "file"),
    (FILE + part("one", b"1") + part("one", b"2") + END, "one"),
    (FILE + part("one", b"\xff") + END, "one"),
    (part("file", b"aGk=", filename="a", more="Content-Transfer-Encoding: base64\r\n"), "file"),
    (part("", b"1") + END, None),
    (b"", None),
    (b"garbage", None),
    (FILE, None),
    (FILE[:-4], None),
    (FILE + b"--x\r\nno header\r\n\r\n" + END, None),
    (FILE + b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n" + END, None),
    (part("_charset_", b"x" * 99) + FILE + END, None),
    (b"".join(part(f"f{n}", b"1") for n in range(MAX_PARTS + 1)) + END, None),
]


@pytest.mark.parametrize(
    ("body", "param"),
    BROKEN_FORMS,
)
async def test_what_is_wrong_is_a_400_and_leaves_nothing(
    body: bytes, param: str | None, server: Server
) -> None:
    status, answer = await server.post(body)
    assert (status, answer["error"]["param"]) == (400, param), answer
    assert server.left == []


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"]
)
async def test_another_kind_of_body_is_told_what_to_send(kind: str, server: Server) -> None:
    status, body = await server.post(FILE + END, {"Content-Type": kind})
    assert (status, body["error"]["code"]) == (400, "unsupported_media_type")


@pytest.mark.parametrize("boundary", ["", "; boundary=" + "x" * 99])
async def test_a_form_without_a_usable_boundary_is_refused(boundary: str, server: Server) -> None:
    status, _ = await server.post(FILE + END, {"Content-Type": f"multipart/form-data{boundary}"})
    assert status == 400


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_form_over_the_limit_is_a_413(is_announced: bool, server: Server) -> None:
    body = part("file", b"x" * (LIMIT + 1), filename="a") + END

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65536):
            yield body[at : at + 65536]

    async with server.client.post(
        "/", data=BytesIO(body) if is_announced else pieces(), headers=TYPE
    ) as response:
        answer = await response.json()
    assert (response.status, answer["error"]["code"]) == (413, "body_size_exceeded")
    assert str(LIMIT) in answer["error"]["message"]
    assert server.left == []


async def test_fields_are_small(server: Server) -> None:
    status, body = await server.post(FILE + part("one", b"x" * (MAX_FIELD_BYTES + 1)) + END)
    assert (status, body["error"]["param"]) == (413, "one")
    assert server.left == []


@pytest.mark.parametrize("body", [FILE[:-3], FILE + part("hold", b"1") + END])
async def test_a_caller_that_leaves_leaves_nothing_behind(body: bytes, server: Server) -> None:
    url = str(server.client.make_url("/"))

    async def pieces() -> AsyncIterator[bytes]:
        yield body
        await asyncio.sleep(30)

    async with ClientSession() as session:
        sending = asyncio.create_task(session.post(url, data=pieces(), headers=TYPE).__aenter__())
        await until(lambda: server.left)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    async with asyncio.timeout(20):
        await server.ended.wait()
    assert server.left == []


async def test_memory_does_not_grow_with_the_file(server: Server) -> None:
    size = LIMIT - 1000

    async def pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(size // 10_000):
            yield b"x" * 10_000
        yield b"\r\n" + END

    tracemalloc.start()
    try:
        async with server.client.post("/", data=pieces(), headers=TYPE) as response:
            assert response.status == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size + 2_000_000  # the test itself reads the whole file, to check its hash
