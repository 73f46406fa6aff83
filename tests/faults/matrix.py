"""Crosses faults with ways to ask, over real sockets, and counts what the contract forbids."""

import asyncio
import gc
import logging
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue

import uvloop
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.faults.codex_orders import ORDER_ROWS
from tests.faults.codex_rows import CODEX_ROWS
from tests.faults.codex_turns import SAYING
from tests.faults.companions import COMPANION_ROWS
from tests.faults.contract import Found, check, for_pictures
from tests.faults.endpoints import CALLS, CHATS, FILES, PICTURES, TEXTS, Endpoint, Got
from tests.faults.gateways import UNREACHABLE, gateways
from tests.faults.rows import TURN_ROWS, Row
from tests.faults.surroundings import POOL, SURROUNDINGS, RemoteGateway, Surrounding
from tests.faults.table import COMPLETE, Ending, Fault
from tests.faults.turns import WHOLE, GoodTurn
from tests.faults.upstream import MARKS, FaultyUpstream, Part, Script, faulty_upstream
from tests.gateway import Gateway, read, until
from tests.in_memory import folder_in_memory
from tests.test_secrets_stay import Records, found_in, logged

AT_ONCE = 50
ANSWER_SECONDS = 60.0
CLOSE_SECONDS = 1.0  # spec 6.4
STEADY_LOOKS = 25  # in a row, after a warm-up
QUIET_SECONDS = 15.0  # longer than a write of the log of calls to a store that does not answer
POOLED = 2 * POOL
"""Connections that a store may have more after a row; a leak of each request would be more."""
GOOD = {"turn": Script(WHOLE.data), "codex": Script(SAYING.data)}
REQUEST_ID = "x-request-id"


@dataclass
class Tally:
    """What came of one row."""

    row: str
    cases: int = 0
    passed: int = 0
    lost_bytes: int = 0
    leaked_secrets: int = 0
    leaked: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    def add(self, other: "Tally", when: str) -> None:
        """Count what another tally has."""
        self.cases += other.cases
        self.passed += other.passed
        self.lost_bytes += other.lost_bytes
        self.leaked_secrets += other.leaked_secrets
        self.leaked += other.leaked
        self.problems += [f"{when}, {problem}" for problem in other.problems]

    def take(self, name: str, found: Found) -> None:
        """Count one case."""
        self.cases += 1
        self.passed += not found.problems
        self.lost_bytes += found.lost_bytes
        self.problems += [f"{name}: {problem}" for problem in found.problems]


class AccessLog(logging.Handler):
    """The outcome and status of each request in the access log, by its id."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.ended: dict[str, tuple[str | None, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line."""
        fields = vars(record)
        self.ended[fields["request_id"]] = (fields.get("outcome"), fields["status"])


