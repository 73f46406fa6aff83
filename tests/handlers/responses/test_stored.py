"""`/v1/responses/{id}` with a real gateway: reading, cancelling, deleting."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from handlers.background.kept import kept_responses
from service.vocabulary.credentials import read_credential
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from tests.open_responses import check_open_items
from tests.response_events import check_response, checked, text_of
from tests.scripted_upstream import DONE, STALL, ScriptedUpstream, answer, final

OTHER = "fk-the-token-of-somebody-else"
UNKNOWN = "resp_of_nobody"


async def call(
    gateway: Gateway, method: str, path: str = "", token: str = ACCESS_TOKEN, **fields: Any
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{gateway.url}/v1/responses{path}"
    async with gateway.session.request(method, url, headers=headers, **fields) as response:
        return response.status, await response.json()


async def made(gateway: Gateway, text: Any = "Hello", **body: Any) -> Any:
    status, response = await call(gateway, "POST", json={"model": "gpt-4o", "input": text, **body})
    assert status == 200, response
    return response


class Stream:
    """A running response, and what its caller has read of it."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.body = b""

    async def until(self, wanted: bytes) -> None:
        async with asyncio.timeout(20):
            while wanted not in self.body:
                self.body += await self.response.content.readany()

    @property
    def id(self) -> str:
        return "resp_" + self.body.split(b'"id":"resp_')[1].split(b'"')[0].decode()


async def begun(gateway: Gateway, **body: Any) -> Stream:
    response = await gateway.session.post(
        f"{gateway.url}/v1/responses",
        json={"model": "gpt-4o", "input": "Hello", "stream": True, **body},
        headers={"Authorization": f"Bearer {ACCESS_TOKEN}"},
    )
    stream = Stream(response)
    await stream.until(b'"delta":"Hel"')
    return stream


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(final("Hello wide world"), DONE)
    return await start_gateway(scripted.url)


