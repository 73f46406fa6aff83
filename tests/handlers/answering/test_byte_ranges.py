"""The bytes of a stored file are served alike from a disk and from a remote store."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer

from handlers.answering.byte_ranges import content_response
from handlers.edge.middleware import edge
from service.keys import CONFIG, METRICS
from service.observing.metrics import Metrics
from service.settings.config import Config
from service.vocabulary.byte_source import Content
from service.vocabulary.errors import StorageError
from tests.rows import each_row
from tests.service.vocabulary.test_byte_source import Held

BODY = bytes(range(256)) * 4
MADE_AT = 1_700_000_000
MADE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE, AFTER = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"
GIVEN = {"Content-Type": "text/csv", "X-Given": "yes"}
ASKED: list[dict[str, str]] = [
    {},
    *({"Range": f"bytes={wanted}"} for wanted in ("0-", "0-0", "5-9", "1014-", "-7", "-0")),
    *({"Range": f"bytes={wanted}"} for wanted in ("1023-", "0-999999999", "-999999999")),
    *({"Range": f"bytes={wanted}"} for wanted in ("1024-", "9-5", "-", "a-b", "0-1,4-5")),
    *({"Range": wanted} for wanted in ("lines=1-2", "", "bytes=٣-", "BYTES=1-2")),
    *({"Range": "bytes=5-9", "If-Range": date} for date in (MADE, BEFORE, AFTER, '"tag"')),
    *({"If-Modified-Since": date} for date in (MADE, BEFORE, AFTER, "soon")),
    *({"If-Unmodified-Since": date} for date in (MADE, BEFORE, AFTER, "soon")),
    *({"If-None-Match": tags} for tags in ("*", '"other"', 'W/"other", "more"')),
    *({"If-Match": tags} for tags in ("*", '"other"', 'W/"other"')),
    {"If-None-Match": '"other"', "If-Modified-Since": AFTER},
    {"If-Match": "*", "If-Unmodified-Since": BEFORE},
    {"If-Modified-Since": AFTER, "Range": "bytes=5-9"},
]
COMPARED = ("Content-Range", "Last-Modified", "Accept-Ranges", "X-Given", "ETag")


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, Content]:
    """Content by name: the same bytes on a disk and in a remote store, and content that fails."""
    for name, body in (("disk", BODY), ("disk-empty", b"")):
        (tmp_path / name).write_bytes(body)
        os.utime(tmp_path / name, (MADE_AT, MADE_AT))
    broken = StorageError("The store is out of order.")
    return {
        "disk": tmp_path / "disk",
        "disk-empty": tmp_path / "disk-empty",
        "beyond": Held(BODY, made_at=MADE_AT + 0.5),
        "beyond-empty": Held(b"", made_at=MADE_AT),
        "gone": Broken(BODY, FileNotFoundError()),
        "dead": Broken(BODY, broken),
        "breaks": Short(BODY, broken),
    }


class Broken(Held, frozen=True):
    """Fails before its first byte."""

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        raise self.error or AssertionError(start, end)
        yield b""


class Short(Held, frozen=True):
    """Breaks off in the middle."""

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        yield self.body[start : end // 2]
        assert self.error is not None
        raise self.error


@pytest.fixture
async def client(contents: dict[str, Content]) -> AsyncIterator[TestClient]:
    async def serve(request: web.Request) -> web.StreamResponse:
        return await content_response(request, contents[request.match_info["name"]], GIVEN)

    app = web.Application(middlewares=[edge])
    app[CONFIG], app[METRICS] = Config(), Metrics()
    app.router.add_get("/{name}", serve)
    async with TestClient(TestServer(app)) as started:
        yield started


async def answer(client: TestClient, method: str, name: str, headers: dict[str, str]) -> Any:
    async with client.request(method, f"/{name}", headers=headers) as response:
        body = await response.read()
        told = {key: response.headers.get(key) for key in COMPARED}
        told["ETag"] = told["ETag"] and "some"
        if response.status == 416:  # the range is outside of the file
            told = {key: told[key] for key in ("Content-Range", "X-Given")}
        elif response.status != 304:
            told["Content-Length"] = response.headers.get("Content-Length")
        return response.status, body, told


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ["", "-empty"])
async def test_both_answer_the_same(client: TestClient, method: str, name: str) -> None:
    for headers in ASKED:
        disk = await answer(client, method, f"disk{name}", headers)
        assert await answer(client, method, f"beyond{name}", headers) == disk, headers


@pytest.mark.parametrize("name", ["disk", "beyond"])
async def test_the_tag_of_an_answer_is_its_condition(client: TestClient, name: str) -> None:
    async with client.get(f"/{name}") as response:
        assert await response.read() == BODY
        tag = response.headers["ETag"]
    for headers, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f"W/{tag}"}, 304),
        ({"If-Match": tag}, 200),
        ({"If-Match": f"W/{tag}"}, 412),
    ):
        async with client.get(f"/{name}", headers=headers) as response:
            assert response.status == status


@each_row("name", ["disk", "beyond"])
@each_row(
    ("headers", "status", "body"),
    [
        ({"Range": "bytes=5-9"}, 206, BODY[5:10]),
        ({"Range": "Bytes = 5-9 "}, 206, BODY[5:10]),
        ({"Range": "bytes=-7"}, 206, BODY[-7:]),
        ({"Range": "bytes=-9999"}, 206, BODY),
        ({"Range": "bytes=1020-9999"}, 206, BODY[1020:]),
        ({"Range": "bytes=-0"}, 416, b""),
        ({"Range": "bytes=1024-"}, 416, b""),
        ({"Range": "bytes=9-5"}, 200, BODY),
        ({"Range": "bytes=0-1,4-5"}, 200, BODY),
        ({"Range": "lines=1-2"}, 200, BODY),
        ({"Range": f"bytes={'9' * 5000}-"}, 200, BODY),
        ({"Range": "bytes=5-9", "If-Range": "TAG"}, 206, BODY[5:10]),
        ({"Range": "bytes=5-9", "If-Range": "W/TAG"}, 200, BODY),
        ({"Range": "bytes=5-9", "If-Range": '"another"'}, 200, BODY),
        ({"Range": "bytes=5-9", "If-Range": "nonsense"}, 200, BODY),
        ({"Range": "bytes=-0", "If-Range": '"another"'}, 200, BODY),
        ({"Range": "bytes=5-9", "If-Range": MADE}, 206, BODY[5:10]),
        ({"Range": "bytes=5-9", "If-Range": BEFORE}, 200, BODY),
        ({"Range": "bytes=5-9", "If-Range": AFTER}, 200, BODY),
    ],
)
async def test_a_range_is_served_only_of_what_the_caller_has(
    client: TestClient, name: str, headers: dict[str, str], status: int, body: bytes
) -> None:
    tag = (await client.head(f"/{name}")).headers["ETag"]
    sent = {key: value.replace("TAG", tag) for key, value in headers.items()}
    async with client.get(f"/{name}", headers=sent) as response:
        assert (response.status, await response.read()) == (status, body)
        if status == 416:
            assert response.headers["Content-Range"] == "bytes */1024"


async def test_a_file_that_grows_shorter_does_not_look_whole(
    client: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "disk").write_bytes(bytes(10_000_000))
    async with client.get("/disk") as response:
        os.truncate(tmp_path / "disk", 5)
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_what_is_no_file_is_not_there(client: TestClient, contents: Any) -> None:
    contents["folder"] = contents["disk"].parent
    contents["below"] = contents["disk"] / "x"
    for name in ("folder", "below"):
        assert (await client.get(f"/{name}")).status == 404


async def test_what_is_gone_or_out_of_order_is_told_with_a_status(client: TestClient) -> None:
    for name, status, code in (("gone", 404, "not_found"), ("dead", 500, "storage_error")):
        for headers in ({}, {"Range": "bytes=5-9"}):
            async with client.get(f"/{name}", headers=headers) as response:
                assert response.status == status
                assert (await response.json())["error"]["code"] == code


async def test_what_breaks_off_does_not_look_whole(client: TestClient) -> None:
    async with client.get("/breaks") as response:
        assert int(response.headers["Content-Length"]) == len(BODY)
        with pytest.raises(ClientPayloadError):
            await response.read()
    async with client.get("/beyond") as response:
        assert await response.read() == BODY