@dataclass
class Bench:
    """All that a run shares."""

    upstream: FaultyUpstream
    gateways: dict[str, Gateway]
    session: ClientSession
    access: AccessLog
    records: Records
    folder: Path
    known: dict[tuple[str, ...], Part] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)  # of gateways that are processes
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    # --- one case -----------------------------------------------------------------------

    async def ask(self, gateway: Gateway, endpoint: Endpoint, token: str, name: str) -> Got:
        """Ask once, and return the answer as the contract sees it."""
        headers = {"Authorization": f"Bearer {token}", REQUEST_ID: name}
        async with self.session.request(
            endpoint.method, gateway.url + endpoint.path, headers=headers, **endpoint.ask()
        ) as response:
            return endpoint.read(await read(response))

    async def play(
        self, gateway: Gateway, endpoint: Endpoint, fault: Fault, part: Part, *, token: str
    ) -> Found:
        """Play one case, and look at the answer, the log and the upstream."""
        name = f"case-{part.key}-{endpoint.name.replace(' ', '-')}-{endpoint.mode}"
        ending = ending_for(fault, endpoint)
        before = {place: part.count(place) for place in fault.visits}
        try:
            got = await self.ask(gateway, endpoint, token, name)
        except (ClientError, TimeoutError, AssertionError, ValueError, KeyError) as error:
            return Found([f"no answer that can be read: {error!r}"])
        found = check(endpoint, ending, got)
        if found_in(got.body + str(dict(got.headers)).encode(), MARKS):
            found.problems.append(f"a token in {got.body!r}")
        for place, times in fault.visits.items():
            found.expect(f"calls of {place}", part.count(place) - before[place], times)
        await self._check_closed(part, found)
        if not isinstance(gateway, RemoteGateway):  # whose metrics have to do
            outcome = ending.outcome if endpoint.has_outcome else None
            await self._check_log(name, outcome, got, found)
        return found

    async def _check_closed(self, part: Part, found: Found) -> None:
        try:
            await until(lambda: not part.open(), CLOSE_SECONDS)
        except TimeoutError:
            found.problems.append(f"upstream still open: {[one.path for one in part.open()]}")

    async def _check_log(self, name: str, outcome: str | None, got: Got, found: Found) -> None:
        try:
            await until(lambda: name in self.access.ended)
        except TimeoutError:
            found.problems.append("no line in the access log")
            return
        found.expect("access log", self.access.ended.pop(name), (outcome, got.status))

    def _caller(self, row: Row, fault: Fault, endpoints: tuple[Endpoint, ...]) -> Part:
        """Return a new caller, or in a shared row the one of the last time."""
        if not row.is_shared:
            return self.upstream.part(fault.scripts)
        key = (row.name, str(fault.scripts), *(one.name + one.mode for one in endpoints))
        part = self.known.setdefault(key, self.upstream.part())
        part.scripts = dict(fault.scripts)
        return part

    async def play_all(
        self, row: Row, fault: Fault, endpoints: tuple[Endpoint, ...], outcomes: Counter[str]
    ) -> list[tuple[str, Found]]:
        """Play a fault on each endpoint for one caller, then ask something that works."""
        gateway, results = self.gateways[row.gateway], []
        part = self._caller(row, fault, endpoints)
        token = part.token(row.place, is_refreshing=row.is_refreshing)
        async with self.gate:
            for endpoint in endpoints:
                found = await self.play(gateway, endpoint, fault, part, token=token)
                name = f"{fault.name}, {endpoint.name} {endpoint.mode}"
                results.append((name, found))
                outcomes[ending_for(fault, endpoint).outcome] += endpoint.has_outcome
            if row.gateway not in UNREACHABLE:
                part.scripts = dict(GOOD)
                again = Fault("again", {}, fault.afterwards or COMPLETE.after(WHOLE.text))
                if fault.afterwards:
                    again = replace(again, visits={row.place: 0, "codex refresh": 0})
                token = part.token(row.place) if fault.is_deadly else token
                found = await self.play(gateway, CHATS[1], again, part, token=token)
                results[-1][1].problems += [f"afterwards, {one}" for one in found.problems]
                outcomes[again.ending.outcome] += 1
        return results

    async def warm_up(self, gateway: Gateway) -> None:
        """Ask for everything at once, so that what is opened at a first call is open."""
        part = self.upstream.part(GOOD)
        await gateway.metrics()
        asked = [(endpoint, "turn") for endpoint in (*TEXTS, *PICTURES, *FILES)]
        asked += [(endpoint, "codex") for endpoint in (*TEXTS, *CALLS)]
        await asyncio.gather(
            *(self.ask(gateway, one, part.token(place), "warm-up") for one, place in asked)
        )

    # --- one row ------------------------------------------------------------------------

    async def run_timed(self, row: Row | Surrounding, *, is_brief: bool) -> Tally:
        """Play a whole row of either kind, and note how long it takes."""
        began = time.monotonic()
        is_row = isinstance(row, Row)
        tally = await (self.run(row, is_brief=is_brief) if is_row else self.run_within(row))
        tally.seconds = time.monotonic() - began
        return tally

    async def run(self, row: Row, *, is_brief: bool = False) -> Tally:
        """Play a whole row, and look for what it leaves.

        Args:
            row: what to play.
            is_brief: only the first fault of each turn, for a look at the whole.
        """
        tally, outcomes = Tally(row.name), Counter[str]()
        gateway, pid = self.gateways[row.gateway], self.pids.get(row.gateway)
        self.records.lines.clear()
        counted = Counter(await gateway.outcomes())
        before = _held(pid)
        plays = []
        for turn in row.turns:
            for fault in list(row.faults(turn))[: 1 if is_brief else None]:
                named = replace(fault.at(turn.place), name=f"{turn.name}, {fault.name}")
                plays += [(named, some) for some in _callers(row, turn)]
        results = await asyncio.gather(
            *(self.play_all(row, fault, some, outcomes) for fault, some in plays)
        )
        for name, found in (one for some in results for one in some):
            tally.take(name, found)
        grown = Counter(await gateway.outcomes())
        grown.subtract(counted)
        outcomes = +outcomes
        wrong = {name: n - outcomes[name] for name, n in grown.items() if n != outcomes[name]}
        if wrong or sum(grown.values()) != sum(outcomes.values()):
            tally.problems.append(f"/metrics counts other outcomes: {wrong or dict(grown)}")
        if row.is_shared:  # the pool of a store may grow, and be filled anew after it broke
            before = (before[0], before[1] + POOLED)
        await self._look_for_leaks(gateway, before, tally, pid)
        return tally

    async def run_within(self, surrounding: Surrounding) -> Tally:
        """Play a row before, while and after what is around the gateway breaks."""
        name, sum_ = surrounding.name, Tally(surrounding.name)
        (place := self.folder / name.replace(" ", "-")).mkdir()
        async with surrounding.start(self.upstream, place) as placed:
            self.gateways[name] = placed.gateway
            if placed.pid is not None:
                self.pids[name] = placed.pid
            await self.warm_up(placed.gateway)
            await _settled(placed.pid)
            sum_.add(await self.run(surrounding.row()), "before")
            with placed.broken():
                sum_.add(await self.run(surrounding.row(surrounding.faults)), "meanwhile")
                failures = await placed.gateway.counts("gateway_state_failures_total", "kind")
            sum_.add(await self.run(surrounding.row()), "afterwards")
        if surrounding.is_counted and not failures:
            sum_.problems.append("no failure of the state store was counted")
        return sum_

    async def _look_for_leaks(
        self, gateway: Gateway, before: tuple[int, int], tally: Tally, pid: int | None
    ) -> None:
        """Count tasks and descriptors that stay, turns that count as open, and tokens told."""
        try:
            await until(lambda: _surplus(before, pid) == 0, QUIET_SECONDS)
        except TimeoutError:
            tally.leaked += _surplus(before, pid)
            names = sorted(str(task.get_coro()) for task in asyncio.all_tasks())
            tally.problems.append(f"tasks and files {before}, then {_held(pid)}: {names}")
        metrics = await gateway.metrics()
        for gauge in ("gateway_open_streams", "gateway_queued_turns"):
            if f"{gauge} 0.0" not in metrics:
                tally.leaked += 1
                tally.problems.append(f"{gauge} is not 0")
        told = "\n".join([*self.records.lines, metrics]).encode("utf-8", "backslashreplace")
        if isinstance(gateway, RemoteGateway):
            told += await asyncio.to_thread(gateway.said.read_bytes)
        for mark in found_in(told, MARKS):
            tally.leaked_secrets += 1
            line = next((one for one in self.records.lines if mark in one), "encoded somewhere")
            tally.problems.append(f"a token was logged: {line[:500]}")

    async def look_at_files(self, tally: Tally) -> None:
        """Look for tokens in clear in all that is kept: state, logs, pictures and files."""
        for path in [path for path in self.folder.rglob("*") if path.is_file()]:
            for mark in found_in(await asyncio.to_thread(path.read_bytes), MARKS):
                tally.leaked_secrets += 1
                tally.problems.append(f"{mark} is kept in {path.relative_to(self.folder)}")


