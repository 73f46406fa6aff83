"""What a response is asked for, read with what it goes on from."""

from typing import Any

import pytest
from aiohttp import web

from handlers.reading.common_fields import Arrival
from handlers.responses.fields import ResponseFields
from handlers.responses.input import Reading, read_input
from service import keys
from service.settings.config import Config
from service.turns.kept_responses import KeptResponse
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import NotFoundError, RequestError
from service.vocabulary.requests import Profile
from service.vocabulary.wire import to_json
from storage.secrets.cipher import Cipher
from tests.conftest import StartGateway
from tests.gateway import Gateway
from tests.handlers.background.following import call
from tests.handlers.conversations.asking import made
from tests.scripted_upstream import DONE, ScriptedUpstream, final

ANNA = Credential("anna")
OUTPUT = [{"type": "message", "id": "m", "role": "assistant", "content": "A good name."}]
KEPT = KeptResponse(
    {"id": "resp_1", "model": "gpt-6-sol", "output": OUTPUT},
    input_items=[{"type": "message", "id": "i", "role": "user", "content": "Rex."}],
    conversation_id="c",
    message_id="m",
    cache_key="key",
)


class State:
    """Has one kept response."""

    async def get(self, key: str) -> bytes | None:
        is_kept = key == f"response:{ANNA.owner}:resp_1"
        return to_json(KEPT) if is_kept else None


@pytest.fixture
def app() -> web.Application:
    made = web.Application()
    made[keys.CONFIG] = Config()
    made[keys.STATE] = State()  # type: ignore[misc] - as much of it as is needed
    made[keys.SEALER] = Cipher(b"a secret")
    return made


def reading(*, is_native: bool = False, credential: Credential = ANNA) -> Reading:
    arrival = Arrival("r", 0.0, "http://gw", Profile.WEB, is_native=is_native)
    return Reading(arrival, credential, "stem")


def fields(**given: Any) -> ResponseFields:
    return ResponseFields(**given)


async def test_where_nothing_is_kept_upstream_the_history_is_sent_again(app) -> None:
    asked = fields(input="So?", previous_response_id="resp_1", instructions="Be brief.")
    given = await read_input(app, asked, reading(is_native=True))
    texts = ["Be brief.", "Rex.", "A good name.", "So?"]
    assert [message.text for message in given.chat.messages] == texts
    assert (given.chat.model, given.chat.wishes.cache_key) == ("gpt-6-sol", "key")
    assert [item["id"] for item in given.items] == ["msg_stemi00"]


async def test_the_website_goes_on_with_its_conversation(app) -> None:
    asked = fields(input="So?", previous_response_id="resp_1")
    given = await read_input(app, asked, reading())
    assert [message.text for message in given.chat.messages] == ["So?"]
    assert (given.chat.conversation_id, given.chat.parent_message_id) == ("c", "m")


async def test_without_an_input_there_is_only_what_was_before(app) -> None:
    given = await read_input(app, fields(previous_response_id="resp_1"), reading(is_native=True))
    assert ([message.text for message in given.chat.messages], given.items) == (
        ["Rex.", "A good name."],
        [],
    )


async def test_what_is_another_s_or_missing_is_refused(app) -> None:
    asked = fields(input="So?", previous_response_id="resp_1")
    with pytest.raises(NotFoundError):
        await read_input(app, asked, reading(credential=Credential("bob")))
    with pytest.raises(RequestError) as caught:
        await read_input(app, fields(input="So?"), reading())
    assert caught.value.param == "model"


# --- conversations ------------------------------------------------------------------

ASKED = {"model": "gpt-4o", "input": "And now?"}


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(final("Hello"), DONE)
    return await start_gateway(scripted.url)


def texts(turn: Any) -> list[str]:
    return [one["content"]["parts"][0] for one in turn.body["messages"]]


async def test_the_items_of_a_conversation_go_before_the_input(
    gateway: Gateway, scripted: ScriptedUpstream
) -> None:
    name = await made(gateway, "One", "Two")
    body = {**ASKED, "conversation": name, "instructions": "Be nice."}
    assert (await call(gateway, "POST", json=body))[0] == 200
    assert texts(scripted.turns[0]) == ["Be nice.", "One", "Two", "And now?"]


async def test_what_the_upstream_does_not_keep_is_sent_anew(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, conversation={"temporary": True})
    name = await made(gateway, "One")
    for _ in range(2):
        assert (await call(gateway, "POST", json={**ASKED, "conversation": name}))[0] == 200
    assert texts(scripted.turns[1]) == ["One", "And now?", "Hello", "And now?"]


async def test_an_unknown_conversation_is_a_404(gateway: Gateway) -> None:
    status, body = await call(gateway, "POST", json={**ASKED, "conversation": "conv_x"})
    assert (status, body["error"]["param"]) == (404, "conversation")


async def test_a_full_conversation_is_refused_before_the_turn(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url, responses={"max_bytes_per_owner": 2_000})
    name = await made(gateway, "x" * 1_500)
    body = {"model": "gpt-4o", "input": "y" * 500, "conversation": name}
    status, answer = await call(gateway, "POST", json=body)
    assert (status, answer["error"]["code"]) == (400, "conversation_full")
    assert scripted.turns == []
