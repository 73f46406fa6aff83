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
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web

from upstream.demo import tools
from upstream.demo.app import make_demo_app
from upstream.demo.options import DemoOptions

GOAL_MEBIBYTES = 16
MEBIBYTE = 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0


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
async def gateway(upstream: str, folder: Path) -> AsyncIterator[tuple[int, str]]:
    """Run the gateway; the value is its process id and its address."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "GATEWAY_SERVER__HOST": "127.0.0.1",
        "GATEWAY_SERVER__PORT": "0",
        "GATEWAY_UPSTREAM__BASE_URL": upstream,
        "GATEWAY_FETCH__ALLOW_PRIVATE": "true",
        "GATEWAY_TOKENS__OAIFREE_URL": f"{upstream}/api/auth/refresh",
        "GATEWAY_LOG__TO_FILE": "false",
    }
    said = folder / "stderr.txt"
    process = _started(folder, environ, said)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (found := re.search(r"listening on (http://\S+)", said.read_text("utf-8"))):  # noqa: ASYNC110 - a process tells of nothing
                await asyncio.sleep(0.05)
        yield process.pid, found[1]
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


def resident(pid: int, field: str) -> int:
    """Return VmRSS or VmHWM of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def _started(folder: Path, environ: dict[str, str], said: Path) -> subprocess.Popen[bytes]:
    with said.open("wb") as error:
        return subprocess.Popen(
            [sys.executable, "-m", "service"], cwd=folder, env=environ, stderr=error
        )


def forget_peak(pid: int) -> None:
    """Let VmHWM start from what the process holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


@asynccontextmanager
async def measured(step: str, pid: int, growth: dict[str, float]) -> AsyncIterator[None]:
    """Note by how much the block made the process grow, in MiB."""
    forget_peak(pid)
    before, started = resident(pid, "VmRSS"), time.perf_counter()
    yield
    growth[step] = (resident(pid, "VmHWM") - before) / MEBIBYTE
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


async def steps(pid: int, address: str, held: str, large: bytes) -> dict[str, float]:
    """Send small files through, so that all is loaded, then the large one."""
    growth: dict[str, float] = {}
    headers = {"Authorization": "Bearer fk-memory"}
    async with ClientSession(headers=headers, timeout=ClientTimeout(600)) as session:
        for name in ("warm-1.bin", "warm-2.bin", "large.bin"):
            part = {"type": "image_url", "image_url": {"url": f"{held}/{name}"}}
            question = [{"type": "text", "text": "What is it?"}, part]
            tools.CSV = large if name == "large.bin" else b"a,b\n1,2\n" * 10_000
            async with measured(f"in {name[:-4]}", pid, growth):
                await chat(session, address, question)
            async with measured(f"out {name[:-4]}", pid, growth):
                text = await chat(session, address, "make report.csv")
            found = re.search(r"http://[^\s)]+", text)
            assert found, text
            async with measured(f"get {name[:-4]}", pid, growth):
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
            gateway(upstream, Path(folder)) as (pid, address),
        ):
            growth = await steps(pid, address, held, large)
    return sum(value > GOAL_MEBIBYTES for step, value in growth.items() if "large" in step)


def main() -> None:
    """Measure; the exit status is the number of steps over the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=50)
    raise SystemExit(asyncio.run(run(parser.parse_args().mebibytes)))


if __name__ == "__main__":
    main()
