"""How much memory the gateway needs at rest, and while a large file passes through it.

    python -m bench.memory [--mebibytes 50]

At rest, its processes are measured in all by their PSS, the memory that their end would free: of one
process, and by how much a third worker adds to two. How long a start takes is told beside it.

Then the gateway is a process of its own; the demo upstream runs in this one. A file comes in by its
address (`image_url`, fetched from a local server and uploaded to the demo) and as a form
(`/v1/files`, used by its id), goes out (made by the demo, stored by the gateway) and is downloaded.
The same is done with a picture of that size. The growth is the process's largest resident size
(VmHWM, reset before each step) minus its size before the step.
"""

import argparse
import asyncio
import math
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, FormData, web
from msgspec import Struct
from PIL import Image

from bench.goals import GOALS_AT_REST, goals_table, last_figures
from bench.processes import Contestant, gateway
from bench.rest import at_rest
from upstream.demo.app import make_demo_app
from upstream.demo.ground import pictures
from upstream.demo.ground.options import DemoOptions
from upstream.demo.scenes import moves

GOAL_MEBIBYTES = 16
MEBIBYTE = 1024 * 1024


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Serve an application on a free port of loopback."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def measured(step: str, running: Contestant, growth: dict[str, float]) -> AsyncIterator[None]:
    """Note the growth of the process during the block, in MiB."""
    running.forget_peak()
    before, started = running.resident_bytes(), time.perf_counter()
    yield
    growth[step] = (running.resident_bytes("VmHWM") - before) / MEBIBYTE
    seconds = time.perf_counter() - started
    print(f"{step:20} {growth[step]:6.1f} MiB more than {before / MEBIBYTE:.1f}, {seconds:.1f} s")


async def chat(session: ClientSession, address: str, content: Any) -> str:
    """Ask for a whole reply and return its text."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": content}]}
    async with session.post(f"{address}/v1/chat/completions", json=body) as response:
        reply = await response.json()
        assert response.status == 200, reply
        return str(reply["choices"][0]["message"]["content"])


def _holder(contents: dict[str, bytes]) -> web.Application:
    async def give(request: web.Request) -> web.Response:
        return web.Response(body=contents[request.match_info["name"]])

    app = web.Application()
    app.router.add_get("/{name}", give)
    return app


def _noise(size_bytes: int) -> bytes:
    """Return a PNG of about that size, made of incompressible noise."""
    side = math.isqrt(size_bytes // 3)
    picture = BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(
        picture, "PNG", compress_level=0
    )
    return picture.getvalue()


async def _download(session: ClientSession, text: str) -> int:
    """Follow the first link of an answer; return the size of its body."""
    found = re.search(r"http://[^\s)]+", text)
    assert found, text
    size = 0
    async with session.get(found[0]) as response:
        async for chunk in response.content.iter_any():
            size += len(chunk)
    return size


async def _upload(session: ClientSession, address: str, path: Path) -> str:
    with path.open("rb") as file:
        form = FormData({"purpose": "user_data"})
        form.add_field("file", file, filename=path.name)
        async with session.post(f"{address}/v1/files", data=form) as response:
            reply = await response.json()
            assert response.status == 200, reply
            return str(reply["id"])


class Place(Struct, frozen=True):
    """The gateway, and the server and folder with the files."""

    running: Contestant
    held: str
    folder: Path

    @property
    def address(self) -> str:
        """The gateway's address."""
        return f"http://{self.running.target.host}:{self.running.target.port}"


async def steps(place: Place, sizes: Mapping[str, int]) -> dict[str, float]:
    """Pass files of each size through, small ones first; return the growth of each step."""
    growth: dict[str, float] = {}
    running, address = place.running, place.address
    headers = {"Authorization": "Bearer fk-memory"}
    async with ClientSession(headers=headers, timeout=ClientTimeout(600)) as session:
        for name, size in sizes.items():
            part = {"type": "image_url", "image_url": {"url": f"{place.held}/{name}"}}
            async with measured(f"in by URL {name}", running, growth):
                await chat(session, address, [{"type": "text", "text": "What is it?"}, part])
            async with measured(f"in as form {name}", running, growth):
                file_id = await _upload(session, address, place.folder / name)
            part = {"type": "image_url", "image_url": {"url": f"{place.held}/{name}.png"}}
            async with measured(f"picture in {name}", running, growth):
                await chat(session, address, [{"type": "text", "text": "What is it?"}, part])
            part = {"type": "file", "file": {"file_id": file_id}}
            async with measured(f"in by id {name}", running, growth):
                await chat(session, address, [{"type": "text", "text": "What is it?"}, part])
            await _out(session, place, (name, size), growth)
    return growth


async def _out(
    session: ClientSession, place: Place, made: tuple[str, int], growth: dict[str, float]
) -> None:
    name, size = made
    moves.CSV, drawn = os.urandom(size), _noise(size)
    pictures.draw = lambda *_arguments: drawn
    for kind, question, content in (
        ("file", "make report.csv", moves.CSV),
        ("picture", "draw a boat", drawn),
    ):
        async with measured(f"{kind} out {name}", place.running, growth):
            text = await chat(session, place.address, question)
        async with measured(f"{kind} get {name}", place.running, growth):
            assert await _download(session, text) == len(content)


async def run(mebibytes: int) -> int:
    """Print what it needs at rest and the growth of each step; return how many are over their goal."""
    sizes = {"warm-1": 9999, "warm-2": 8888, "large": mebibytes * MEBIBYTE}
    contents = {name: os.urandom(size) for name, size in sizes.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one, content in contents.items():
            (folder / one).write_bytes(content)
        contents |= {f"{one}.png": _noise(size) for one, size in sizes.items()}
        demo = make_demo_app(DemoOptions(delay_seconds=0))
        async with (
            serving(_holder(contents)) as held,
            serving(demo) as upstream,
        ):
            rest = await asyncio.to_thread(at_rest, upstream, folder)
            with gateway(upstream, folder, None) as running:
                growth = await steps(Place(running, held, folder), sizes)
    print(goals_table(rest, last_figures(), GOALS_AT_REST))
    is_over = [not goal.is_met(rest[goal.figure]) for goal in GOALS_AT_REST]
    is_over += [value > GOAL_MEBIBYTES for step, value in growth.items() if "large" in step]
    return sum(is_over)


def main() -> None:
    """Measure; the exit status is the number of steps over the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=50)
    raise SystemExit(asyncio.run(run(parser.parse_args().mebibytes)))


if __name__ == "__main__":
    main()
