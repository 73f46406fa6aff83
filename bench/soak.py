"""Runs the gateway for a while with all kinds of answers and faults, and looks for leaks.

    python -m bench.soak [--minutes 10] [--callers 4] [--redis] [--quick]

There are two gateways, each a process of its own with a demo upstream, one for each generation of
the stream. Half as many callers again have accounts of Codex's login. First every scene is played
once. What the gateway holds after that, when it is idle, is what it may hold at the end:
descriptors, sockets, tasks, temporary files, open turns. Memory (PSS without the pages of files) may
grow by a tenth between the first and the last quarter of the time under load.

A third gateway has one answer with a silence of 330 seconds in it, which may last longer than the load.
"""

import argparse
import asyncio
import os
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvloop
from aiohttp import ClientSession, ClientTimeout
from msgspec import Struct

from bench.processes import proportional
from bench.soak_codex import CODEX_SCENES
from bench.soak_scenes import SCENES, Caller, Scene, WrongError
from bench.soak_silence import SILENT_SECONDS, listen

MEBIBYTE = 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent
GENERATIONS = ("v0", "v1")
MOST_GROWTH = 1.1
START_SECONDS, QUIET_SECONDS, SAMPLE_SECONDS, LINE_SECONDS = 60.0, 60.0, 1.0, 15.0
SCENE_SECONDS = 60.0
SETTLED_SECONDS = 20.0  # longer than an idle connection is kept
REFRESH_TOKEN, ACCESS_TOKEN = "rt-soak-{number}", "fk-soak-{number}"
CODEX_TOKEN = "codex:soak-{number}-plus"  # noqa: S105 - the demo's
QUICK_SILENCE_SECONDS = 12.0
SILENCES = ("GATEWAY_UPSTREAM__IDLE_SECONDS", "GATEWAY_UPSTREAM__FIRST_EVENT_SECONDS")
SETTINGS = {
    "GATEWAY_SERVER__HOST": "127.0.0.1",
    "GATEWAY_SERVER__PORT": "0",
    "GATEWAY_UPSTREAM__IDLE_SECONDS": "3",
    "GATEWAY_UPSTREAM__RETRIES": "1",
    "GATEWAY_UPSTREAM__QUEUE_PER_ACCOUNT": "100",
    "GATEWAY_CONVERSATION__DELETE_AFTER_RESPONSE": "true",
    "GATEWAY_LOG__TO_FILE": "false",
}


class Holds(Struct, frozen=True):
    """What an idle gateway holds."""

    descriptors: int
    tasks: tuple[str, ...]
    open_turns: float
    queued_turns: float
    leavings: tuple[str, ...]


class Watched:
    """A gateway under test, and what was measured of it."""

    def __init__(self, pid: int, address: str, folder: Path) -> None:
        self.pid = pid
        self.address = address
        self.folder = folder
        self.memory: list[int] = []  # in bytes, one for each sample
        self.problems: list[str] = []
        self.seconds: dict[str, list[float]] = defaultdict(list)  # by scene
        self.wrong: dict[str, int] = defaultdict(int)

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - names of open files

    async def tasks(self) -> tuple[str, ...]:
        """Return the names of the process's unfinished tasks."""
        told = self.folder / "tasks.txt"
        told.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        async with asyncio.timeout(START_SECONDS):
            while not told.exists():  # noqa: ASYNC110 - a process tells of nothing
                await asyncio.sleep(0.02)
        return tuple(told.read_text("utf-8").split())

    async def holds(self) -> Holds:
        """Return the gateway's descriptors, tasks, turns and temporary files."""
        metrics = await _metrics(self.address)
        data = [path for path in (self.folder / "data").rglob("*") if path.is_file()]
        leavings = [path for path in data if path.suffix == ".part" or "incoming" in path.parts]
        leavings += (self.folder / "tmp").iterdir()
        return Holds(
            self.descriptors,
            await self.tasks(),
            metrics["gateway_open_streams"],
            metrics["gateway_queued_turns"],
            tuple(path.name for path in leavings),
        )


