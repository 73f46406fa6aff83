"""No rotated token is lost and no token is exchanged twice, whatever happens to the store.

The token service here is as strict as OpenAI's: a rotated token is dead, and its second use is
refused.
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from service.ports import Journal
from service.vocabulary.credentials import Credential, fingerprint
from service.vocabulary.errors import TokenServiceError
from storage.secrets.cipher import Cipher
from storage.state.journal import FileJournal
from storage.state.store import open_state
from tests.full_disk import no_room_for_files
from tests.redis_server import RedisServer, running_redis
from tests.upstream.token_services import FakeTokenService, running_token_service
from upstream.tokens import exchange
from upstream.tokens.cache import TokenStores
from upstream.tokens.tokens import TokenOptions, Tokens

REFRESH = "refresh-token-of-a-caller"
CREDENTIAL = Credential(REFRESH)
KEY = fingerprint(REFRESH)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait for a busy database."""
    monkeypatch.setattr("storage.state.sqlite_file.BUSY_SECONDS", 0.2)
    monkeypatch.setattr("storage.state.store.PAUSE_SECONDS", 0.01)


@pytest.fixture
async def fake() -> AsyncIterator[FakeTokenService]:
    async with running_token_service() as service:
        service.is_rotating = service.is_strict = True
        yield service


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


Start = Callable[..., "Worker"]


@pytest.fixture
async def start(fake: FakeTokenService, tmp_path: Path) -> AsyncIterator[Start]:
    """Start the Tokens of another process, with its own connection to the store."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        def another(
            url: str = f"sqlite:{tmp_path}/state.db",
            journal: Journal | None = None,
            clock: Callable[[], float] = time.time,
        ) -> Worker:
            state = open_state(url, [].append)
            stack.push_async_callback(state.close)
            stores = TokenStores(
                state, journal or FileJournal(tmp_path / "tokens"), Cipher(b"secret")
            )
            options = TokenOptions(retry_pause_seconds=0.01, clock=clock)
            tokens = Tokens(fake.config, session, stores, options)
            stack.push_async_callback(tokens.close)
            return Worker(tokens, fake)

        yield another


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Hold the write lock of the database, as a copy or another tool may do for long."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


class Worker:
    """A process that can be made to exchange its token, as after a 401 of the upstream."""

    def __init__(self, tokens: Tokens, fake: FakeTokenService) -> None:
        self.tokens = tokens
        self.fake = fake

    async def exchange(self) -> None:
        """Renew the access token until this worker has exchanged it itself."""
        count = len(self.fake.calls)
        caller = await self.tokens.caller(CREDENTIAL)
        while len(self.fake.calls) == count:
            caller = await self.tokens.renew(CREDENTIAL, caller)


def rotated(count: int) -> list[str]:
    """Return the tokens of so many exchanges, each of which sent the token of the one before."""
    return [REFRESH, *(f"rotated-token-number-{number}" for number in range(1, count))]


async def until(is_true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await is_true():  # noqa: ASYNC110 - it looks at files
            await asyncio.sleep(0.02)


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "tokens")


@pytest.fixture
def elsewhere(tmp_path: Path) -> FileJournal:
    """Return the empty journal of another machine."""
    return FileJournal(tmp_path / "elsewhere")


async def is_empty(journal: FileJournal) -> bool:
    return not await journal.keys()


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.tokens.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.whole  # it waits
async def test_a_store_that_takes_nothing_during_an_exchange_loses_no_token(
    start: Start, fake: FakeTokenService, tmp_path: Path
) -> None:
    """Issue 12.7: the other worker sent the dead token, and so did the next start."""
    one, other = start(), start()
    await one.exchange()
    await other.tokens.caller(CREDENTIAL)
    with written_to(tmp_path / "state.db"):
        await one.exchange()
        await other.exchange()
        await one.exchange()
    await other.exchange()
    await one.tokens.close()
    await other.tokens.close()
    await start().exchange()
    assert fake.tokens_seen == rotated(len(fake.calls))


async def test_what_could_not_be_stored_is_stored_when_it_can_be(
    *,
    start: Start,
    fake: FakeTokenService,
    journal: FileJournal,
    elsewhere: FileJournal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "SAVE_SECONDS", 0.05)
    worker = start()
    await worker.exchange()
    async with running(worker):
        with written_to(tmp_path / "state.db"):
            await worker.exchange()
            assert await journal.keys() == [KEY]
        await until(lambda: is_empty(journal))
    await start(journal=elsewhere).exchange()
    assert fake.tokens_seen == rotated(3)


@pytest.mark.whole  # it waits
async def test_what_could_not_be_stored_is_stored_at_the_end(
    *,
    start: Start,
    fake: FakeTokenService,
    journal: FileJournal,
    elsewhere: FileJournal,
    tmp_path: Path,
) -> None:
    worker = start()
    await worker.exchange()
    with written_to(tmp_path / "state.db"):
        await worker.exchange()
    assert await journal.keys() == [KEY]
    sealed = await journal.get(KEY)
    assert sealed is not None
    assert b"rotated" not in sealed
    assert b"eyJ" not in sealed
    await worker.tokens.close()
    assert await journal.keys() == []
    await start(journal=elsewhere).exchange()
    assert fake.tokens_seen == rotated(3)


async def test_the_next_process_stores_what_one_before_could_not(
    *,
    start: Start,
    fake: FakeTokenService,
    journal: FileJournal,
    elsewhere: FileJournal,
    tmp_path: Path,
) -> None:
    worker = start()
    await worker.exchange()
    with written_to(tmp_path / "state.db"):
        await worker.exchange()
    assert await journal.keys() == [KEY]
    async with running(start()):
        await until(lambda: is_empty(journal))
    await start(journal=elsewhere).exchange()
    assert fake.tokens_seen == rotated(3)


@pytest.mark.whole  # it waits
async def test_a_token_that_is_in_one_memory_alone_is_exchanged_nowhere_else(
    start: Start, fake: FakeTokenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk neither store nor journal takes it, so the lock is kept."""
    monkeypatch.setattr(exchange, "LOCK_SECONDS", 0.5)
    one, other = start(), start()
    await one.exchange()
    await other.tokens.caller(CREDENTIAL)
    with no_room_for_files():
        await one.exchange()
        with pytest.raises(TokenServiceError) as caught:
            await other.exchange()
        assert (caught.value.status, caught.value.retry_after_seconds) == (503, 5)
        await one.exchange()
    await one.tokens.close()
    await other.exchange()
    assert fake.tokens_seen == rotated(4)


