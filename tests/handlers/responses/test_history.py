"""Continuing a response by its id, with a real gateway: what the upstream receives."""

from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from tests.scripted_upstream import DONE, Abort, Pause, ScriptedUpstream, answer, final

OTHER = "fk-the-token-of-somebody-else"
FORGETFUL = pytest.mark.parametrize("setting", ["temporary", "delete_after_response"])


async def respond(
    gateway: Gateway, text: Any = "Hello", token: str = ACCESS_TOKEN, **body: Any
) -> Any:
    async with gateway.session.post(
        f"{gateway.url}/v1/responses",
        json={"model": "gpt-4o", "input": text, **body},
        headers={"Authorization": f"Bearer {token}"},
    ) as response:
        if body.get("stream"):
            return await response.read()
        return await response.json()


def sent(upstream: ScriptedUpstream, turn: int) -> list[tuple[str, str]]:
    messages = upstream.turns[turn].body["messages"]
    return [(one["author"]["role"], one["content"]["parts"][-1]) for one in messages]


async def test_two_turns_are_one_conversation_with_one_message_each(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("One", "a1"), DONE)
    scripted.plays(final("Two", "a2"), DONE)
    gateway = await start_gateway(scripted.url)
    first = await respond(gateway)
    second = await respond(gateway, "And now?", previous_response_id=first["id"])
    assert second["previous_response_id"] == first["id"]
    assert second["id"] != first["id"]
    assert sent(scripted, 1) == [("user", "And now?")]
    body = scripted.turns[1].body
    assert (body["conversation_id"], body["parent_message_id"]) == ("c1", "a1")
    assert "conversation_id" not in scripted.turns[0].body


async def test_one_may_go_on_from_an_earlier_response(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    for n in (1, 2, 3):
        scripted.plays(final("x", f"a{n}"), DONE)
    gateway = await start_gateway(scripted.url)
    first = await respond(gateway)
    await respond(gateway, previous_response_id=first["id"])
    await respond(gateway, previous_response_id=first["id"])
    assert scripted.turns[2].body["parent_message_id"] == "a1"


async def test_instructions_are_those_of_the_request_alone(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url)
    first = await respond(gateway, instructions="Be nice.")
    second = await respond(gateway, "a", previous_response_id=first["id"])
    await respond(gateway, "b", previous_response_id=first["id"], instructions="Be brief.")
    assert first["instructions"] == "Be nice."
    assert second["instructions"] is None
    assert sent(scripted, 0) == [("system", "Be nice."), ("user", "Hello")]
    assert sent(scripted, 1) == [("user", "a")]
    assert sent(scripted, 2) == [("system", "Be brief."), ("user", "b")]


async def test_one_may_go_on_as_soon_as_the_stream_says_completed(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url)
    async with gateway.session.post(
        f"{gateway.url}/v1/responses",
        json={"model": "gpt-4o", "input": "Hello", "stream": True},
        headers={"Authorization": f"Bearer {ACCESS_TOKEN}"},
    ) as response:
        body = b""
        while b"response.completed" not in body:
            body += await response.content.readany()
        first = body.split(b'"id":"resp_')[1].split(b'"')[0].decode()
        second = await respond(gateway, previous_response_id=f"resp_{first}")
    assert second["status"] == "completed"


async def test_the_model_goes_on_unless_named(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url)
    first = await respond(gateway, model="gpt-4o-mini")
    second = await respond(gateway, model=None, previous_response_id=first["id"])
    assert second["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("case", ["unknown", "somebody else's", "not stored", "deleted"])
async def test_a_lost_response_is_the_same_404(
    case: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url)
    first = await respond(gateway, store=case != "not stored")
    response_id = "resp_of_nobody" if case == "unknown" else first["id"]
    token = OTHER if case == "somebody else's" else ACCESS_TOKEN
    if case == "deleted":
        url = f"{gateway.url}/v1/responses/{response_id}"
        await gateway.session.delete(url, headers={"Authorization": f"Bearer {token}"})
    answered = await respond(gateway, token=token, previous_response_id=response_id)
    assert answered["error"] == {
        "message": f"Previous response with id '{response_id}' not found.",
        "type": "invalid_request_error",
        "param": "previous_response_id",
        "code": "previous_response_not_found",
    }
    assert len(scripted.turns) == 1


async def test_what_is_not_stored_may_still_go_on_from_what_is(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url)
    first = await respond(gateway)
    second = await respond(gateway, previous_response_id=first["id"], store=False)
    assert second["status"] == "completed"
    assert "error" in await respond(gateway, previous_response_id=second["id"])


async def test_one_may_go_on_from_what_was_cut(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Abort())
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url)
    cut = await respond(gateway, stream=True)
    response_id = "resp_" + cut.split(b'"id":"resp_')[1].split(b'"')[0].decode()
    second = await respond(gateway, previous_response_id=response_id)
    assert second["status"] == "completed"
    assert scripted.turns[1].body["parent_message_id"] == "a1"


async def test_what_failed_before_it_began_cannot_be_gone_on_from(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.3), {"detail": "No."})
    gateway = await start_gateway(scripted.url, stream={"head_seconds": 0.01})
    gateway_answer = await respond(gateway, stream=True)
    response_id = "resp_" + gateway_answer.split(b'"id":"resp_')[1].split(b'"')[0].decode()
    answered = await respond(gateway, previous_response_id=response_id)
    assert answered["error"]["param"] == "previous_response_id"


