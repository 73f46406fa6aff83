"""The line, over a body that the test plays: its states, its order, its bounds and its end."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from service.vocabulary.events import BodyEnd, BodyEnded
from tests.sinks import Kept
from upstream.line.line import SLICE_BYTES, Line, slices

CLEAN = BodyEnded(BodyEnd.CLEAN)


class Body:
    """A body as the line sees it; what is sent while it is paused waits as in the kernel."""

    def __init__(self) -> None:
        self.is_paused = self.is_closed = False
        self._line: Any = None
        self._kernel: list[bytes] = []
        self._ended: BodyEnded | None = None

    def start(self, line: Any) -> None:
        self._line = line
        self._flow()

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        self._flow()

    def close(self) -> None:
        self.is_closed = True

    def send(self, *pieces: bytes) -> None:
        self._kernel += pieces
        self._flow()

    def end(self, ended: BodyEnded = CLEAN) -> None:
        self._ended = ended
        self._flow()

    def _flow(self) -> None:
        while self._line and self._kernel and not self.is_paused:
            self._line.on_bytes(self._kernel.pop(0))
        if self._line and self._ended and not self._kernel:
            ended, self._ended = self._ended, None
            self._line.on_end(ended)


class Words:
    """Stages that make a batch of each word; `?` is a fault, and `.` is work for nothing."""

    def __init__(self) -> None:
        self.made = 0

    def batches(self, data: bytes) -> Iterator[list[str]]:
        for word in data.decode().split():
            if word == "?":
                raise ZeroDivisionError
            self.made += 1
            yield [] if word == "." else [word]

    def end(self, ended: BodyEnded) -> Iterator[list[str]]:
        yield [ended.how.name]

    def progress(self) -> int:
        return self.made

    def patience(self) -> float | None:
        return None

    def repeats(self) -> bool:
        return False


class Slow(Kept):
    """A sink that is full with `slow` until it is let go, and over with `stop`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.waits = 0

    @property
    def words(self) -> list[str]:
        return [word for batch in self.batches for word in batch]

    def is_ready(self) -> bool:
        return self.words[-1:] != ["slow"] or self.gate.is_set()

    async def ready(self) -> None:
        if not self.is_ready():
            self.waits += 1
            await self.gate.wait()

    def is_over(self) -> bool:
        return self.words[-1:] == ["stop"]


class Played:
    """A line under way."""

    def __init__(self) -> None:
        self.body, self.stages, self.sink = Body(), Words(), Slow()
        line: Any = Line(self.body, self.stages, self.sink)
        self.running = asyncio.ensure_future(line.run())

    async def settled(self) -> list[str]:
        for _ in range(20):
            await asyncio.sleep(0)
        return self.sink.words

    async def over(self) -> list[str]:
        await asyncio.wait_for(self.running, 20)
        assert self.body.is_closed
        return self.sink.words


async def test_what_arrives_is_fed_in_the_callback_that_brings_it() -> None:
    played = Played()
    await played.settled()
    for count, word in enumerate([b"a", b"b", b"c"], start=1):
        played.body.send(word)
        assert len(played.sink.words) == count
        assert not played.body.is_paused
    played.body.end()
    assert await played.over() == ["a", "b", "c", "CLEAN"]


async def test_what_came_before_the_line_began_is_fed_too() -> None:
    played = Played()
    played.body.send(b"a")
    played.body.end(BodyEnded(BodyEnd.CUT))
    assert await played.over() == ["a", "CUT"]


async def test_a_full_sink_stops_the_reading_and_is_waited_for_in_order() -> None:
    played = Played()
    played.body.send(b"a slow b", b"c", b"d")
    assert await played.settled() == ["a", "slow"]
    assert played.body.is_paused
    played.body.end()
    assert await played.settled() == ["a", "slow"]
    played.sink.gate.set()
    assert await played.over() == ["a", "slow", "b", "c", "d", "CLEAN"]
    assert played.sink.waits == 1


async def test_bytes_that_were_on_their_way_when_the_reading_stopped_are_not_lost() -> None:
    played = Played()
    played.body.send(b"slow")
    await played.settled()
    played.body._line.on_bytes(b"b")
    played.body._line.on_bytes(b"c")
    played.sink.gate.set()
    played.body.end()
    assert await played.over() == ["slow", "bc", "CLEAN"]


async def test_several_batches_of_one_read_let_others_run_in_between() -> None:
    played = Played()
    await played.settled()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    played.body.send(b" ".join([b"word"] * 50))
    assert len(played.sink.words) == 1
    assert played.stages.made == 2
    played.body.end()
    assert len(await played.over()) == 51
    assert turns >= 49
    counting.cancel()


async def test_long_work_that_has_come_to_nothing_lets_others_run_too() -> None:
    played = Played()
    await played.settled()
    played.body.send(b". . . a")
    assert played.stages.made == 2
    assert await played.settled() == ["a"]
    played.body.end()
    assert await played.over() == ["a", "CLEAN"]


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        (b"x" * SLICE_BYTES, [SLICE_BYTES]),
        (b"x" * (SLICE_BYTES + 1), [SLICE_BYTES, 1]),
        (b"x" * 100 + b"\n\n" + b"x" * SLICE_BYTES, [102, SLICE_BYTES]),
        (b"x" * (SLICE_BYTES - 1) + b"\n\n" + b"x", [SLICE_BYTES, 2]),
        (b"\n\n" + b"x" * SLICE_BYTES, [2, SLICE_BYTES]),
        (b"", [0]),
    ],
)
def test_a_long_read_is_cut_between_two_events_if_it_can_be(data: bytes, sizes: list[int]) -> None:
    pieces = list(slices(data))
    assert [len(piece) for piece in pieces] == sizes
    assert b"".join(pieces) == data


@pytest.mark.parametrize("words", [b"a stop b", b"stop b"])
async def test_a_sink_that_is_over_ends_the_line_at_once(words: bytes) -> None:
    played = Played()
    played.body.send(words, b"c")
    assert (await played.over())[-1] == "stop"


@pytest.mark.parametrize("words", [b"?", b"a ?", b"a b ?", b"slow ?"])
async def test_a_fault_of_a_stage_is_raised_by_the_task_after_what_came_before(
    words: bytes,
) -> None:
    played = Played()
    await played.settled()
    played.body.send(words, b"c")
    played.sink.gate.set()
    with pytest.raises(ZeroDivisionError):
        await played.over()
    assert played.body.is_closed
    assert played.sink.words == words.decode().split()[:-1]


async def test_a_cancelled_line_closes_its_body() -> None:
    played = Played()
    played.body.send(b"a")
    await played.settled()
    played.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await played.over()
    assert played.body.is_closed
    assert played.sink.words == ["a"]
