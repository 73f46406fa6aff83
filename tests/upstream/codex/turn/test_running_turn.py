"""The state of a turn: how many pictures are left, what was used, which allowance it is of."""

import asyncio
from typing import Any

import pytest

from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import RequestError, ShutdownError
from service.vocabulary.events import Failure, Outcome, TurnEnded
from service.vocabulary.native import Scope, UsageKnown
from service.vocabulary.requests import PictureOrder
from tests.upstream.codex.turn.test_turns import asked
from upstream.codex.payload.turn_body import CodexTurn
from upstream.codex.turn.running_turn import RunningTurn, scope_of

END = TurnEnded(Outcome.COMPLETE, "stop")
FAILED = TurnEnded(Outcome.FAILED, None, Failure(502, "No.", "upstream_error", None))
PAYLOAD = CodexTurn({"model": "m"})


def turn(order: PictureOrder | None = None, **more: Any) -> RunningTurn:
    caller = Caller("access", "acc-1", "account")
    return RunningTurn(asked(picture=order), Credential("access"), caller, PAYLOAD, **more)


async def test_the_tool_draws_until_all_pictures_are_there() -> None:
    async def by_tool() -> CodexTurn:
        return CodexTurn({"model": "by tool"})

    order = PictureOrder("a boat", count=3)
    ordered = turn(order, by_tool=by_tool)
    assert not ordered.goes_on(END)  # all came at once
    await ordered.draw_by_tool(RequestError("No such way."))
    assert (ordered.payload.model, ordered.by_tool) == ("by tool", None)
    assert [ordered.goes_on(END) for _ in range(3)] == [True, True, False]
    assert [turn(order).goes_on(end) for end in (FAILED, END)] == [False, True]
    assert not turn().goes_on(END)


async def test_without_a_model_for_the_tool_the_fault_is_told() -> None:
    async def by_tool() -> None:
        return None

    with pytest.raises(RequestError, match="No such way"):
        await turn(PictureOrder("a boat"), by_tool=by_tool).draw_by_tool(
            RequestError("No such way.")
        )


def test_tokens_add_up() -> None:
    one = turn()
    assert one.used(UsageKnown(1, 2, 3, 4, 5)) == UsageKnown(1, 2, 3, 4, 5)
    assert one.used(UsageKnown(1, 1)) == UsageKnown(2, 3, 3, 4, 5)


DRAW = {"type": "image_generation"}


@pytest.mark.parametrize(
    ("wishes", "scope"),
    [
        ({"tools": (DRAW,), "tool_choice": DRAW}, Scope.PICTURES),
        ({"tools": (DRAW,), "tool_choice": "required"}, Scope.PICTURES),
        ({"tools": (DRAW,)}, Scope.TEXT),
        ({"tools": (DRAW, {"type": "web_search"}), "tool_choice": "required"}, Scope.TEXT),
        ({"tool_choice": "required"}, Scope.TEXT),
    ],
)
def test_what_was_asked_for_says_which_allowance_it_takes(wishes: Any, scope: Scope) -> None:
    assert scope_of(asked(wishes=wishes)) is scope
    assert scope_of(asked(wishes=wishes, picture=PictureOrder("a boat"))) is Scope.PICTURES


@pytest.mark.parametrize("is_closing", [False, True])
async def test_stopping_ends_a_wait(is_closing: bool) -> None:
    one = turn()
    if is_closing:
        one.shut_down()
    else:
        asyncio.get_running_loop().call_later(0.01, one.shut_down)
    with pytest.raises(ShutdownError):
        async with one.waiting():
            await asyncio.sleep(60)


async def test_another_timeout_within_a_wait_is_not_taken_for_a_stop() -> None:
    with pytest.raises(TimeoutError):
        async with turn().waiting():
            raise TimeoutError
