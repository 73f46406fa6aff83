"""How a turn is written for the wire."""

import pytest

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from tests.scripted_codex import says, token_of
from upstream.codex.payload.turn_body import CodexTurn
from upstream.codex.turn.sending import CodexSender, encoded
from upstream.codex.turn.turn_states import TurnStates

CALLER = Caller(token_of("acc-1"), "acc-1", "a")


def turn(key: str, **fields) -> CodexTurn:
    return CodexTurn({"input": [{"type": "message"}]}, key, False, {}, **fields)


def test_halves_of_characters_are_replaced_and_whole_ones_kept():
    assert encoded({"a": ["ü", 1, None]}) == '{"a":["ü",1,null]}'.encode()
    assert encoded({"a": "\ud83d\ude00b\ud83d"}) == '{"a":"😀b�"}'.encode()


@pytest.mark.parametrize("has_files", [False, True])
@pytest.mark.parametrize("key", ["plain-key_1", "x" * 200, "ключ", "two\nlines", ""])
async def test_the_name_of_a_talk_is_a_header_whatever_it_is(codex, backend, state, key, has_files):
    codex.plays(*says("Hi"))
    sender = CodexSender(UpstreamConfig(), backend, TurnStates(state))
    opened = await sender.open(CALLER, turn(key, has_files=has_files))
    opened.body.close()
    (post,) = codex.posts
    session = post.headers["session_id"]
    assert session == post.headers["session-id"]
    assert (session == key) == (key == "plain-key_1")
    assert session.isascii()
    assert 0 < len(session) <= 128


async def test_the_head_of_an_answer_may_name_the_model(codex, backend, state):
    codex.plays(*says("Hi"), OpenAI_Model="gpt-6-sol")
    codex.plays(*says("Hi"))
    sender = CodexSender(UpstreamConfig(), backend, TurnStates(state))
    models = []
    for _ in range(2):
        opened = await sender.open(CALLER, turn("k"))
        opened.body.close()
        models.append(opened.model)
    assert models == ["gpt-6-sol", ""]