@pytest.mark.whole  # it waits
async def test_a_lock_that_cannot_be_had_is_waited_for(
    start: Start, fake: FakeTokenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LOCK_SECONDS", 0.3)
    state = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    tokens = start().tokens
    async with state.lock(f"token:{KEY}", 15, 1):
        with pytest.raises(TokenServiceError) as caught:
            await tokens.caller(CREDENTIAL)
        assert (caught.value.status, caught.value.retry_after_seconds) == (503, 5)
        assert fake.calls == []
        monkeypatch.setattr(exchange, "LOCK_SECONDS", 30)
        waiting = asyncio.create_task(tokens.caller(CREDENTIAL))
        await asyncio.sleep(0.2)
    assert (await waiting).access_token
    await state.close()


async def test_a_good_access_token_is_used_while_its_refresh_waits(
    start: Start, fake: FakeTokenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "AHEAD_LOCK_SECONDS", 0.05)
    fake.life_seconds = 2
    now = [time.time()]
    fake.clock = lambda: now[0]
    tokens = start(clock=fake.clock).tokens
    first = await tokens.caller(CREDENTIAL)
    state = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    async with state.lock(f"token:{KEY}", 15, 1):
        now[0] += 1.5  # the last quarter of its life has begun
        assert await tokens.caller(CREDENTIAL) == first
    await state.close()
    assert len(fake.calls) == 1


# --- Redis -----------------------------------------------------------------------------


@pytest.mark.needs_redis
async def test_without_redis_nothing_is_exchanged_and_all_is_when_it_is_back(
    start: Start,
    fake: FakeTokenService,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "LOCK_SECONDS", 0.5)
    redis_server.command("FLUSHALL")
    tokens = start(redis_server.url).tokens
    redis_server.stop()
    try:
        with pytest.raises(TokenServiceError) as caught:
            await tokens.caller(CREDENTIAL)
        assert caught.value.status == 503
        assert fake.calls == []
        monkeypatch.setattr(exchange, "LOCK_SECONDS", 30)
        waiting = asyncio.create_task(tokens.caller(CREDENTIAL))
        await asyncio.sleep(0.5)
    finally:
        redis_server.start()
    assert (await waiting).access_token
    assert fake.tokens_seen == [REFRESH]


@pytest.mark.needs_redis
async def test_redis_that_dies_during_an_exchange_loses_no_token(
    start: Start, fake: FakeTokenService, redis_server: RedisServer
) -> None:
    """It comes back empty, and what the processes of this machine know is stored again."""
    redis_server.command("FLUSHALL")
    one, other = start(redis_server.url), start(redis_server.url)
    await one.exchange()
    fake.delay_seconds = 1
    exchanging = asyncio.create_task(one.exchange())
    await asyncio.sleep(0.5)
    redis_server.stop()
    await exchanging
    redis_server.start()
    fake.delay_seconds = 0
    await other.exchange()
    await one.exchange()
    assert fake.tokens_seen == rotated(4)


# --- several processes -------------------------------------------------------------------

PROCESS = """
import asyncio, sys
from pathlib import Path
import aiohttp
from service.settings.config import TokensConfig
from service.vocabulary.credentials import Credential
from storage.secrets.cipher import Cipher
from storage.state.journal import FileJournal
from storage.state.store import open_state
from upstream.tokens.cache import TokenStores
from upstream.tokens.tokens import Tokens

async def main(url, service, token, folder):
    state = open_state(url, lambda kind: None)
    async with aiohttp.ClientSession() as session:
        stores = TokenStores(state, FileJournal(Path(folder)), Cipher(b"secret"))
        tokens = Tokens(TokensConfig(oaifree_url=service), session, stores)
        caller = await tokens.caller(Credential(token))
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            caller = await tokens.renew(Credential(token), caller)
            print("renewed", flush=True)
        await tokens.close()
    await state.close()

asyncio.run(main(*sys.argv[1:]))
"""


class Process:
    """A process that renews its token for each line on its standard input."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self, word: bytes) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            assert await self.process.stdout.readline() == word + b"\n"

    def ask(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def renew(self) -> None:
        self.ask()
        await self.says(b"renewed")


StartProcess = Callable[[], Awaitable[Process]]


@pytest.fixture
async def process(fake: FakeTokenService, tmp_path: Path) -> AsyncIterator[StartProcess]:
    started: list[Process] = []

    async def another() -> Process:
        pipe = asyncio.subprocess.PIPE
        url, folder = f"sqlite:{tmp_path}/state.db", str(tmp_path / "tokens")
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROCESS, url, f"{fake.url}/refresh", REFRESH, folder),
            cwd=Path(__file__).parents[3],
            stdin=pipe,
            stdout=pipe,
        )
        started.append(Process(made))
        await started[-1].says(b"ready")
        return started[-1]

    yield another
    for one in started:
        if one.process.returncode is None:
            one.process.kill()
        await one.process.communicate()


@pytest.mark.whole
async def test_a_locked_database_between_two_processes_and_the_next_two(
    process: StartProcess, fake: FakeTokenService, tmp_path: Path
) -> None:
    """As above, in processes of their own, both killed before the store takes anything."""
    one, other = await process(), await process()
    with written_to(tmp_path / "state.db"):
        await one.renew()
        await other.renew()
        await other.renew()
        for killed in (one, other):
            killed.process.kill()
            await killed.process.wait()
    again = await process()
    await again.renew()
    assert fake.tokens_seen == rotated(4)


@pytest.mark.whole
async def test_a_process_that_is_killed_while_it_exchanges_hands_on_its_lock(
    process: StartProcess, fake: FakeTokenService
) -> None:
    """The service's answer is lost, as documented; no process waits for the dead one."""
    one, other = await process(), await process()
    fake.delay_seconds = 60
    one.ask()
    async with asyncio.timeout(20):
        while len(fake.calls) < 2:  # noqa: ASYNC110 - it looks at what another process does
            await asyncio.sleep(0.02)
    fake.delay_seconds = 0
    one.process.kill()
    await other.renew()
    assert fake.tokens_seen == [REFRESH, "rotated-token-number-1", "rotated-token-number-1"]
