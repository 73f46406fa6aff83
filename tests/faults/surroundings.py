"""What stands around the gateway breaks while it is asked: state, disk and clock (spec 10, 12).

Each row plays good turns before, while and after: callers that are known, whose tokens the state
store has, and an answer that needs none of what is broken has to come as ever.
"""

import asyncio
import json
import os
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from aiohttp import ClientSession
from redis import Redis

from tests.faults.endpoints import FILES, PICTURES, SENDING, TEXTS, Endpoint
from tests.faults.gateways import PATIENT
from tests.faults.rows import Row
from tests.faults.table import COMPLETE, Ending, Fault
from tests.faults.turns import GoodTurn
from tests.faults.upstream import FaultyUpstream, Script
from tests.gateway import Gateway, running_gateway
from tests.redis_server import RedisServer, running_redis
from tests.service.program.gateway_process import ROOT, GatewayProcess

POOL = 5
"""Connections that each of the two pools of a gateway, for state and for calls, may have."""

START_SECONDS = 120.0
CLOCK_SECONDS = 1.5  # the clock's file is read once a second
STREAM = {"head_seconds": 60}
Faults = Callable[[GoodTurn], Iterator[Fault]]
Break = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Placed:
    """A running gateway and how to break what is around it; `pid` of a process of its own."""

    gateway: Gateway
    broken: Break
    pid: int | None = None


Start = Callable[[FaultyUpstream, Path], AbstractAsyncContextManager[Placed]]


@dataclass(frozen=True)
class Surrounding:
    """One thing that breaks.

    `faults` is how answers end meanwhile, if not as ever; `is_counted` says that the gateway
    counts failures of its state store, without which nothing was broken. `needs` is a program
    or library that the system may not have.
    """

    name: str
    start: Start
    faults: Faults
    is_counted: bool = True
    needs: str = ""
    texts: tuple[Endpoint, ...] = (*TEXTS, *SENDING)
    pictures: tuple[Endpoint, ...] = PICTURES

    @property
    def missing(self) -> str:
        """What it needs and is not installed, if anything."""
        is_here = fake_clock() if self.needs == "faketime" else shutil.which(self.needs or "true")
        return "" if is_here else self.needs

    def row(self, faults: Faults | None = None) -> Row:
        """Return what is played before and after, or while it is broken."""
        return Row(
            self.name,
            faults or as_ever,
            gateway=self.name,
            is_refreshing=True,
            is_slow=True,
            is_shared=True,
            texts=self.texts,
            pictures=self.pictures,
        )


def as_ever(turn: GoodTurn) -> Iterator[Fault]:
    """Nothing is wrong with the answers."""
    good = COMPLETE.after(turn.text, has_picture=turn.draws)
    yield Fault("good", {"turn": Script(turn.data)}, good)


NO_ROOM = Ending("failed", 507, "insufficient_storage", words="this server has no room for it")


def without_room(turn: GoodTurn) -> Iterator[Fault]:
    """What has to be kept is refused, and what was said is told."""
    scripts = {"turn": Script(turn.data)}
    if turn.draws:
        yield Fault("good", scripts, replace(NO_ROOM, text=turn.text))
    else:
        yield Fault("good", scripts, COMPLETE.after(turn.text), sending=NO_ROOM)


# --- state ------------------------------------------------------------------------------


@asynccontextmanager
async def _on_redis(
    how: Callable[[RedisServer], AbstractContextManager[None]],
    upstream: FaultyUpstream,
    folder: Path,
) -> AsyncIterator[Placed]:
    with running_redis() as server:
        state = f"{server.url}?max_connections={POOL}"
        async with running_gateway(
            upstream.url, folder, upstream=PATIENT, stream=STREAM, storage={"state": state}
        ) as gateway:
            yield Placed(gateway, partial(how, server))


@asynccontextmanager
async def _on_sqlite(
    how: Callable[[Path], AbstractContextManager[None]], upstream: FaultyUpstream, folder: Path
) -> AsyncIterator[Placed]:
    async with running_gateway(upstream.url, folder, upstream=PATIENT, stream=STREAM) as gateway:
        yield Placed(gateway, partial(how, folder / "state.db"))


@asynccontextmanager
async def _on_garbage(upstream: FaultyUpstream, folder: Path) -> AsyncIterator[Placed]:
    """Run on a file that is no database, as a crash of the machine may leave one; it is put aside."""
    for suffix in ("", "-wal"):
        (folder / f"state.db{suffix}").write_bytes(os.urandom(20_000))
    async with running_gateway(upstream.url, folder, upstream=PATIENT, stream=STREAM) as gateway:
        yield Placed(gateway, _nothing)
        assert any("corrupt" in name for name in os.listdir(folder))  # noqa: PTH208 - names only


