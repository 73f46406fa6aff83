"""The joined stages, seen through the route that is nearest to them."""

from typing import Any

from service.events import AnswerStarted, AnswerText, ToolResult
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, END, Surroundings

PATH = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


async def content(serve: Serve, **fields: Any) -> tuple[str, str]:
    response = await (await serve()).post(PATH, json={**BODY, **fields}, headers=BEARER)
    choice = (await response.json())["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


async def test_a_profile_renders_the_deltas(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [[AnswerStarted("m"), ToolResult("42"), AnswerText("So."), END]]
    assert (await content(serve))[0] == "\n`Result:`\n```\n42\n```\nSo."
    assert (await content(serve, render_profile="raw"))[0] == "So."


async def test_a_limit_ends_the_answer_only_when_one_is_asked_for(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[AnswerStarted("m"), AnswerText("one two three STOP four"), END]]
    assert await content(serve) == ("one two three STOP four", "stop")
    assert await content(serve, stop="STOP") == ("one two three ", "stop")
    assert await content(serve, max_tokens=2) == ("one two", "length")
