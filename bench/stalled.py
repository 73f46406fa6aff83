"""What a caller costs that reads nothing, and whether it makes other callers wait.

    python -m bench.stalled [--seconds 60] [--callers 50] [--kinds tokens pieces file upload]

The gateway is a process of its own. Its upstream runs here and always has more to send: 512 MiB for
each stalled caller, in single tokens (`tokens`) or in events of 16 KiB (`pieces`). A `file` is a
large stored file that is requested and not read; an `upload` is a form that stops in the middle.
Memory is the process's own (PSS), so buffers of the kernel do not count. Meanwhile other callers
read paced streams whose tokens carry the time at which they were sent.
"""

import argparse
import asyncio
import os
import re
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop
from aiohttp import ClientSession, ClientTimeout, web

from bench.memory import MEBIBYTE, serving
from bench.processes import Contestant, gateway

KIBIBYTE = 1024
GOAL_KIBIBYTES = 512
AVAILABLE_BYTES = 512 * MEBIBYTE
PACED_CALLERS = 20
PACE_SECONDS = 0.02
CALM_SECONDS = 10.0
KINDS = ("tokens", "pieces", "file", "upload")
STORED = "f" * 32 + ".bin"
_BEARER = "Authorization: Bearer fk-stalled-{number}\r\n"


