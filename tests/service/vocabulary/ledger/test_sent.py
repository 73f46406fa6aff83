"""Whether a turn has gone upstream, as the task that counts it sees it."""

import asyncio

from service.vocabulary.ledger.sent import note_sent, watch_sending


async def test_a_task_sees_what_it_or_its_own_tasks_have_sent() -> None:
    async def turn(*, sends: bool) -> bool:
        sending = watch_sending()
        if sends:
            await asyncio.gather(asyncio.to_thread(note_sent))
        return sending.is_sent

    assert await asyncio.gather(turn(sends=True), turn(sends=False)) == [True, False]


def test_without_a_watch_nothing_happens() -> None:
    note_sent()
