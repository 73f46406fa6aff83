"""A gateway under a steady load while something around it breaks, and checks of it afterwards."""

import asyncio
import itertools
import json
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from bench.mixed import outcomes
from bench.processes import proportional
from bench.soak import Holds, Watched, differences, quiet
from tests.demo_process import running_demo_process
from tests.faults.surroundings import with_clock
from tests.gate import Gate
from tests.gateway import until
from tests.load import ANSWER_SECONDS, Callers, Fate, callers_of
from tests.service.program.gateway_process import GatewayProcess
from upstream.demo.scenes.names import ENGLISH, PARAGRAPH_TOKENS

PACE_SECONDS = 0.03  # between the pieces of an answer
CALLERS, PAUSE_SECONDS = 8, 0.15
LONG = {"Authorization": "Bearer fk-long"}
CREDENTIALS = ("fk-one", "fk-two", "a-refresh-token-one", "a-refresh-token-two")
LIFE_SECONDS = 43_200  # of access tokens, which end when the clock is set ahead by a day
BEFORE_SECONDS, AFTER_SECONDS = 0.3, 0.7
MOST_GROWTH = 1.1
COUNT_SECONDS = 10
# Error code -> outcome of the answer (spec 6.4).
OUTCOMES = {
    "": "complete",
    "upstream_error": "failed",
    "token_service_unavailable": "failed",
    "upstream_cut": "cut",
}
_WARNING = re.compile(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) (.+)$", re.MULTILINE)
_VARYING = re.compile(r"[0-9a-f]{8}|[0-9]+")


@dataclass
class Asked:
    """A question and its result; `wanted` is the text of the right answer."""

    question: str
    wanted: str
    fate: Fate = field(default_factory=Fate)

    @property
    def is_answered(self) -> bool:
        """Whether the answer is whole and the one to this question."""
        return self.fate.is_complete and self.fate.answer.text == self.wanted

    @property
    def code(self) -> str:
        """The error code of the answer, '' without an error, `lost` without an answer."""
        if self.fate.error or not self.fate.body:
            return "lost"
        error = self.fate.answer.error
        return str(error["code"]) if error else ""

    @property
    def told(self) -> str:
        fate = self.fate
        return f"{self.question}: {fate.status} {self.code} {fate.error} {fate.body[-300:]!r}"


def sums() -> Iterator[Asked]:
    """Yield questions with different answers."""
    for number in itertools.count(1):
        yield Asked(f"{number}*7", f"Demo answer: {number}*7={number * 7}")


def essay(words: int) -> Asked:
    """Return the question whose answer has so many words."""
    text, source = "Demo", itertools.cycle(ENGLISH.split())
    for number in range(1, words):
        text += (" " if number % PARAGRAPH_TOKENS else "\n\n") + next(source)
    return Asked(f"long {words}", text)


@dataclass
class Played:
    """The questions before, while and after something was broken; times are monotonic."""

    asked: list[Asked]
    long: Asked
    began: float = 0.0
    ended: float = 0.0

    def while_broken(self) -> list[Asked]:
        """Return the questions that began and ended in that time."""
        return [
            one
            for one in self.asked
            if one.fate.started_at > self.began and one.fate.ended_at < self.ended
        ]

    def afterwards(self) -> list[Asked]:
        """Return the questions that began after it."""
        return [one for one in self.asked if one.fate.started_at > self.ended]

    def figures(self) -> str:
        codes = Counter(one.code or "complete" for one in self.asked)
        return (
            f"{len(self.asked)} requests {dict(codes)}, {len(self.while_broken())} of them within "
            f"the {self.ended - self.began:.1f} s, {len(self.afterwards())} after it"
        )