def _held(pid: int | None) -> tuple[int, int]:
    """Return how many tasks there are here, and how many open files and sockets."""
    files = [f"/proc/{one}/fd" for one in ("self", pid) if one is not None]
    return len(asyncio.all_tasks()), sum(len(os.listdir(name)) for name in files)  # noqa: PTH208 - names of open files


async def _settled(pid: int | None = None) -> None:
    """Wait until no count falls any more: what is closed later would make up for what leaks.

    Looks are counted and not time, since a busy machine gives this process few of them.
    """
    least, looks = _held(pid), 0
    while looks < STEADY_LOOKS:
        await asyncio.sleep(0.02)
        now = _held(pid)
        looks = looks + 1 if now[0] >= least[0] and now[1] >= least[1] else 0
        least = (min(least[0], now[0]), min(least[1], now[1]))


def _surplus(before: tuple[int, int], pid: int | None) -> int:
    return sum(max(0, now - then) for now, then in zip(_held(pid), before, strict=True))


def ending_for(fault: Fault, endpoint: Endpoint) -> Ending:
    """Return how a fault ends for one way to ask."""
    ending = fault.ending_of(endpoint)
    if not endpoint.has_outcome:
        ending = replace(ending, text="", has_picture=False)
    if endpoint.calls and not endpoint.is_streamed and ending.code:
        ending = replace(ending, text="")  # an error has a partial text, and no partial call
    if endpoint.sends and ending.param:
        ending = replace(ending, param=endpoint.param)
    return for_pictures(ending) if endpoint in PICTURES else ending


