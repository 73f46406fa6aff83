"""A slow caller slows down its own upstream and no other (issue 4, spec 7.1)."""

import asyncio
import gc
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from service import keys
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway, until
from tests.scripted_upstream import DONE, ScriptedUpstream, Turn, answer, event, final

STEPS = 2_000
STEP_TEXT = "word " * 3_000
AVAILABLE = STEPS * len(STEP_TEXT)  # 30 MB of text
# Fits between the two ends: the kernel's buffers on both sides, and little of ours.
MOST_READ = AVAILABLE // 2


class Flood:
    """An upstream with more text than is ever read; `taken` counts the steps sent."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.taken = 0
        head = event("v1", "delta_encoding") + event({"p": "", "o": "add", "v": _document()})
        first = event({"p": "/message/content/parts/0", "o": "append", "v": "|"})
        done = event({"p": "/message/status", "o": "replace", "v": "finished_successfully"})
        last = event({"p": "/message/end_turn", "o": "replace", "v": True})
        upstream.plays(head + first, *[self._step] * STEPS, done + last + DONE)

    def _step(self, _turn: Turn) -> bytes:
        self.taken += 1
        return event({"v": f"{STEP_TEXT}{self.taken}|"})

    async def paused(self) -> int:
        """Wait until no more steps are sent; return how many were."""
        seen, since = -1, 0
        while since < 10:
            await asyncio.sleep(0.05)
            since = since + 1 if self.taken == seen else 0
            seen = self.taken
        return self.taken


def _document() -> object:
    begun = answer("", message_id="a1").removeprefix(b"data: ")
    return orjson.loads(begun)


@asynccontextmanager
async def stalled(gateway: Gateway) -> AsyncIterator[socket.socket]:
    """Ask for a stream on a socket that is read only on demand."""
    loop = asyncio.get_running_loop()
    body = orjson.dumps(
        {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Go on"}]}
    )
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\n"
        f"Authorization: Bearer {ACCESS_TOKEN}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as caller:
        caller.setblocking(False)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        await loop.sock_connect(caller, ("127.0.0.1", gateway.port))
        await loop.sock_sendall(caller, head.encode() + body)
        yield caller


async def read_on(caller: socket.socket, steps: int) -> bytes:
    """Return all that arrives until so many of the upstream's steps are there."""
    received = bytearray()
    while received.count(b"|") <= steps:
        data = await asyncio.get_running_loop().sock_recv(caller, 65536)
        assert data, "the answer ended early"
        received += data
    return bytes(received)


def text_of(response: bytes) -> str:
    """Return the text of a chunked response that is still going on."""
    rest, body = response.partition(b"\r\n\r\n")[2], b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    frames = [frame for frame in body.split(b"\n\n")[:-1] if frame.startswith(b"data: ")]
    deltas = [orjson.loads(frame[6:])["choices"][0]["delta"] for frame in frames]
    return "".join(delta.get("content", "") for delta in deltas)


async def test_a_caller_that_reads_nothing_pauses_its_own_upstream_and_nobody_elses(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    flood = Flood(scripted)
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url)
    async with stalled(gateway) as caller:
        taken = await flood.paused()
        assert 0 < taken * len(STEP_TEXT) < MOST_READ
        assert (await gateway.chat(stream=True)).text == "Hello"
        assert await flood.paused() == taken
        text = text_of(await read_on(caller, taken + 100))
        found = [int(number) for number in re.findall(r"(\d+)\|", text)]
        assert len(found) >= taken
        assert found == list(range(1, len(found) + 1)), "something was lost on the way"
        assert flood.taken > taken
    await until(scripted.turns[0].closed.is_set)
    assert (await gateway.outcomes())["abandoned"] == 1


async def test_little_is_kept_for_a_caller_that_reads_nothing(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    flood = Flood(scripted)
    gateway = await start_gateway(scripted.url)
    async with stalled(gateway):
        await flood.paused()
        assert _held_of_the_answer() < 512 * 1024


def _held_of_the_answer() -> int:
    """Return the bytes of all strings in memory with the upstream's words, each counted once."""
    gc.collect()  # garbage of other tests
    held = {
        id(value): len(value)
        for owner in gc.get_objects()
        for value in gc.get_referents(owner)
        if (type(value) is str and "word word" in value)
        or (type(value) is bytes and b"word word" in value)
    }
    return sum(held.values()) - len(STEP_TEXT)


async def test_a_caller_that_reads_nothing_gets_no_signs_of_life(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    flood = Flood(scripted)
    settings = {"keep_alive_seconds": 0.05, "keep_alive_chunk_seconds": 0.05}
    gateway = await start_gateway(scripted.url, stream=settings)
    async with stalled(gateway) as caller:
        await flood.paused()
        assert b": ping" not in await read_on(caller, flood.taken)


async def test_a_caller_that_breaks_off_while_it_stalls_is_no_fault(
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    flood = Flood(scripted)
    gateway = await start_gateway(scripted.url)
    linger = b"\x01\0\0\0\0\0\0\0"  # a close that resets the connection
    async with stalled(gateway) as caller:
        await flood.paused()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await until(scripted.turns[0].closed.is_set)
    assert (await gateway.outcomes()) == {"abandoned": 1}
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert gateway.app[keys.METRICS].registry.get_sample_value("gateway_open_streams") == 0
