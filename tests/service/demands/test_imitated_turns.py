"""Requests as an upstream of words alone gets them."""

from msgspec import structs

from service.demands.imitated_turns import ImitatedTurns
from service.vocabulary.credentials import Credential
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    ChatRequest,
    Demand,
    Function,
    Profile,
    ResultPart,
    SealedPart,
    TextPart,
)
from tests.handlers.scripted import ScriptedTurns, says
from tests.sinks import Kept

CHAT = ChatRequest(
    request_id="r",
    model="m",
    messages=(
        ChatMessage("assistant", (CallPart("c", "add", '{"a":1}', "p"), SealedPart("x"))),
        ChatMessage("assistant", (SealedPart("x"),)),
        ChatMessage("tool", (ResultPart("c", (TextPart("2"),), "p"),)),
    ),
    is_stream=True,
    is_usage_wanted=False,
    profile=Profile.WEB,
    public_url="",
    received_at=0,
)


async def asked(chat: ChatRequest, script=None) -> list[ChatRequest]:
    turns = ScriptedTurns(script=script or says("Hi"))
    imitated = ImitatedTurns(turns, is_kept=True)
    await imitated.run(chat, Credential("fk-x"), Kept())
    return [request for request, _ in turns.requests]


async def test_calls_and_results_are_told_in_words_and_what_cannot_be_is_left_out() -> None:
    (told,) = await asked(CHAT)
    assert [message.text for message in told.messages] == [
        '<tool_call>\n{"id": "c", "name": "add", "arguments": {"a": 1}}\n</tool_call>',
        "add (c) returned:\n2",
    ]


async def test_a_history_of_words_is_sent_as_it_is() -> None:
    plain = structs.replace(CHAT, messages=(ChatMessage("user", (TextPart("Hi"),)),))
    (told,) = await asked(plain)
    assert told is plain


async def test_a_demand_is_told_and_asked_for_again() -> None:
    demand = Demand((Function("add", "p"),), must_call=True)
    first, again = await asked(structs.replace(CHAT, demand=demand))
    assert first.messages[0].role == "system"
    assert "add" in first.messages[0].text
    assert "[Correction]" in again.messages[-1].text
