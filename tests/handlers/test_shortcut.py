"""The short way: who may take it, and that an answer is the same by it."""

import asyncio
from typing import Any

import pytest

from handlers.shortcut import Gathering, Shortcut
from service.events import AnswerText, ReasoningText
from service.rendered import ContentText
from service.stages.bot_format import WEB, Render
from service.stages.encode import Gathered
from tests.gateway import Gateway, running_gateway
from tests.scripted_upstream import DONE, Pause, ScriptedUpstream, answer, final, scripted_upstream

TEXTS = ["It", "It is", "It is tea", "It is tea."]


class Closed:
    """A sink that takes nothing."""

    def is_ready(self) -> bool:
        return False

    def put(self, batch: list[Any]) -> None:
        raise AssertionError(batch)


def test_it_is_closed_until_it_leads_somewhere_and_while_that_is_not_ready() -> None:
    shortcut = Shortcut()
    assert not shortcut.take([AnswerText("a")])
    shortcut.begin(Render(WEB))
    assert not shortcut.take([AnswerText("a")])
    shortcut.join(Closed())
    assert not shortcut.take([AnswerText("a")])
    without_beginning = Shortcut()
    without_beginning.join(Gathering(Gathered()))
    assert not without_beginning.take([AnswerText("a")])


def test_text_is_rendered_on_it() -> None:
    gathered = Gathered()
    shortcut = Shortcut()
    shortcut.begin(Render(WEB))
    shortcut.join(Gathering(gathered))
    assert shortcut.take([AnswerText("a"), ReasoningText("why"), AnswerText("b")])
    assert (gathered.content, gathered.reasoning) == ("ab", "why")


def test_what_renders_to_nothing_is_taken_and_goes_nowhere() -> None:
    class Open(Closed):
        def is_ready(self) -> bool:
            return True

    class Silent(Render):
        def feed(self, _delta: Any) -> list[ContentText]:
            return []

    shortcut = Shortcut()
    shortcut.begin(Silent(WEB))
    shortcut.join(Open())
    assert shortcut.take([AnswerText("a")])


@pytest.fixture
async def upstream() -> Any:
    async with scripted_upstream() as running:
        yield running


@pytest.fixture
async def gateway(upstream: ScriptedUpstream, tmp_path: Any) -> Any:
    async with running_gateway(upstream.url, tmp_path) as running:
        yield running


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_is_the_same_by_the_short_way(
    gateway: Gateway, upstream: ScriptedUpstream, is_stream: bool
) -> None:
    steps = [part for text in TEXTS for part in (answer(text), Pause(0.05))]
    upstream.plays(*steps, final(TEXTS[-1]), DONE)
    short = await gateway.chat(stream=is_stream)
    long = await gateway.chat(stream=is_stream, max_tokens=1000)  # a limit closes it
    assert short.text == long.text == TEXTS[-1]
    assert short.finish == long.finish == "stop"
    if is_stream:
        assert len(short.chunks) == len(long.chunks)
        # One read is one write: no text waited for the next.
        assert len(short.chunks) >= len(TEXTS)


async def test_a_pause_that_the_settings_ask_for_closes_it(
    upstream: ScriptedUpstream, tmp_path: Any
) -> None:
    steps = [part for text in TEXTS for part in (answer(text), Pause(0.02))]
    upstream.plays(*steps, final(TEXTS[-1]), DONE)
    async with running_gateway(upstream.url, tmp_path, stream={"delay_seconds": 0.01}) as gateway:
        assert (await gateway.chat(stream=True)).text == TEXTS[-1]


async def test_a_caller_that_does_not_read_stops_the_upstream_and_nobody_else(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    sent = 0

    def more(_turn: Any) -> bytes:
        nonlocal sent
        sent += 1
        text = b'data: {"v": "%b"}\n\n' % (b"x" * 50_000)
        return text if sent > 1 else START + text

    upstream.plays(*[more] * 2_000)
    async with gateway.open_chat(stream=True) as response:
        await response.content.readany()
        await asyncio.sleep(1)
        paused_at = sent
        await asyncio.sleep(0.3)
        assert sent == paused_at < 1_500
        upstream.scripts.clear()
        upstream.plays(answer("Hi"), final("Hi"), DONE)
        other = await gateway.chat(token="fk-another-caller", stream=True)
        assert other.text == "Hi"


START = (
    b'event: delta_encoding\ndata: "v1"\n\n'
    b'event: delta\ndata: {"p": "", "o": "add", "v": {"message": {"id": "a1", "author": '
    b'{"role": "assistant"}, "content": {"content_type": "text", "parts": [""]}, "status": '
    b'"in_progress"}}}\n\n'
    b'event: delta\ndata: {"p": "/message/content/parts/0", "o": "append", "v": "x"}\n\n'
)
