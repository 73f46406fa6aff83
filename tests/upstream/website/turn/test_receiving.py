"""From a body to deltas, by the usual way and by the fast lane."""

import asyncio
from collections.abc import AsyncIterator
from itertools import chain
from typing import Any

import pytest

from service.pipeline.fast_lane import DIFFERENCE, FastLane
from service.pipeline.joined import SLICE_CHARS, Reader, make_answer, make_reader, make_renderer
from service.stages.render.bot_format import WEB
from service.vocabulary.events import (
    AnswerText,
    AnswerWanted,
    BodyEnd,
    BodyEnded,
    ConversationNamed,
    Delta,
    Outcome,
    SentHistory,
    TurnEnded,
    UpstreamEvent,
)
from service.vocabulary.rendered import Rendered
from tests.lane import Differing
from tests.scripted_upstream import DONE, Pause, ScriptedUpstream, answer, final, scripted_upstream
from tests.sinks import Kept
from tests.upstream.website.turn.test_client import opened
from upstream.line.line import SLICE_BYTES, Line
from upstream.website.turn.receiving import Receiver

WORDS = ["It", " is", " tea", ", and", " more"]


class Told:
    """An outlet, open or closed."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.is_reading = True
        self.put_text = ""
        self.gathered: list[Rendered] = []

    def put(self, text: str) -> bool:
        self.put_text += text
        return self.is_reading

    def gather(self, pieces: list[Rendered]) -> None:
        self.gathered += pieces


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        steps: list[Any] = []
        for count in range(1, len(WORDS) + 1):
            steps += [answer("".join(WORDS[:count])), Pause(0.05)]
        running.plays(*steps, final("".join([*WORDS, "."])), DONE)
        yield running


async def received(upstream: ScriptedUpstream, lane: FastLane | None) -> list[Delta]:
    async with opened(upstream) as client:
        body, kept = await client.open(), Kept()
        receiver = Receiver(make_reader(), make_answer(SentHistory()), lane)
        await Line(body, receiver, kept).run()
        return [delta for batch in kept.batches for delta in batch]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, AnswerText))


@pytest.mark.parametrize("has_lane", [False, True])
async def test_all_is_yielded_where_nothing_is_taken(
    upstream: ScriptedUpstream, has_lane: bool
) -> None:
    lane = FastLane(make_renderer(WEB), Told(is_open=False)) if has_lane else None
    deltas = await received(upstream, lane)
    assert text_of(deltas) == "It is tea, and more."
    assert isinstance(deltas[-1], TurnEnded)


async def test_a_paced_answer_has_a_batch_for_each_piece_of_a_read(
    upstream: ScriptedUpstream,
) -> None:
    grown = ["".join(WORDS[:count]) for count in range(1, len(WORDS) + 1)]
    upstream.scripts.clear()
    upstream.plays(b"".join(map(answer, grown)) + final("".join(WORDS)) + DONE)
    texts = {}
    for is_paced in (True, False):
        async with opened(upstream) as client:
            body = await client.open()
            reader = make_reader(is_paced=is_paced)
            receiver, kept = Receiver(reader, make_answer(SentHistory()), None), Kept()
            await Line(body, receiver, kept).run()
            texts[is_paced] = [text for batch in kept.batches if (text := text_of(batch))]
    assert texts[True] == [
        "It",
        " i",
        "s tea",
        ", and",
        " more",
    ]  # `s` may begin `sandbox:`, so it waits
    assert texts[False] == ["".join(WORDS)]


async def test_others_have_their_turn_within_a_long_event(upstream: ScriptedUpstream) -> None:
    text = "](sandbox:/" * 3_000
    upstream.scripts.clear()
    upstream.plays(final(text), DONE)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with opened(upstream) as client:
        receiver = Receiver(make_reader(), make_answer(SentHistory()), None)
        sink = Kept()
        counting = asyncio.create_task(count())
        await Line(await client.open(), receiver, sink).run()
        counting.cancel()
    told = "".join(map(text_of, sink.batches))
    most = max(len(text_of(batch)) for batch in sink.batches)
    assert turns >= len(sink.batches) - 1
    assert told == text
    assert most <= 2 * SLICE_CHARS


@pytest.mark.parametrize(("is_resumed", "outcome"), [(True, None), (False, Outcome.CUT)])
async def test_a_resumed_body_of_nothing_is_not_the_end(
    upstream: ScriptedUpstream, is_resumed: bool, outcome: Outcome | None
) -> None:
    upstream.scripts.clear()
    upstream.plays(b": nothing\n\n")
    async with opened(upstream) as client:
        stages = make_answer(SentHistory())
        stages.feed(ConversationNamed("c1"))
        receiver, kept = Receiver(make_reader(), stages, None), Kept()
        if is_resumed:
            receiver.follow()
        await Line(await client.open(), receiver, kept).run()
        deltas = [delta for batch in kept.batches for delta in batch]
    ended = [delta.outcome for delta in deltas if isinstance(delta, TurnEnded)]
    assert ended == ([outcome] if outcome else [])
    assert (AnswerWanted("c1", is_over=False) in deltas) is is_resumed


async def test_text_alone_is_put_and_the_rest_yielded(upstream: ScriptedUpstream) -> None:
    outlet = Told()
    deltas = await received(upstream, FastLane(make_renderer(WEB), outlet))
    assert outlet.put_text == "".join(WORDS[1:])
    assert text_of(deltas) == "It."
    assert "".join(getattr(piece, "text", "") for piece in outlet.gathered) == outlet.put_text
    assert isinstance(deltas[-1], TurnEnded)
    assert deltas[-1].outcome is Outcome.COMPLETE


def test_the_sink_is_asked_after_a_read_of_the_lane_if_the_caller_has_to_read_first() -> None:
    outlet = Told()
    receiver = Receiver(
        make_reader(), make_answer(SentHistory()), FastLane(make_renderer(WEB), outlet)
    )
    begun = receiver.batches(answer("It"))
    assert begun is not None
    assert "".join(map(text_of, begun)) == "It"
    assert receiver.batches(answer("It is")) is None
    outlet.is_reading = False
    asked = receiver.batches(answer("It is tea"))
    assert asked is not None
    assert list(asked) == []
    outlet.is_reading = True
    assert receiver.batches(answer("It is tea, and")) is None
    assert outlet.put_text == " is tea, and"


GROWN = ["word " * 20 * count for count in range(1, 60)]
LONG = b"".join([*map(answer, GROWN), final(f"{GROWN[-1]}."), DONE])


def said_in(reads: list[bytes], outlet: Told, reader: Reader) -> str:
    """Return what the stages and the lane say of these reads, in the order in which it is said."""
    lane = FastLane(make_renderer(WEB), outlet)
    receiver = Receiver(reader, make_answer(SentHistory()), lane)
    said = ""
    for batches in chain(map(receiver.batches, reads), [receiver.end(BodyEnded(BodyEnd.CLEAN))]):
        for batch in batches or ():
            said += outlet.put_text + text_of(batch)
            outlet.put_text = ""
        said += outlet.put_text
        outlet.put_text = ""
    return said


def test_of_a_long_read_the_lane_takes_what_only_grows() -> None:
    fed: list[int] = []
    reader = make_reader()
    feed = reader.feed

    def counted(data: bytes) -> list[UpstreamEvent]:
        fed.append(len(data))
        return feed(data)

    reader.feed = counted  # type: ignore[method-assign]
    assert said_in([LONG], Told(), reader) == f"{GROWN[-1]}."
    # The stages get the beginning, the last event that grows, from the lane, and the final one.
    first, *_ = fed
    assert first <= 4 * 1024 < SLICE_BYTES
    assert sum(fed) < len(LONG) / 6


def test_what_is_copied_for_the_lane_grows_with_the_read_and_not_with_its_square() -> None:
    given: list[int] = []

    class Refusing(FastLane):
        def take_rest(self, rest: bytes) -> bytes:
            given.append(len(rest))
            return super().take_rest(rest)

    for length in (64 * 1024, 256 * 1024, 4 * 1024 * 1024):
        given.clear()
        # An answer that is rewritten all the time is nothing for the lane.
        texts = (str(count) * 2_000 for count in range(length // 2_000))
        lane = Refusing(make_renderer(WEB), Told())
        receiver = Receiver(make_reader(), make_answer(SentHistory()), lane)
        for _ in receiver.batches(b"".join(map(answer, texts))[:length]) or ():
            pass
        assert sum(given) <= 16 * length
        assert bool(given) == (length <= 256 * 1024)  # a longer one is no read of the tap


@pytest.mark.parametrize("is_open", [True, False])
def test_long_reads_that_are_cut_anywhere_say_the_same(is_open: bool) -> None:
    for size in (*range(SLICE_BYTES - 40, len(LONG), 1_234), len(LONG)):
        reads = [LONG[at : at + size] for at in range(0, len(LONG), size)]
        assert said_in(reads, Told(is_open=is_open), make_reader()) == f"{GROWN[-1]}."


def test_the_sink_is_asked_within_a_long_read_if_the_caller_has_to_read_first() -> None:
    outlet = Told()
    outlet.is_reading = False
    lane = FastLane(make_renderer(WEB), outlet)
    receiver = Receiver(make_reader(), make_answer(SentHistory()), lane)
    batches = receiver.batches(b"".join(map(answer, GROWN)))
    assert batches is not None
    assert [bool(batch) for batch in batches] == [True, False]
    assert lane.is_full


async def test_a_fault_on_the_lane_is_raised_where_the_answer_is_awaited(
    upstream: ScriptedUpstream,
) -> None:
    class Broken(Told):
        def put(self, _text: str) -> bool:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(
            received(upstream, FastLane(make_renderer(WEB), Broken())), timeout=5
        )


async def test_what_the_stages_say_otherwise_is_yielded_before_what_comes(
    upstream: ScriptedUpstream,
) -> None:
    outlet = Told()
    lane = FastLane(make_renderer(WEB), outlet)
    async with opened(upstream) as client:
        answer, reader, kept = make_answer(SentHistory()), make_reader(), Kept()
        receiver = Receiver(reader, answer, lane)
        differing = Differing(answer)
        differing.tell = lambda event: [
            AnswerText(each.text[:-1])
            for each in answer.feed(event)
            if isinstance(each, AnswerText)
        ]
        lane.begin(reader, differing)
        await Line(await client.open(), receiver, kept).run()
    deltas = [delta for batch in kept.batches for delta in batch]
    assert outlet.put_text == "".join(WORDS[1:])
    assert text_of(deltas) == "It."
    ended = deltas[-1]
    assert isinstance(ended, TurnEnded)
    assert ended.counts == {DIFFERENCE: 1}