async def _metrics(address: str) -> dict[str, float]:
    async with ClientSession() as session, session.get(f"{address}/metrics") as response:
        lines = re.findall(r"^(\w+) ([\d.e+-]+)$", await response.text(), re.MULTILINE)
    return {name: float(value) for name, value in lines}


# --- processes --------------------------------------------------------------------------


@asynccontextmanager
async def process(
    *command: str, folder: Path, environ: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block ends, with its standard error in `stderr.txt`."""
    with (folder / "stderr.txt").open("ab") as said:
        running = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
        )
    try:
        yield running
    finally:
        running.terminate()
        await running.wait()


@asynccontextmanager
async def demo(generation: str, folder: Path) -> AsyncIterator[str]:
    """Run a demo upstream; the value is its address."""
    options = ("--delay-seconds", "0.002", "--later-seconds", "0.5", "--generation", generation)
    command = (sys.executable, "-m", "upstream.demo", "--port", "0", *options)
    async with process(*command, "--exit-with-parent", folder=folder) as running:
        assert running.stdout is not None
        yield (await running.stdout.readline()).decode().rpartition(" ")[2].strip()


@asynccontextmanager
async def gateway(
    upstream: str, folder: Path, state: str, **settings: str
) -> AsyncIterator[Watched]:
    """Run a gateway, with its own directory for temporary files.

    Args:
        upstream: its address.
        folder: to run in.
        state: where its state is stored.
        settings: environment variables in addition to the soak's own.
    """
    environ = {
        **SETTINGS,
        **settings,
        "GATEWAY_UPSTREAM__BASE_URL": upstream,
        "GATEWAY_TOKENS__OAIFREE_URL": f"{upstream}/api/auth/refresh",
        "GATEWAY_CODEX__BASE_URL": f"{upstream}/backend-api/codex",
        "GATEWAY_TOKENS__CODEX_URL": f"{upstream}/oauth/token",
        "GATEWAY_STORAGE__STATE": state,
        "SOAK_TASKS": str(folder / "tasks.txt"),
        "TMPDIR": str(folder / "tmp"),
    }
    command = (sys.executable, "-m", "bench.traced_gateway")
    async with process(*command, folder=folder, environ=environ) as running:
        async with asyncio.timeout(START_SECONDS):
            said = folder / "stderr.txt"
            while not (found := re.search(r"listening on (http://\S+)", said.read_text("utf-8"))):  # noqa: ASYNC110 - a process tells of nothing
                await asyncio.sleep(0.05)
        yield Watched(running.pid, found[1], folder)


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[str]:
    """Run a redis-server on a Unix socket; the value is its address."""
    program = shutil.which("redis-server")
    assert program, "redis-server is not installed"
    where = folder / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(where), "--save", "", "--appendonly", "no")
    async with process(program, *options, folder=folder):
        while not where.exists():  # noqa: ASYNC110 - a process tells of nothing
            await asyncio.sleep(0.02)
        yield f"unix://{where}"


# --- load -------------------------------------------------------------------------------


async def play(watched: Watched, name: str, scene: Scene, caller: Caller) -> None:
    """Play one scene and note its result."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(SCENE_SECONDS):
            await scene(caller)
    except TimeoutError:
        watched.wrong[name] += 1
        watched.problems.append(f"{name}: no end after {SCENE_SECONDS:g} s")
    except (WrongError, OSError, KeyError, ValueError) as error:  # or an odd reply
        watched.wrong[name] += 1
        watched.problems.append(f"{name}: {type(error).__name__} {error}")
    watched.seconds[name].append(time.monotonic() - began)


def tokens(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the tokens of the callers of the website, and those of accounts of Codex's login."""
    kinds = (ACCESS_TOKEN, REFRESH_TOKEN)
    website = [kinds[number % 2].format(number=number) for number in range(options.callers)]
    codex = [CODEX_TOKEN.format(number=number) for number in range((options.callers + 1) // 2)]
    return website, codex


def shares(options: argparse.Namespace, *, is_whole: bool) -> list[tuple[str, dict[str, Scene]]]:
    """Return each caller's token and scenes: all of its kind, or a part so that each is in one."""
    found = []
    for kind, scenes in zip(tokens(options), (SCENES, CODEX_SCENES), strict=True):
        for number, token in enumerate(kind):
            names = list(scenes) if is_whole else list(scenes)[number :: len(kind)]
            found.append((token, {name: scenes[name] for name in names}))
    return found


async def call(watched: Watched, token: str, scenes: dict[str, Scene], until: float) -> None:
    """Play all scenes in random order, once or until `until`, each round on new connections."""
    chance, names = random.Random(token), list(scenes)
    headers = {"Authorization": f"Bearer {token}"}
    while True:
        chance.shuffle(names)
        async with ClientSession(headers=headers, timeout=ClientTimeout(None)) as session:
            for name in names:
                await play(watched, name, scenes[name], Caller(session, watched.address, chance))
                if time.monotonic() >= until > 0:
                    return
        if not until:
            return


async def sample(watched: Watched) -> None:
    """Note the memory every second, and print a line every quarter of a minute."""
    spoken = began = time.monotonic()
    while True:
        watched.memory.append(proportional(watched.pid, "Pss_Anon"))
        if time.monotonic() - spoken >= LINE_SECONDS:
            spoken = time.monotonic()
            turns = sum(map(len, watched.seconds.values()))
            print(
                f"{watched.folder.name} {spoken - began:4.0f} s: {turns} scenes, "
                f"{sum(watched.wrong.values())} wrong, {watched.memory[-1] / MEBIBYTE:.1f} MiB, "
                f"{watched.descriptors} descriptors",
                flush=True,
            )
        await asyncio.sleep(SAMPLE_SECONDS)


async def soak(watched: Watched, options: argparse.Namespace) -> None:
    """Warm up, apply the load, and compare what is held before and after."""
    print(f"{watched.folder.name}: each scene once, to warm up", flush=True)
    async with asyncio.TaskGroup() as group:
        for token, scenes in shares(options, is_whole=False):
            group.create_task(call(watched, token, scenes, 0))
    before = await quiet(watched, None, options.settled)
    until = time.monotonic() + options.minutes * 60
    async with asyncio.TaskGroup() as group:
        sampler = group.create_task(sample(watched))
        callers = [
            group.create_task(call(watched, token, scenes, until))
            for token, scenes in shares(options, is_whole=True)
        ]
        await asyncio.wait(callers)
        sampler.cancel()
    print(f"{watched.folder.name}: the load is off; up to a minute until all is quiet", flush=True)
    after = await quiet(watched, before, options.settled)
    watched.problems += differences(before, after)
    first, last = quarters(watched.memory)
    if last > first * MOST_GROWTH and not options.quick:
        watched.problems.append(f"memory: {first / MEBIBYTE:.1f}, then {last / MEBIBYTE:.1f} MiB")
    print(
        f"\n{watched.folder.name}: before {before}\n{'':{len(watched.folder.name)}}  after {after}"
    )


async def quiet(watched: Watched, wanted: Holds | None, settled: float) -> Holds:
    """Wait until the gateway is idle; return what it holds then.

    Args:
        watched: the gateway.
        wanted: wait until it holds no more than this.
        settled: without `wanted`, wait until nothing has changed for so many seconds.
    """
    until = time.monotonic() + QUIET_SECONDS
    seen, since = await watched.holds(), time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(1)
        now = await watched.holds()
        if now != seen:
            seen, since = now, time.monotonic()
        if wanted is None and time.monotonic() - since > settled:
            break
        if wanted is not None and not differences(wanted, now):
            break
    return seen


def differences(before: Holds, after: Holds) -> list[str]:
    """Return a line for each growth between the two; fewer descriptors or tasks are fine."""
    found = []
    if after.descriptors > before.descriptors:
        found.append(f"descriptors: {before.descriptors}, then {after.descriptors}")
    if len(after.tasks) > len(before.tasks):
        found.append(f"tasks: {before.tasks}, then {after.tasks}")
    if after.open_turns or after.queued_turns:
        found.append(f"turns: {after.open_turns:g} open, {after.queued_turns:g} waiting")
    if after.leavings:
        found.append(f"temporary files: {after.leavings}")
    return found


def quarters(values: list[int]) -> tuple[float, float]:
    """Return the medians of the first and of the last quarter."""
    size = max(1, len(values) // 4)
    return statistics.median(values[:size]), statistics.median(values[-size:])


def report(watched: Watched) -> None:
    """Print the table and the problems."""
    print(f"\n{watched.folder.name:16} {'runs':>6} {'wrong':>6} {'p50 ms':>8} {'p99 ms':>8}")
    for name, seconds in sorted(watched.seconds.items()):
        ordered = sorted(seconds)
        p50, p99 = (ordered[int(part * (len(ordered) - 1))] * 1000 for part in (0.5, 0.99))
        print(f"{name:16} {len(ordered):6} {watched.wrong[name]:6} {p50:8.0f} {p99:8.0f}")
    first, last = quarters(watched.memory)
    print(
        f"memory: {first / MEBIBYTE:.1f} MiB in the first quarter, {last / MEBIBYTE:.1f} in the last"
        f" ({(last / first - 1) * 100:+.1f} %), {max(watched.memory) / MEBIBYTE:.1f} at most"
    )
    for problem in watched.problems[:50]:
        print(f"PROBLEM {problem}")


async def silent(stack: AsyncExitStack, folder: Path, options: argparse.Namespace) -> list[str]:
    """Listen to a long silence, on a gateway that allows one; return what was wrong with it."""
    seconds = QUICK_SILENCE_SECONDS if options.quick else SILENT_SECONDS
    (folder / "demo-silence").mkdir()
    (folder / "silence" / "tmp").mkdir(parents=True)
    upstream = await stack.enter_async_context(demo("v0", folder / "demo-silence"))
    allowed = {name: str(2 * SILENT_SECONDS) for name in SILENCES}
    entering = gateway(upstream, folder / "silence", "sqlite:data/state.db", **allowed)
    watched = await stack.enter_async_context(entering)
    heard = await listen(watched.address, seconds)
    print(
        f"silence of {seconds:g} s: {heard.without_bytes:.1f} s without bytes at most, "
        f"{heard.without_delta:.1f} s without a delta"
    )
    return heard.problems(seconds)


async def run(options: argparse.Namespace) -> int:
    """Soak a gateway for each generation; return the number of problems."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        for generation in GENERATIONS:
            (folder / f"demo-{generation}").mkdir()
            (folder / generation / "tmp").mkdir(parents=True)
        async with AsyncExitStack() as stack:
            state = "sqlite:data/state.db"
            if options.redis:
                state = await stack.enter_async_context(redis(folder))
            soaked = []
            for generation in options.generations:
                upstream = await stack.enter_async_context(
                    demo(generation, folder / f"demo-{generation}")
                )
                entering = gateway(upstream, folder / generation, state)
                soaked.append(await stack.enter_async_context(entering))
            async with asyncio.TaskGroup() as group:
                for watched in soaked:
                    group.create_task(soak(watched, options))
                silence = group.create_task(silent(stack, folder, options))
    for watched in soaked:
        report(watched)
    for problem in silence.result():
        print(f"PROBLEM {problem}")
    count = sum(len(watched.problems) for watched in soaked) + len(silence.result())
    print(f"\n{count} problems")
    return count


def main() -> None:
    """Soak; the exit status is 1 if there was a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="under load")
    parser.add_argument("--callers", type=int, default=4, help="at once, of each gateway")
    parser.add_argument("--redis", action="store_true", help="state in a redis-server, not SQLite")
    parser.add_argument("--quick", action="store_true", help="20 seconds of it, of one generation")
    options = parser.parse_args()
    options.generations, options.settled = GENERATIONS, SETTLED_SECONDS
    if options.quick:  # too short to measure growth of memory
        options.generations, options.settled, options.minutes = ("v1",), 3.0, 1 / 3
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise SystemExit(min(1, runner.run(run(options))))


if __name__ == "__main__":
    main()
