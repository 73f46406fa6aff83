"""On the jumping clock waits take no time, and events keep their order."""

import asyncio

import pytest

from tests.jumping import on_jumping_clock


@on_jumping_clock
async def test_timers_end_in_their_order_without_a_wait() -> None:
    ended: list[float] = []

    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append(seconds)

    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.gather(*(wait(seconds) for seconds in (90_000, 3, 600)))
    assert ended == [3, 600, 90_000]
    assert 90_000 <= loop.time() - before < 90_100


@on_jumping_clock
async def test_what_was_sent_arrives_before_a_later_timer() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(5)
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for line in (b"one\n", b"two\n", b"three\n"):
        writer.write(line)
        async with asyncio.timeout(6):
            assert await reader.readline() == line
    writer.write(b"four\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4):
            await reader.readline()
    writer.close()
    server.close()
    await asyncio.sleep(10)  # the other side closes too