@asynccontextmanager
async def _on_nothing(upstream: FaultyUpstream, folder: Path) -> AsyncIterator[Placed]:
    """Run on a file that nobody may make, root included."""
    place = {"state": "sqlite:/proc/state.db"}
    async with running_gateway(
        upstream.url, folder, upstream=PATIENT, stream=STREAM, storage=place
    ) as gateway:
        yield Placed(gateway, _nothing)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def _stopped(server: RedisServer) -> Iterator[None]:
    """Let every call hang: the server takes connections and answers nothing."""
    assert server._process is not None
    server._process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server._process.send_signal(signal.SIGCONT)


@contextmanager
def _replica(server: RedisServer) -> Iterator[None]:
    """Make the server a replica, which takes no writes."""
    assert server.command("REPLICAOF", "127.0.0.1", "9") == b"+OK"
    try:
        yield
    finally:
        assert server.command("REPLICAOF", "NO", "ONE") == b"+OK"


@contextmanager
def _garbled(server: RedisServer) -> Iterator[None]:
    """Put garbage, or another type, under each key there is."""
    with Redis.from_url(server.url) as redis:
        keys = redis.keys("*")
        assert keys
        for number, key in enumerate(keys):
            redis.delete(key)
            if number % 2:
                redis.set(key, b"\xff\x00 garbage {")
            else:
                redis.lpush(key, "garbage")
    yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the database as another process may."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        connection.close()


# --- disk and clock ---------------------------------------------------------------------


class RemoteGateway(Gateway):
    """A gateway that is a process of its own; `said` has its standard error."""

    def __init__(self, url: str, session: ClientSession, said: Path) -> None:
        self.url = url
        self.said = said
        self.session = session


@asynccontextmanager
async def _as_process(
    how: Callable[[Path, int], AbstractContextManager[None]],
    environ: Callable[[Path], dict[str, str]],
    upstream: FaultyUpstream,
    folder: Path,
) -> AsyncIterator[Placed]:
    settings = {
        "server": {"host": "127.0.0.1", "port": 0, "drain_seconds": 0.2},
        "upstream": {"base_url": upstream.url, **PATIENT},
        "tokens": {"oaifree_url": f"{upstream.url}/api/auth/refresh"},
        "stream": STREAM,
    }
    (folder / "config.yaml").write_text(json.dumps(settings), "utf-8")
    process = GatewayProcess(folder, "-m", "service", **environ(folder))
    pid = process.process.pid
    try:
        url = await asyncio.to_thread(process.address, START_SECONDS)
        async with ClientSession() as session:
            yield Placed(
                RemoteGateway(url, session, folder / "stderr.txt"), partial(how, folder, pid), pid
            )
    finally:
        process.close()


def _plain(_folder: Path) -> dict[str, str]:
    return {}


@contextmanager
def full(_folder: Path, pid: int) -> Iterator[None]:
    """Let no file of the process grow: each write fails as on a full disk."""
    room = resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, room))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, room))


def fake_clock() -> Path | None:
    """Return the library that moves the clock of one process (Debian's faketime)."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def with_clock(folder: Path) -> dict[str, str]:
    library = fake_clock()
    assert library is not None, "faketime is not installed"
    set_clock(folder, "+0")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": f"{Path(__file__).with_name('under_faketime')}:{ROOT}",
    }


def set_clock(folder: Path, offset: str) -> None:
    (folder / "clock").write_text(f"{offset}\n", "ascii")


@contextmanager
def moved(offset: str, folder: Path, _pid: int) -> Iterator[None]:
    """Move the wall clock; what measures durations goes on, as it does when a clock is set."""
    set_clock(folder, offset)
    time.sleep(CLOCK_SECONDS)
    try:
        yield
    finally:
        set_clock(folder, "+0")
        time.sleep(CLOCK_SECONDS)


SURROUNDINGS = (
    Surrounding(
        "state store down",
        partial(_on_redis, killed),
        as_ever,
        needs="redis-server",
    ),
    Surrounding(
        "state store slow",
        partial(_on_redis, _stopped),
        as_ever,
        needs="redis-server",
    ),
    Surrounding(
        "state store corrupt",
        partial(_on_redis, _garbled),
        as_ever,
        needs="redis-server",
    ),
    Surrounding(
        "state store read-only",
        partial(_on_redis, _replica),
        as_ever,
        needs="redis-server",
    ),
    Surrounding("state file corrupt", _on_garbage, as_ever, is_counted=False),
    Surrounding("state file locked", partial(_on_sqlite, locked), as_ever),
    Surrounding("state file not to be made", _on_nothing, as_ever),
    Surrounding(
        "disk full",
        partial(_as_process, full, _plain),
        without_room,
        is_counted=False,
        texts=(*TEXTS, *FILES),
        pictures=PICTURES[:1],
    ),
    *(
        Surrounding(
            f"clock {name}",
            partial(_as_process, partial(moved, offset), with_clock),
            as_ever,
            is_counted=False,
            needs="faketime",
        )
        for name, offset in (("400 days ahead", "+400d"), ("400 days back", "-400d"))
    ),
)
