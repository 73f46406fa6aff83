"""What goes back with results of calls, and to nobody else."""

import pytest

from service.vocabulary.credentials import Caller
from upstream.codex.turn.turn_states import HEADER, MAX_CALLS, MAX_CHARS, TurnStates

CALLER, OTHER = Caller("t", None, "a"), Caller("u", None, "b")


async def test_a_state_belongs_to_an_account_and_to_the_calls_of_one_response(state):
    here, there = TurnStates(state), TurnStates(state)
    await here.keep(CALLER, {HEADER: "one"}, ["call_1", "call_2"])
    await here.keep(CALLER, {HEADER: "two"}, ["call_3"])
    assert await there.headers(CALLER, ["call_2", "call_1"]) == {HEADER: "one"}
    assert await there.headers(CALLER, ["call_3"]) == {HEADER: "two"}
    for calls in ([], ["call_1", "call_3"], ["call_1", "unknown"], ["unknown"]):
        assert await there.headers(CALLER, calls) == {}
    assert await there.headers(OTHER, ["call_1"]) == {}


@pytest.mark.parametrize("sent", ["", "x" * (MAX_CHARS + 1), "two\r\nlines", "ü"])
async def test_what_is_no_header_is_not_kept(state, sent):
    states = TurnStates(state)
    await states.keep(CALLER, {HEADER: sent}, ["call_1"])
    assert await states.headers(CALLER, ["call_1"]) == {}


async def test_a_response_of_many_calls_keeps_few(state):
    states = TurnStates(state)
    calls = [f"call_{number}" for number in range(MAX_CALLS + 5)]
    await states.keep(CALLER, {HEADER: "one"}, calls)
    assert await states.headers(CALLER, calls[MAX_CALLS:]) == {}
    assert await states.headers(CALLER, calls) == {HEADER: "one"}
