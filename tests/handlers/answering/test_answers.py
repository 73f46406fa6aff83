"""The joined stages, seen through the simplest route."""

from collections.abc import Iterator
from typing import Any

from handlers.answering.answers import Staged
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    Cited,
    FunctionArguments,
    FunctionCallStarted,
    Outcome,
    Source,
    TextSpent,
    ToolResult,
    TurnEnded,
)
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, END, Surroundings
from tests.sinks import Kept

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


async def test_a_call_is_told_and_counted_with_all_that_was_spent_on_it(
    serve: Serve, around: Surroundings
) -> None:
    call = [FunctionCallStarted(0, "call_a", "add"), FunctionArguments(0, '{"a":1}')]
    end = TurnEnded(Outcome.COMPLETE, "tool_calls")
    around.turns.script = [[*call, end]]
    client = await serve()
    cheap = await (await client.post(PATH, json=BODY, headers=BEARER)).json()
    around.turns.script = [[TextSpent(("Correct it.",), "one two three"), *call, end]]
    dear = await (await client.post(PATH, json=BODY, headers=BEARER)).json()
    assert cheap["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert cheap["usage"]["completion_tokens"] >= 5
    assert dear["usage"]["completion_tokens"] == cheap["usage"]["completion_tokens"] + 3
    assert dear["usage"]["prompt_tokens"] == cheap["usage"]["prompt_tokens"] + 7
    assert dear["choices"][0]["message"]["content"] is None


async def test_a_mark_that_gets_through_to_the_last_is_taken_out_and_counted(
    serve: Serve, around: Surroundings
) -> None:
    page = Source("https://e.org/", "T\ue203")
    around.turns.script = [[AnswerStarted("m"), AnswerText("a\ue200b"), Cited(1, "", (page,)), END]]
    client = await serve()
    reply = await (await client.post(PATH, json=BODY, headers=BEARER)).json()
    message = reply["choices"][0]["message"]
    assert message["content"] == "ab"
    assert message["annotations"][0]["url_citation"]["title"] == "T"
    metrics = await (await client.get("/metrics")).text()
    assert 'gateway_stream_anomalies_total{kind="private-use character"} 2.0' in metrics


class Repeat:
    """A stage that gives each number as often as it says."""

    def feed(self, item: int) -> Iterator[int]:
        yield from [item] * item


async def test_stages_keep_batches_and_leave_empty_ones_out() -> None:
    kept = Kept()
    sink = Staged(kept, None, Repeat(), Repeat())
    batches: list[Any] = [[1, 0, 2], [0], [3]]
    for batch in batches:
        assert sink.is_ready()
        sink.feed(batch)
    await sink.ready()
    assert kept.batches == [[1, 2, 2, 2, 2], [3] * 9]
    assert not sink.is_over()
