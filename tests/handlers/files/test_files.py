import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import FormData
from yarl import URL

from tests.conftest import StartGateway
from tests.gateway import Gateway, until
from tests.scripted_upstream import ScriptedUpstream

# aiohttp rolls its own streams back with a method that it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

ADA, BOB = {"Authorization": "Bearer fk-ada"}, {"Authorization": "Bearer fk-bob"}
ADAS_TEAM = {"Authorization": "Bearer fk-ada,team-1"}
UNKNOWN = "file-" + "a" * 24


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(scripted.url, server={"max_upload_bytes": 2_000_000})


def form(content: bytes = b"hello", name: str = "a.txt", **fields: str) -> FormData:
    data = FormData(quote_fields=False)
    for field, value in ({"purpose": "user_data"} | fields).items():
        data.add_field(field, value)
    data.add_field("file", BytesIO(content), filename=name)
    return data


async def call(
    gateway: Gateway, method: str, path: str = "", headers: Any = ADA, **options: Any
) -> tuple[int, Any]:
    url = f"{gateway.url}/v1/files{path}"
    async with gateway.session.request(method, url, headers=headers, **options) as response:
        assert response.content_type == "application/json", await response.text()
        return response.status, await response.json()


async def upload(gateway: Gateway, headers: Any = ADA, **options: Any) -> Any:
    status, body = await call(gateway, "POST", headers=headers, data=form(**options))
    assert status == 200, body
    return body


def stored(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "uploads").rglob("*") if path.is_file())


async def test_a_file_is_stored_told_read_and_deleted(gateway: Gateway, tmp_path: Path) -> None:
    made = await upload(gateway, content=b"0123456789", name="../../报告.txt")
    assert made == made | {
        "object": "file",
        "bytes": 10,
        "filename": "报告.txt",
        "purpose": "user_data",
        "status": "processed",
    }
    assert made["expires_at"] - made["created_at"] == 30 * 86400
    path = f"/{made['id']}"
    assert await call(gateway, "GET", path) == (200, made)
    url = f"{gateway.url}/v1/files{path}/content"
    async with gateway.session.get(url, headers=ADA) as response:
        assert await response.read() == b"0123456789"
        assert response.content_type == "application/octet-stream"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Disposition"].startswith("attachment; ")
        assert response.content_disposition is not None
        assert response.content_disposition.filename == "报告.txt"
    async with gateway.session.get(url, headers=ADA | {"Range": "bytes=2-4"}) as response:
        assert (response.status, await response.read()) == (206, b"234")
    gone = {"id": made["id"], "object": "file", "deleted": True}
    assert await call(gateway, "DELETE", path) == (200, gone)
    assert [
        (await call(gateway, method, end))[0]
        for method, end in (("GET", path), ("GET", f"{path}/content"), ("DELETE", path))
    ] == [404, 404, 404]
    assert stored(tmp_path) == []


async def test_somebody_else_s_file_is_the_same_404_as_an_unknown_one(gateway: Gateway) -> None:
    made = await upload(gateway)
    for stranger in (BOB, ADAS_TEAM, ADA | {"ChatGPT-Account-ID": "team-1"}):
        assert (await call(gateway, "GET", headers=stranger))[1]["data"] == []
        for method, end in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            status, body = await call(gateway, method, f"/{made['id']}{end}", stranger)
            other_status, other = await call(gateway, method, f"/{UNKNOWN}{end}", stranger)
            assert (status, other_status) == (404, 404)
            words = other["error"]["message"].replace(UNKNOWN, made["id"])
            assert body["error"] == other["error"] | {"message": words}
    assert (await call(gateway, "GET", f"/{made['id']}"))[0] == 200


async def test_the_list_is_sorted_filtered_and_paged(gateway: Gateway) -> None:
    ids = [(await upload(gateway, purpose=name))["id"] for name in ("vision", "user_data") * 2]
    _, body = await call(gateway, "GET")
    assert [one["id"] for one in body["data"]] == ids[::-1]
    assert (body["object"], body["has_more"], body["last_id"]) == ("list", False, ids[0])
    _, body = await call(gateway, "GET", params={"purpose": "vision", "order": "asc"})
    assert [one["id"] for one in body["data"]] == ids[::2]
    _, body = await call(gateway, "GET", params={"limit": "2", "after": ids[3]})
    assert ([one["id"] for one in body["data"]], body["has_more"]) == ([ids[2], ids[1]], True)
    _, body = await call(gateway, "GET", params={"after": UNKNOWN})
    assert (body["data"], body["first_id"]) == ([], None)