# --- without a conversation upstream --------------------------------------------------


@FORGETFUL
async def test_without_a_conversation_upstream_the_history_is_sent_anew(
    setting: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    for n in (1, 2, 3):
        scripted.plays(final(f"Answer {n}", f"a{n}"), DONE)
    gateway = await start_gateway(scripted.url, conversation={setting: True})
    first = await respond(gateway, instructions="Be nice.")
    second = await respond(gateway, "And?", previous_response_id=first["id"])
    await respond(
        gateway, "So?", previous_response_id=second["id"], instructions="Be brief.", stream=True
    )
    assert sent(scripted, 2) == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Answer 1"),
        ("user", "And?"),
        ("assistant", "Answer 2"),
        ("user", "So?"),
    ]
    assert "conversation_id" not in scripted.turns[2].body


@FORGETFUL
async def test_a_history_with_a_hole_is_a_404(
    setting: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url, conversation={setting: True})
    first = await respond(gateway)
    second = await respond(gateway, previous_response_id=first["id"])
    url = f"{gateway.url}/v1/responses/{first['id']}"
    await gateway.session.delete(url, headers={"Authorization": f"Bearer {ACCESS_TOKEN}"})
    answered = await respond(gateway, previous_response_id=second["id"])
    assert answered["error"]["code"] == "previous_response_not_found"


async def test_input_that_was_too_long_to_keep_must_be_sent_again(
    scripted: ScriptedUpstream, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.turns.kept_values.MAX_KEPT_BYTES", 5_000)
    scripted.plays(final("x"), DONE)
    gateway = await start_gateway(scripted.url, conversation={"temporary": True})
    first = await respond(gateway, "x" * 5_000)
    answered = await respond(gateway, previous_response_id=first["id"])
    assert answered["error"]["param"] == "previous_response_id"
    assert answered["error"]["type"] == "invalid_request_error"


# --- references ------------------------------------------------------------------------


async def test_a_reference_stands_for_the_item_it_names(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Answer"), DONE)
    gateway = await start_gateway(scripted.url)
    first = await respond(gateway)
    url = f"{gateway.url}/v1/responses/{first['id']}/input_items"
    async with gateway.session.get(
        url, headers={"Authorization": f"Bearer {ACCESS_TOKEN}"}
    ) as listed:
        asked = (await listed.json())["data"][0]
    references = [
        {"type": "item_reference", "id": asked["id"]},
        {"type": "item_reference", "id": "rs_of_what_was_never_kept"},
        {"type": "item_reference", "id": first["output"][0]["id"]},
    ]
    await respond(gateway, [*references, {"role": "user", "content": "And?"}])
    assert sent(scripted, 1) == [("user", "Hello"), ("assistant", "Answer"), ("user", "And?")]


@pytest.mark.parametrize("item_id", ["msg_unknown", "", "msg", None])
async def test_a_reference_to_nothing_is_named(
    item_id: str | None, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url)
    answered = await respond(gateway, [{"type": "item_reference", "id": item_id}])
    assert answered["error"]["param"] == "input[0].id"
    assert answered["error"]["type"] == "invalid_request_error"