class Flood:
    """An upstream that sends without end, and counts the bytes sent."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}  # bytes by caller

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/backend-api/conversation", self._turn)
        app.router.add_post("/backend-api/stop_conversation", _nothing)
        return app

    async def _turn(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        kind = body["messages"][-1]["content"]["parts"][-1]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_head())
        name = f"{kind} {request.headers['Authorization']}"
        self.sent[name] = 0
        try:
            if kind == "paced":
                await _pace(response)
            block = _block(kind)
            while self.sent.get(name, 0) < AVAILABLE_BYTES:
                await response.write(block)
                self.sent[name] = self.sent.get(name, 0) + len(block)
        except ConnectionError:
            pass
        return response


async def _nothing(_request: web.Request) -> web.Response:
    return web.json_response({})


def _event(value: object, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(value) + b"\n\n"


def _head() -> bytes:
    message = {
        "id": "5b0c7c1e-0000-4000-8000-000000000001",
        "author": {"role": "assistant", "name": None, "metadata": {}},
        "content": {"content_type": "text", "parts": [""]},
        "status": "in_progress",
        "metadata": {"message_type": "next", "model_slug": "gpt-4o"},
        "recipient": "all",
    }
    first = {"p": "", "o": "add", "v": {"message": message, "conversation_id": "c1"}, "c": 0}
    path = "/message/content/parts/0"
    begun = {"p": path, "o": "append", "v": "so "}
    return _event("v1", "delta_encoding") + _event(first, "delta") + _event(begun, "delta")


def _block(kind: str) -> bytes:
    if kind == "pieces":
        return _event({"v": "word " * (16 * KIBIBYTE // 5)})
    return _event({"v": "word "}) * (64 * KIBIBYTE // 20)


async def _pace(response: web.StreamResponse) -> None:
    while True:
        await response.write(_event({"v": f"<{time.monotonic()}>"}))
        await asyncio.sleep(PACE_SECONDS)


# --- callers ------------------------------------------------------------------------


def _request(kind: str, number: int) -> bytes:
    bearer = _BEARER.format(number=number)
    if kind == "file":
        return f"GET /files/{STORED} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    if kind == "upload":
        head = "POST /v1/files HTTP/1.1\r\nHost: bench\r\n" + bearer
        head += "Content-Type: multipart/form-data; boundary=b\r\n"
        head += f"Content-Length: {100 * MEBIBYTE}\r\n\r\n"
        part = '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        return (head + part).encode() + bytes(MEBIBYTE)
    message = {"role": "user", "content": kind}
    body = orjson.dumps({"model": "gpt-4o", "stream": True, "messages": [message]})
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n" + bearer
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _stalled(stack: ExitStack, address: str, kind: str, number: int) -> None:
    """Send a request on a socket that is never read; it is closed with the stack."""
    where = urlsplit(address)
    caller = stack.enter_context(socket.create_connection((where.hostname, where.port)))
    caller.sendall(_request(kind, number))


async def _paced(session: ClientSession, address: str, number: int, late: list[float]) -> None:
    """Read a paced stream, noting the age of each token."""
    message = {"role": "user", "content": "paced"}
    async with session.post(
        f"{address}/v1/chat/completions",
        json={"model": "gpt-4o", "stream": True, "messages": [message]},
        headers={"Authorization": f"Bearer fk-paced-{number}"},
    ) as response:
        async for chunk in response.content.iter_any():
            now = time.monotonic()
            late += [now - float(sent) for sent in re.findall(rb"<([\d.]+)>", chunk)]


@asynccontextmanager
async def paced_callers(address: str) -> AsyncIterator[list[float]]:
    """Read paced streams beside the block; the value is the list of their delays, in seconds."""
    late: list[float] = []
    async with ClientSession(timeout=ClientTimeout(None)) as session, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_paced(session, address, number, late))
            for number in range(PACED_CALLERS)
        ]
        yield late
        for task in tasks:
            task.cancel()


# --- figures ------------------------------------------------------------------------


def percentile(values: list[float], part: float) -> float:
    """Return a percentile in milliseconds."""
    ordered = sorted(values)
    return ordered[int(part * (len(ordered) - 1))] * 1000


def _delays(late: list[float]) -> str:
    return f"p50 {percentile(late, 0.5):6.2f} ms, p99 {percentile(late, 0.99):6.2f} ms"


async def _settled(measure: Callable[[], int], seconds: float) -> int:
    await asyncio.sleep(seconds)
    return measure()


async def _calmed(flood: Flood) -> None:
    """Wait until the upstream can send nothing more to any stalled caller."""
    sent = -1
    while sent != (sent := sum(flood.sent.values())):  # noqa: ASYNC110 - it looks at sockets
        await asyncio.sleep(CALM_SECONDS)


async def measured(
    running: Contestant, kind: str, flood: Flood, options: argparse.Namespace
) -> bool:
    """Print one line for a kind of stalled caller; return whether the goal is met."""
    address = f"http://{running.target.host}:{running.target.port}"
    proportional = running.proportional_bytes
    async with paced_callers(address) as late:
        before = await _settled(proportional, CALM_SECONDS)
        calm = late.copy()
        late.clear()
        with ExitStack() as stack:
            for number in range(options.callers):
                await asyncio.to_thread(_stalled, stack, address, kind, number)
            await _calmed(flood)
            arriving = late.copy()
            late.clear()
            after = await _settled(proportional, options.seconds)
            each = (after - before) / options.callers / KIBIBYTE
            sent = [size for name, size in flood.sent.items() if name.startswith(kind)]
        print(f"{kind:8} {each:7.1f} KiB each, of {_mean(sent) / MEBIBYTE:.1f} MiB sent", end="; ")
        print(f"none stalled: {_delays(calm)}; while they stall: {_delays(arriving)}", end="; ")
        print(f"stalled: {_delays(late)}")
    flood.sent.clear()
    await asyncio.sleep(CALM_SECONDS)
    print(f"{'':8} {(proportional() - before) / MEBIBYTE:7.1f} MiB kept after they left")
    return each < GOAL_KIBIBYTES


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _store(folder: Path) -> None:
    """Store a large sparse file where the gateway serves it from."""
    files = folder / "data" / "files"
    files.mkdir(parents=True)
    with (files / STORED).open("wb") as file:
        os.truncate(file.fileno(), AVAILABLE_BYTES)


async def run(options: argparse.Namespace) -> int:
    """Measure each kind; return how many miss the goal."""
    flood = Flood()
    with tempfile.TemporaryDirectory() as folder:
        _store(Path(folder))
        async with serving(flood.app()) as upstream:
            with gateway(upstream, Path(folder)) as running:
                return sum(
                    [not await measured(running, kind, flood, options) for kind in options.kinds]
                )


def main() -> None:
    """Measure; the exit status is the number of kinds over the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of reading nothing")
    parser.add_argument("--callers", type=int, default=50, help="that stall at once")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise SystemExit(runner.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
