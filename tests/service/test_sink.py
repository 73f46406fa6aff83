"""Feeding a sink from a task."""

from service.sink import put
from tests.sinks import Kept


class Told(Kept):
    """Keeps what is done to it, in order."""

    def __init__(self, *, ends_while_waiting: bool = False) -> None:
        super().__init__()
        self.done: list[str] = []
        self._ends_while_waiting = ends_while_waiting

    def feed(self, batch: list[int]) -> None:
        super().feed(batch)
        self.done.append("fed")

    async def ready(self) -> None:
        self.done.append("waited")

    def is_over(self) -> bool:
        return self._ends_while_waiting and "waited" in self.done


async def test_a_batch_is_fed_when_there_is_room_and_passed_on_before_it_returns() -> None:
    sink = Told()
    await put(sink, [1])
    assert sink.done == ["waited", "fed", "waited"]
    assert sink.batches == [[1]]


async def test_a_sink_that_ended_while_it_was_waited_for_gets_nothing_more() -> None:
    sink = Told(ends_while_waiting=True)
    await put(sink, [1])
    assert sink.batches == []
