import pytest
from openai.types.conversations import Conversation

from tests.conftest import StartGateway
from tests.gateway import Gateway
from tests.handlers.conversations.asking import call, made
from tests.scripted_upstream import ScriptedUpstream

OTHER = "fk-the-token-of-somebody-else"


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(scripted.url)


async def test_a_conversation_is_made_read_changed_and_deleted(gateway: Gateway) -> None:
    status, conversation = await call(gateway, "POST", json={"metadata": {"a": "b"}})
    assert status == 200
    assert Conversation.model_validate(conversation).metadata == {"a": "b"}
    assert conversation["object"] == "conversation"
    name = conversation["id"]
    assert await call(gateway, "GET", f"/{name}") == (200, conversation)
    changed = {**conversation, "metadata": {"c": "d"}}
    assert await call(gateway, "POST", f"/{name}", json={"metadata": {"c": "d"}}) == (200, changed)
    assert await call(gateway, "GET", f"/{name}") == (200, changed)
    deleted = {"id": name, "object": "conversation.deleted", "deleted": True}
    assert await call(gateway, "DELETE", f"/{name}") == (200, deleted)
    assert (await call(gateway, "GET", f"/{name}"))[0] == 404


async def test_another_process_has_it_too(
    gateway: Gateway, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    name = await made(gateway, "Hi")
    other = await start_gateway(scripted.url)
    assert (await call(other, "GET", f"/{name}"))[0] == 200


@pytest.mark.parametrize("case", ["unknown", "somebody else's", "another account's"])
async def test_what_is_not_the_callers_is_the_same_404(gateway: Gateway, case: str) -> None:
    name = await made(gateway, "Hi")
    tokens = {"somebody else's": OTHER, "another account's": "fk-an-access-token-of-a-caller,two"}
    name, extra = ("conv_x", {}) if case == "unknown" else (name, {"token": tokens[case]})
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"metadata": {}}),
        ("DELETE", "", None),
        ("GET", "/items", None),
        ("POST", "/items", {"items": [{"role": "user", "content": "Hi"}]}),
        ("GET", "/items/msg_1", None),
        ("DELETE", "/items/msg_1", None),
    ):
        status, answer = await call(gateway, method, f"/{name}{path}", json=body, **extra)
        assert (status, answer["error"]["code"]) == (404, "not_found"), (method, path)


async def test_nothing_is_kept_for_a_token_that_the_upstream_refuses(
    gateway: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.refused_tokens.add("fk-made-up")
    status, body = await call(gateway, "POST", "", "fk-made-up", json={})
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


async def test_one_that_is_too_large_is_refused(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url, responses={"max_bytes_per_owner": 2_000})
    items = [{"role": "user", "content": "x" * 3_000}]
    status, body = await call(gateway, "POST", json={"items": items})
    assert (status, body["error"]["code"]) == (400, "conversation_full")


async def test_an_owner_cannot_drive_out_anybody_else(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    limits = {"max_bytes_per_owner": 4_000, "max_bytes": 100_000}
    gateway = await start_gateway(scripted.url, responses=limits)
    theirs = await call(gateway, "POST", "", OTHER, json={})
    for _ in range(20):
        await made(gateway, "x" * 1_000)
    assert (await call(gateway, "GET", f"/{theirs[1]['id']}", OTHER))[0] == 200