@pytest.mark.parametrize(
    ("name", "value"), [("limit", "0"), ("limit", "x"), ("limit", "10001"), ("order", "up")]
)
async def test_a_wrong_parameter_of_the_list_is_a_400(
    name: str, value: str, gateway: Gateway
) -> None:
    status, body = await call(gateway, "GET", params={name: value})
    assert (status, body["error"]["param"]) == (400, name)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"content": b""}, "file"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "../x"}, "purpose"),
        ({"expires_after[seconds]": "soon"}, "expires_after[seconds]"),
        ({"expires_after[seconds]": "0"}, "expires_after[seconds]"),
    ],
)
async def test_a_wrong_form_is_a_400_and_nothing_is_stored(
    fields: Any, param: str, gateway: Gateway, tmp_path: Path
) -> None:
    status, body = await call(gateway, "POST", data=form(**fields))
    assert (status, body["error"]["param"]) == (400, param)
    assert stored(tmp_path) == []


async def test_a_caller_may_ask_for_a_shorter_life(gateway: Gateway) -> None:
    short = await upload(gateway, **{"expires_after[seconds]": "3600"})
    assert short["expires_at"] - short["created_at"] == 3600
    long = await upload(gateway, **{"expires_after[seconds]": "9999999999"})
    assert long["expires_at"] - long["created_at"] == 30 * 86400


async def test_a_file_over_the_limit_is_a_413(gateway: Gateway, tmp_path: Path) -> None:
    status, body = await call(gateway, "POST", data=form(b"x" * 2_000_001))
    assert (status, body["error"]["code"]) == (413, "body_size_exceeded")
    assert stored(tmp_path) == []


async def test_every_call_needs_a_credential(gateway: Gateway) -> None:
    for method, path in (
        *(("POST", ""), ("GET", ""), ("GET", f"/{UNKNOWN}"), ("GET", f"/{UNKNOWN}/content")),
        ("DELETE", f"/{UNKNOWN}"),
    ):
        status, body = await call(gateway, method, path, {})
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")


async def test_a_json_body_is_told_to_be_a_form(gateway: Gateway) -> None:
    status, body = await call(gateway, "POST", json={"purpose": "vision"})
    assert (status, body["error"]["code"]) == (400, "unsupported_media_type")
    status, _ = await call(gateway, "PUT", data=form())
    assert status == 405


@pytest.mark.parametrize(
    "name", ["..", "../../x", "%2e%2e%2fx", "file-%00", "%F0%9F%98%80" * 100, "a" * 3000]
)
async def test_a_hostile_id_is_a_404(name: str, gateway: Gateway) -> None:
    await upload(gateway)
    url = URL(f"{gateway.url}/v1/files/{name}/content", encoded=True)
    async with gateway.session.get(url, headers=ADA) as response:
        assert (response.status, response.content_type) == (404, "application/json")


async def test_an_upload_that_breaks_off_leaves_nothing(gateway: Gateway, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield b"x" * 600_000
        await asyncio.sleep(30)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    async with aiohttp.ClientSession() as session:
        url = f"{gateway.url}/v1/files"
        sending = asyncio.ensure_future(session.post(url, data=pieces(), headers=ADA | kind))
        await until(lambda: stored(tmp_path))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: not stored(tmp_path))


async def test_files_survive_a_restart_and_are_seen_by_every_worker(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    first = await start_gateway(scripted.url)
    second = await start_gateway(scripted.url)
    made = await upload(first)
    assert await call(second, "GET", f"/{made['id']}") == (200, made)
    await first.stop()
    assert (await call(second, "DELETE", f"/{made['id']}"))[0] == 200
    third = await start_gateway(scripted.url)
    assert (await call(third, "GET", f"/{made['id']}"))[0] == 404


# --- an owner's share -----------------------------------------------------------------


async def test_one_caller_cannot_fill_the_store(
    scripted: ScriptedUpstream, start_gateway: StartGateway, tmp_path: Path
) -> None:
    gateway = await start_gateway(scripted.url, files={"max_store_bytes": 4_000})
    first = await upload(gateway, content=b"x" * 600)
    before = stored(tmp_path)
    for _ in range(2):
        status, body = await call(gateway, "POST", data=form(b"x" * 500))
        assert (status, body["error"]["code"]) == (400, "storage_limit_exceeded")
        assert body["error"]["type"] == "invalid_request_error"
        assert first["id"] in body["error"]["message"]
    assert stored(tmp_path) == before
    await upload(gateway, BOB, content=b"x" * 500)  # has a share of his own
    assert (await call(gateway, "DELETE", f"/{first['id']}"))[0] == 200
    await upload(gateway, content=b"x" * 500)


async def test_a_file_that_can_have_no_room_is_refused_before_it_is_received(
    scripted: ScriptedUpstream, start_gateway: StartGateway, tmp_path: Path
) -> None:
    gateway = await start_gateway(scripted.url, files={"max_store_bytes": 4_000})
    status, body = await call(gateway, "POST", data=form(b"x" * 1_001))
    assert (status, body["error"]["code"]) == (413, "body_size_exceeded")
    has_asked = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        has_asked.set()
        yield b"--x\r\n"
        await asyncio.sleep(30)

    kind = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "5000000"}
    url = f"{gateway.url}/v1/files"
    async with gateway.session.post(url, data=pieces(), headers=ADA | kind) as response:
        assert (response.status, has_asked.is_set()) == (413, True)
    assert stored(tmp_path) == []