@pytest.fixture
async def stalled(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(answer("Hel"), STALL)
    return await start_gateway(scripted.url)


async def test_a_response_is_answered_as_it_was(gateway: Gateway) -> None:
    response = await made(gateway, metadata={"a": "b"}, instructions="Be nice.")
    assert await call(gateway, "GET", f"/{response['id']}") == (200, response)


async def test_a_response_has_its_pictures_again(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo)
    response = await made(gateway, "draw a cat")
    _, again = await call(gateway, "GET", f"/{response['id']}")
    assert again == response
    (picture, *_) = [i for i in again["output"] if i["type"] == "image_generation_call"]
    assert base64.b64decode(picture["result"]).startswith(b"\x89PNG")


async def test_what_an_earlier_version_kept_is_answered_whole(gateway: Gateway) -> None:
    made_before = await made(gateway)
    owner = read_credential(f"Bearer {ACCESS_TOKEN}", None, None).owner
    kept = await kept_responses(gateway.app).find(owner, made_before["id"])
    assert kept is not None
    new = ("completed_at", "presence_penalty", "service_tier", "prompt_cache_key")
    old = {name: value for name, value in kept.response.items() if name not in new}
    image = {"type": "input_image", "image_url": "https://a.example/a.png"}
    item = {"id": "msg_1", "type": "message", "role": "user", "status": "completed"}
    await kept_responses(gateway.app).keep(
        owner,
        structs.replace(
            kept, response={**old, "temperature": None}, input_items=[{**item, "content": [image]}]
        ),
    )
    _, again = await call(gateway, "GET", f"/{made_before['id']}")
    check_response(again)
    assert again == {**made_before, "completed_at": None}
    _, listed = await call(gateway, "GET", f"/{made_before['id']}/input_items")
    check_open_items(listed["data"])


async def test_what_was_cut_by_a_limit_is_kept(gateway: Gateway) -> None:
    response = await made(gateway, max_output_tokens=2)
    _, again = await call(gateway, "GET", f"/{response['id']}")
    assert again["status"] == "incomplete"


@pytest.mark.parametrize(
    ("method", "suffix"),
    [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")],
)
@pytest.mark.parametrize("case", ["unknown", "somebody else's", "not stored"])
async def test_what_is_not_the_callers_is_the_same_404(
    method: str, suffix: str, case: str, gateway: Gateway
) -> None:
    response_id = UNKNOWN
    if case != "unknown":
        response_id = (await made(gateway, store=case != "not stored"))["id"]
    token = OTHER if case == "somebody else's" else ACCESS_TOKEN
    status, body = await call(gateway, method, f"/{response_id}{suffix}", token)
    assert status == 404
    assert body["error"] == {
        "message": f"Response with id '{response_id}' not found.",
        "type": "invalid_request_error",
        "param": "id",
        "code": "not_found",
    }


async def test_another_account_of_the_same_token_is_somebody_else(gateway: Gateway) -> None:
    response = await made(gateway)
    status, _ = await call(gateway, "GET", f"/{response['id']}", f"{ACCESS_TOKEN},account-2")
    assert status == 404


async def test_a_deleted_response_is_gone(gateway: Gateway) -> None:
    response_id = (await made(gateway))["id"]
    deleted = {"id": response_id, "object": "response", "deleted": True}
    assert await call(gateway, "DELETE", f"/{response_id}") == (200, deleted)
    assert (await call(gateway, "GET", f"/{response_id}"))[0] == 404
    assert (await call(gateway, "DELETE", f"/{response_id}"))[0] == 404


async def test_input_items_come_in_pages_the_last_first(gateway: Gateway) -> None:
    items = [{"role": "user", "content": text} for text in "abc"]
    response_id = (await made(gateway, items))["id"]
    _, page = await call(gateway, "GET", f"/{response_id}/input_items?limit=2")
    assert [item["content"][0]["text"] for item in page["data"]] == ["c", "b"]
    assert page["has_more"] is True
    after = f"/{response_id}/input_items?after={page['last_id']}"
    _, rest = await call(gateway, "GET", after)
    assert [item["content"][0]["text"] for item in rest["data"]] == ["a"]
    assert rest["has_more"] is False
    _, ascending = await call(gateway, "GET", f"/{response_id}/input_items?order=asc")
    assert [item["content"][0]["text"] for item in ascending["data"]] == ["a", "b", "c"]


async def test_input_that_was_too_long_to_keep_is_a_404(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.turns.kept_values.MAX_KEPT_BYTES", 5_000)
    response_id = (await made(gateway, "x" * 5_000))["id"]
    assert (await call(gateway, "GET", f"/{response_id}"))[0] == 200
    assert (await call(gateway, "GET", f"/{response_id}/input_items"))[0] == 404


# --- while it is being written ----------------------------------------------------------


async def test_a_response_that_is_being_written_can_be_looked_at(stalled: Gateway) -> None:
    stream = await begun(stalled)
    status, response = await call(stalled, "GET", f"/{stream.id}")
    assert (status, response["status"]) == (200, "in_progress")
    assert check_response(response).output_text == "Hel"
    stream.response.close()


async def test_a_cancelled_response_ends_at_once_and_is_kept(
    stalled: Gateway, scripted: ScriptedUpstream
) -> None:
    stream = await begun(stalled)
    status, response = await call(stalled, "POST", f"/{stream.id}/cancel")
    assert (status, response["status"]) == (200, "cancelled")
    assert check_response(response).output_text == "Hel"
    assert scripted.turns[0].closed.is_set()
    events = checked(stream.body + await stream.response.read())
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["status"] == "cancelled"
    assert text_of(events) == "Hel"
    assert await call(stalled, "GET", f"/{stream.id}") == (200, response)
    assert await call(stalled, "POST", f"/{stream.id}/cancel") == (200, response)
    assert await stalled.outcomes() == {"abandoned": 1}


async def test_nobody_else_can_cancel_a_response(stalled: Gateway) -> None:
    stream = await begun(stalled)
    assert (await call(stalled, "POST", f"/{stream.id}/cancel", OTHER))[0] == 404
    _, response = await call(stalled, "GET", f"/{stream.id}")
    assert response["status"] == "in_progress"
    stream.response.close()


async def test_a_response_that_has_ended_is_cancelled_as_it_is(gateway: Gateway) -> None:
    response = await made(gateway)
    assert await call(gateway, "POST", f"/{response['id']}/cancel") == (200, response)


async def test_a_response_that_is_deleted_while_it_is_written_is_not_kept(
    stalled: Gateway,
) -> None:
    stream = await begun(stalled)
    status, body = await call(stalled, "DELETE", f"/{stream.id}")
    assert (status, body["deleted"]) == (200, True)
    assert (await call(stalled, "POST", f"/{stream.id}/cancel"))[0] == 200
    assert (await call(stalled, "GET", f"/{stream.id}"))[0] == 404
    stream.response.close()


async def test_no_key_is_a_401(gateway: Gateway) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        url = f"{gateway.url}/v1/responses/{UNKNOWN}{path}"
        async with gateway.session.request(method, url) as response:
            assert response.status == 401


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("state.db*"))


async def test_what_is_kept_holds_no_token(gateway: Gateway, tmp_path: Path) -> None:
    await made(gateway)
    kept = bytes_of(tmp_path)
    assert b"Hello wide world" in kept
    assert ACCESS_TOKEN.encode() not in kept
