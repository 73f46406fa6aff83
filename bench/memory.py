"""How much more memory the gateway holds while a large file goes through it.

    python -m bench.memory [--mebibytes 50]

The gateway is a process of its own before the demo, which plays in this one. A file goes in by
its address (`image_url`, fetched from a local server, uploaded to the demo), comes out (made by
the demo, stored by the gateway) and is downloaded from it. The growth is the process's largest
resident size (VmHWM, put back before each step) over what it held before the step.
"""

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web

from bench.processes import Contestant, gateway
from upstream.demo import tools
from upstream.demo.app import make_demo_app
from upstream.demo.options import DemoOptions

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
    """Note by how much the block made the process grow, in MiB."""
    running.forget_peak()
    before, started = running.resident_bytes(), time.perf_counter()
    yield
    growth[step] = (running.resident_bytes("VmHWM") - before) / MEBIBYTE
    seconds = time.perf_counter() - started
    print(f"{step:10} {growth[step]:6.1f} MiB more than {before / MEBIBYTE:.1f}, {seconds:.1f} s")


async def chat(session: ClientSession, address: str, content: Any) -> str:
    """Ask for a whole reply; return its text."""
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


async def steps(running: Contestant, held: str, large: bytes) -> dict[str, float]:
    """Send small files through, so that all is loaded, then the large one."""
    growth: dict[str, float] = {}
    address = f"http://{running.target.host}:{running.target.port}"
    headers = {"Authorization": "Bearer fk-memory"}
    async with ClientSession(headers=headers, timeout=ClientTimeout(600)) as session:
        for name in ("warm-1.bin", "warm-2.bin", "large.bin"):
            part = {"type": "image_url", "image_url": {"url": f"{held}/{name}"}}
            question = [{"type": "text", "text": "What is it?"}, part]
            tools.CSV = large if name == "large.bin" else b"a,b\n1,2\n" * 10_000
            async with measured(f"in {name[:-4]}", running, growth):
                await chat(session, address, question)
            async with measured(f"out {name[:-4]}", running, growth):
                text = await chat(session, address, "make report.csv")
            found = re.search(r"http://[^\s)]+", text)
            assert found, text
            async with measured(f"get {name[:-4]}", running, growth):
                async with session.get(found[0]) as response:
                    size = 0
                    async for chunk in response.content.iter_any():
                        size += len(chunk)
                assert size == len(tools.CSV)
    return growth


async def run(mebibytes: int) -> int:
    """Print the growth of each step; return how many are over the goal."""
    large = os.urandom(mebibytes * MEBIBYTE)
    contents = {"warm-1.bin": large[:9999], "warm-2.bin": large[:8888], "large.bin": large}
    with tempfile.TemporaryDirectory() as folder:
        demo = make_demo_app(DemoOptions(delay_seconds=0))
        async with (
            serving(_holder(contents)) as held,
            serving(demo) as upstream,
        ):
            with gateway(upstream, Path(folder), None) as running:
                growth = await steps(running, held, large)
    return sum(value > GOAL_MEBIBYTES for step, value in growth.items() if "large" in step)


def main() -> None:
    """Measure; the exit status is the number of steps over the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=50)
    raise SystemExit(asyncio.run(run(parser.parse_args().mebibytes)))


if __name__ == "__main__":
    main()