class Survivor:
    """A gateway, its surroundings, and what it held before anything broke."""

    def __init__(self, process: GatewayProcess, watched: Watched, gate: Gate) -> None:
        self.process = process
        self.watched = watched
        self.gate = gate
        self.started_at = time.monotonic()
        self.before: Holds | None = None
        self.memory = 0
        self.faults = 0
        self._sums = sums()

    @property
    def address(self) -> str:
        return self.watched.address

    @property
    def folder(self) -> Path:
        return self.watched.folder

    async def warm_up(self) -> None:
        """Answer as many questions at once as later, and note what is held then."""
        played = await self.played(untouched, 0.5)
        assert [one.told for one in played.asked if not one.is_answered] == []
        await self.draw()
        self.before = await quiet(self.watched, None, 0)
        self.memory = proportional(self.watched.pid)

    async def played(
        self,
        fault: Callable[[], AbstractAsyncContextManager[None]],
        seconds: float,
        settled: float = 0.0,
        others: Counter[str] | None = None,
    ) -> Played:
        """Keep callers asking before, while and after something is broken.

        Args:
            fault: breaks it for the block.
            seconds: for how long.
            settled: how many seconds more the breaking and repairing take.
            others: outcomes of further questions that are asked meanwhile.
        """
        self.faults += 1
        lasting = BEFORE_SECONDS + seconds + settled + 2 * AFTER_SECONDS
        words = math.ceil(lasting / PACE_SECONDS)
        played = Played([], essay(words))
        counted = await outcomes(self.address) + (others or Counter())
        patience = lasting + ANSWER_SECONDS
        async with callers_of(self.address, patience) as callers, asyncio.TaskGroup() as group:
            group.create_task(callers.follow(played.long.fate, played.long.question, LONG))
            await until(lambda: played.long.fate.body.count(b"data: ") > 2, seconds=20)
            async with self._busy(callers, played.asked):
                await asyncio.sleep(BEFORE_SECONDS)
                played.began = time.monotonic()
                async with fault():
                    await asyncio.sleep(seconds)
                played.ended = time.monotonic()
                await asyncio.sleep(AFTER_SECONDS)
        await self._counted(counted, [*played.asked, played.long])
        return played

    async def draw(self) -> str:
        """Return the text of an answer with a picture, which has to be stored."""
        async with callers_of(self.address) as callers:
            fate = await callers.ask("draw two boats of 64x64", callers.account("draws"))
        assert fate.is_complete
        return fate.answer.text

    @asynccontextmanager
    async def _busy(self, callers: Callers, asked: list[Asked]) -> AsyncIterator[None]:
        """Keep callers asking, two for each credential, one of which streams."""
        is_over = asyncio.Event()

        async def ask_on(number: int) -> None:
            token = CREDENTIALS[number % len(CREDENTIALS)]
            headers = {"Authorization": f"Bearer {token}"}
            while not is_over.is_set():
                one = next(self._sums)
                is_stream = number < len(CREDENTIALS)
                await callers.follow(one.fate, one.question, headers, is_stream=is_stream)
                asked.append(one)
                await asyncio.sleep(PAUSE_SECONDS)

        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(ask_on(number))
            try:
                yield
            finally:
                is_over.set()

    async def _counted(self, before: Counter[str], asked: list[Asked]) -> None:
        """Wait until `/metrics` has counted exactly these answers with their outcomes."""
        wanted = before + Counter(OUTCOMES.get(one.code, one.code) for one in asked)
        until_when = time.monotonic() + COUNT_SECONDS
        while (found := await outcomes(self.address)) != wanted:
            assert time.monotonic() < until_when, f"counted {found}, not {wanted}"
            await asyncio.sleep(0.1)

    async def assert_as_before(self) -> None:
        """Check that the gateway holds, logs and answers what it did before anything broke."""
        assert self.process.process.poll() is None
        assert self.before is not None
        # Idle connections to the upstream are kept for a while, one for each concurrent caller.
        allowed = structs.replace(self.before, descriptors=self.before.descriptors + CALLERS)
        assert differences(allowed, await quiet(self.watched, allowed, 0)) == []
        memory = proportional(self.watched.pid)
        assert memory < self.memory * MOST_GROWTH, f"{self.memory} bytes, then {memory}"
        minutes = (time.monotonic() - self.started_at) / 60
        assert "Traceback" not in self.process.error
        for words, count in self.warnings().items():
            # Each fault hits dozens of requests, and is logged once, then once a minute.
            assert count <= self.faults + minutes, f"{count} times: {words}"

    def warnings(self) -> Counter[str]:
        """Return how often each warning was logged, with numbers removed."""
        return Counter(_VARYING.sub("…", words) for words in _WARNING.findall(self.process.error))


@asynccontextmanager
async def untouched() -> AsyncIterator[None]:
    """Break nothing."""
    yield


@asynccontextmanager
async def surviving(folder: Path, state: str) -> AsyncIterator[Survivor]:
    """Run a gateway as users do, with a demo upstream behind a gate."""
    for name in ("gateway", "gateway/tmp"):
        (folder / name).mkdir()
    place = folder / "gateway"
    with running_demo_process(
        "--delay-seconds", str(PACE_SECONDS), "--access-seconds", str(LIFE_SECONDS)
    ) as demo:
        gate = Gate(demo.removeprefix("http://"))
        await gate.open()
        upstream = f"http://127.0.0.1:{gate.port}"
        settings = {
            "server": {"host": "127.0.0.1", "port": 0, "drain_seconds": 0.2},
            "upstream": {"base_url": upstream},
            "tokens": {"oaifree_url": f"{upstream}/api/auth/refresh"},
            "storage": {"state": state},
        }
        (place / "config.yaml").write_text(json.dumps(settings), "utf-8")
        environ = with_clock(place) | {
            "SOAK_TASKS": str(place / "tasks.txt"),
            "TMPDIR": str(place / "tmp"),
        }
        process = GatewayProcess(place, "-m", "bench.traced_gateway", **environ)
        try:
            address = await asyncio.to_thread(process.address, 90)
            survivor = Survivor(process, Watched(process.process.pid, address, place), gate)
            await survivor.warm_up()
            yield survivor
        finally:
            process.close()
            await gate.close()