def _callers(row: Row, turn: GoodTurn) -> list[tuple[Endpoint, ...]]:
    """Return the endpoints by caller: one after the other, but where each takes its time."""
    endpoints = row.endpoints(turn)
    if row.is_slow:
        return [(endpoint,) for endpoint in endpoints]
    return [endpoints]


@asynccontextmanager
async def bench(folder: Path, *, is_direct: bool = True) -> AsyncIterator[Bench]:
    """Run the upstream and all gateways, with everything logged."""
    access = AccessLog()
    logger = logging.getLogger("gateway.access")
    with logged(folder / "log", "text") as records:
        logger.addHandler(access)
        connector = TCPConnector(force_close=True, limit=0)
        try:
            async with (
                faulty_upstream() as upstream,
                gateways(upstream, folder, is_direct=is_direct) as running,
                ClientSession(
                    connector=connector, timeout=ClientTimeout(ANSWER_SECONDS)
                ) as session,
            ):
                made = Bench(upstream, running, session, access, records, folder)
                await asyncio.gather(*(made.warm_up(gateway) for gateway in running.values()))
                gc.collect()
                await _settled()
                yield made
        finally:
            logger.removeHandler(access)


# --- all of it --------------------------------------------------------------------------

ROWS = (*TURN_ROWS, *CODEX_ROWS, *ORDER_ROWS, *COMPANION_ROWS, *SURROUNDINGS)


def rows_named(expression: str) -> tuple[list[str], dict[str, str]]:
    """Return the names of the rows in which an expression is found, and what others are missing.

    Those that take long without doing much come first, so that others fill their waits.
    """
    rows = [row for row in ROWS if re.search(expression, row.name)]
    rows.sort(key=lambda row: isinstance(row, Row) + (isinstance(row, Row) and not row.is_slow))
    missing = {
        row.name: row.missing for row in rows if isinstance(row, Surrounding) and row.missing
    }
    return [row.name for row in rows if row.name not in missing], missing


def played(left: "Queue[str | None]", is_brief: bool, is_direct: bool) -> list[Tally]:
    """Play the rows that are left, one after the other, each with its cases side by side.

    Args:
        left: names of rows; None once for each process that takes them.
        is_brief: only the first fault of each turn.
        is_direct: how turns are sent (`upstream.direct`).
    """

    by_name = {row.name: row for row in ROWS}

    async def play(folder: Path) -> list[Tally]:
        async with bench(folder, is_direct=is_direct) as made:
            tallies = [
                await made.run_timed(by_name[name], is_brief=is_brief)
                for name in iter(left.get, None)
            ]
            if tallies:
                await made.look_at_files(tallies[-1])
            return tallies

    with (
        tempfile.TemporaryDirectory(dir=folder_in_memory()) as name,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stderr(nowhere),  # all is logged, and read where it is logged to
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(play(Path(name)))
