"""Credentials to callers: one exchange at a time, remembered, rotated, renewed, kept fresh."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from service.ports import StateStore
from service.vocabulary.credentials import Caller, Credential, fingerprint
from service.vocabulary.errors import AuthError, StorageError, TokenServiceError
from storage.secrets.cipher import Cipher
from storage.state.journal import FileJournal
from storage.state.store import open_state
from tests.gateway import until
from tests.redis_server import RedisServer, running_redis
from tests.upstream.token_services import FakeTokenService, access_token, running_token_service
from upstream.tokens import exchange
from upstream.tokens import tokens as tokens_module
from upstream.tokens.cache import TokenStores
from upstream.tokens.tokens import TokenOptions, Tokens, next_daily

REFRESH = "refresh-token-canary-of-a-caller"
CREDENTIAL = Credential(REFRESH)
REFUSAL = '{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}'


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/state.db"
    server: RedisServer = request.getfixturevalue("redis_server")
    server.command("FLUSHALL")
    return server.url


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/state.db"


@pytest.fixture
async def state(url: str) -> AsyncIterator[StateStore]:
    state = open_state(url, [].append)
    yield state
    await state.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def fake(clock: Clock) -> AsyncIterator[FakeTokenService]:
    async with running_token_service() as service:
        service.clock = clock
        yield service


@pytest.fixture
def results() -> list[str]:
    return []


Make = Callable[..., Tokens]


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "tokens")


@pytest.fixture
async def make(
    *,
    fake: FakeTokenService,
    session: aiohttp.ClientSession,
    state: StateStore,
    journal: FileJournal,
    clock: Clock,
    results: list[str],
) -> AsyncIterator[Make]:
    """Return the Tokens of another process, which shares only the state."""
    made: list[Tokens] = []

    def another(store: StateStore = state, **options: object) -> Tokens:
        stores = TokenStores(store, journal, Cipher(b"secret"))
        chosen = {"clock": clock, "retry_pause_seconds": 0.01, "on_refresh": results.append}
        options = TokenOptions(**{**chosen, **options})
        made.append(Tokens(fake.config, session, stores, options))
        return made[-1]

    yield another
    for tokens in made:
        await tokens.close()


@pytest.fixture
def tokens(make: Make) -> Tokens:
    return make()


# --- who the caller is -----------------------------------------------------------


async def test_access_share_and_pool_tokens_go_through_as_they_are(
    tokens: Tokens, fake: FakeTokenService
) -> None:
    for token in (access_token(60), access_token(None), "eyJhb-unreadable", "fk-1", "pk-2"):
        caller = await tokens.caller(Credential(token))
        assert caller == Caller(token, None, fingerprint(token))
    assert fake.calls == []


async def test_an_access_token_past_its_end_is_refused_at_once(
    tokens: Tokens, fake: FakeTokenService
) -> None:
    with pytest.raises(AuthError, match="expired") as caught:
        await tokens.caller(Credential(access_token(-1)))
    assert caught.value.code == "invalid_api_key"
    assert fake.calls == []


async def test_a_refresh_token_is_exchanged_once_for_all_its_accounts(
    tokens: Tokens, fake: FakeTokenService
) -> None:
    personal = await tokens.caller(CREDENTIAL)
    team = await tokens.caller(Credential(REFRESH, "team-1"))
    assert personal == Caller(personal.access_token, None, fingerprint(REFRESH))
    assert team == Caller(personal.access_token, "team-1", fingerprint(f"{REFRESH},team-1"))
    assert fake.tokens_seen == [REFRESH]


# --- once at a time --------------------------------------------------------------


async def test_a_hundred_requests_make_one_exchange(
    tokens: Tokens, fake: FakeTokenService, results: list[str]
) -> None:
    fake.delay_seconds = 0.1
    callers = await asyncio.gather(*(tokens.caller(CREDENTIAL) for _ in range(100)))
    assert len(set(map(repr, callers))) == 1
    assert len(fake.calls) == 1
    assert results == ["ok"]


async def test_two_tokens_are_exchanged_side_by_side(
    tokens: Tokens, fake: FakeTokenService
) -> None:
    fake.may_answer.clear()
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(tokens.caller(Credential(f"refresh-{number}")))
        await until(lambda: len(fake.calls) == 5)
        fake.may_answer.set()
    assert len(fake.calls) == 5


async def test_a_waiter_that_leaves_does_not_stop_the_exchange(
    tokens: Tokens, fake: FakeTokenService
) -> None:
    fake.delay_seconds = 0.2
    waiters = [asyncio.ensure_future(tokens.caller(CREDENTIAL)) for _ in range(3)]
    await asyncio.sleep(0.1)
    waiters[0].cancel()
    waiters[2].cancel()
    assert (await waiters[1]).access_token
    assert waiters[0].cancelled()
    assert len(fake.calls) == 1


async def test_an_exchange_that_everybody_left_is_still_kept(
    tokens: Tokens, make: Make, fake: FakeTokenService
) -> None:
    fake.delay_seconds = 0.2
    waiter = asyncio.ensure_future(tokens.caller(CREDENTIAL))
    await asyncio.sleep(0.1)
    waiter.cancel()
    await tokens.close()
    assert (await make().caller(CREDENTIAL)).access_token
    assert len(fake.calls) == 1


PROCESS = """
import asyncio, sys
import aiohttp
from service.settings.config import TokensConfig
from service.vocabulary.credentials import Credential
from pathlib import Path
from storage.secrets.cipher import Cipher
from storage.state.journal import FileJournal
from storage.state.store import open_state
from upstream.tokens.cache import TokenStores
from upstream.tokens.tokens import Tokens

async def main(url, service, token, folder):
    state = open_state(url, lambda kind: sys.exit(f"failed: {kind}"))
    await state.get("warm")
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    async with aiohttp.ClientSession() as session:
        config = TokensConfig(oaifree_url=service)
        stores = TokenStores(state, FileJournal(Path(folder)), Cipher(b"secret"))
        tokens = Tokens(config, session, stores)
        wanted = (tokens.caller(Credential(token)) for _ in range(50))
        print(len({caller.access_token for caller in await asyncio.gather(*wanted)}))
    await state.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.whole
async def test_processes_make_one_exchange_together(
    fake: FakeTokenService, shared_url: str, tmp_path: Path
) -> None:
    fake.delay_seconds = 0.3
    arguments = (
        sys.executable,
        "-c",
        PROCESS,
        shared_url,
        f"{fake.url}/refresh",
        REFRESH,
        str(tmp_path),
    )
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            *arguments, cwd=Path(__file__).parents[3], stdin=pipe, stdout=pipe
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [answer[0] for answer in answers] == [b"1\n", b"1\n"]
    assert len(fake.calls) == 1


# --- how long it is used -----------------------------------------------------------


async def test_the_token_is_kept_until_its_end_less_the_margin(
    tokens: Tokens, make: Make, fake: FakeTokenService, clock: Clock
) -> None:
    first = await tokens.caller(CREDENTIAL)
    clock.ahead = 864_000 - 3600 - 10
    assert await make().caller(CREDENTIAL) == first
    assert len(fake.calls) == 1
    clock.ahead += 20
    assert await tokens.caller(CREDENTIAL) != first
    assert len(fake.calls) == 2


async def test_a_token_of_a_short_life_is_not_exchanged_for_every_request(
    tokens: Tokens, fake: FakeTokenService, clock: Clock
) -> None:
    fake.life_seconds = 60
    for ahead in (0, 10, 20, 40):
        clock.ahead = ahead
        await tokens.caller(CREDENTIAL)
    assert len(fake.calls) == 1
    clock.ahead = 50
    await tokens.caller(CREDENTIAL)
    assert len(fake.calls) == 2


async def test_made_up_tokens_push_none_out_that_is_refreshed_ahead(
    tokens: Tokens, fake: FakeTokenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "MAX_REMEMBERED", 2)
    used = [Credential(f"refresh-token-{name}") for name in ("first", "second")]
    for credential in (*used, used[0]):
        await tokens.caller(credential)
    fake.fail(401, REFUSAL, times=9)
    for number in range(3):
        with pytest.raises(AuthError):
            await tokens.caller(Credential(f"made-up-{number}"))
    assert list(tokens._used) == [used[1].fingerprint, used[0].fingerprint]


@pytest.mark.parametrize("status", [503, 401])
async def test_a_valid_token_is_used_when_it_cannot_be_refreshed_ahead(
    tokens: Tokens, fake: FakeTokenService, clock: Clock, status: int
) -> None:
    first = await tokens.caller(CREDENTIAL)
    clock.ahead = 864_000 - 1800
    fake.fail(status, REFUSAL, times=3)
    calls = 1 + (3 if status == 503 else 1)
    for _ in range(3):
        assert await tokens.caller(CREDENTIAL) == first
    assert len(fake.calls) == calls
    fake.answers.clear()
    clock.ahead += 61
    assert await tokens.caller(CREDENTIAL) != first


async def test_a_token_past_its_end_is_not_used_when_the_service_fails(
    tokens: Tokens, fake: FakeTokenService, clock: Clock
) -> None:
    await tokens.caller(CREDENTIAL)
    clock.ahead = 864_001
    fake.fail(503, times=3)
    with pytest.raises(TokenServiceError):
        await tokens.caller(CREDENTIAL)


# --- failures ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refusal_is_remembered_for_a_minute_everywhere(
    *,
    tokens: Tokens,
    make: Make,
    fake: FakeTokenService,
    clock: Clock,
    results: list[str],
    status: int,
) -> None:
    fake.fail(status, REFUSAL)
    for each in (tokens, tokens, make()):
        with pytest.raises(AuthError, match="Unknown or invalid refresh token"):
            await each.caller(CREDENTIAL)
    clock.ahead = 59
    with pytest.raises(AuthError):
        await tokens.caller(CREDENTIAL)
    assert len(fake.calls) == 1
    assert results == ["refused"]
    clock.ahead = 61
    assert (await tokens.caller(CREDENTIAL)).access_token
    clock.ahead = 62
    assert (await make().caller(CREDENTIAL)).access_token
    assert len(fake.calls) == 2


async def test_a_passing_fault_is_never_remembered(
    tokens: Tokens, fake: FakeTokenService, results: list[str]
) -> None:
    fake.fail(503, times=3)
    with pytest.raises(TokenServiceError) as caught:
        await tokens.caller(CREDENTIAL)
    assert caught.value.status == 503
    assert caught.value.retry_after_seconds is not None
    assert (await tokens.caller(CREDENTIAL)).access_token
    assert results == ["failed", "ok"]


async def test_a_service_that_is_down_is_told_once_a_minute(
    tokens: Tokens, fake: FakeTokenService, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        fake.fail(503, times=3)
        with pytest.raises(TokenServiceError):
            await tokens.caller(CREDENTIAL)
    assert len([text for text in caplog.messages if "could not be exchanged" in text]) == 1


async def test_all_who_wait_get_an_error_of_their_own(
    tokens: Tokens, fake: FakeTokenService
) -> None:
    fake.delay_seconds = 0.05
    fake.fail(429, times=3, retry_after="7")
    waiting = (tokens.caller(CREDENTIAL) for _ in range(10))
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert len(fake.calls) == 3
    assert len({id(error) for error in errors}) == 10
    assert all(isinstance(error, TokenServiceError) for error in errors)
    assert {error.retry_after_seconds for error in errors} == {7}


async def test_a_dead_store_costs_one_process_alone_nothing_but_memory(
    *,
    make: Make,
    fake: FakeTokenService,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "CLOSE_SECONDS", 0.1)  # the store stays dead
    (tmp_path / "file").touch()
    dead = open_state(f"sqlite:{tmp_path}/file/state.db", [].append, is_alone=True)
    tokens = make(dead)
    fake.is_rotating = True
    fake.delay_seconds = 0.05
    callers = await asyncio.gather(*(tokens.caller(CREDENTIAL) for _ in range(20)))
    assert len({caller.access_token for caller in callers}) == 1
    clock.ahead = 864_001
    await tokens.caller(CREDENTIAL)
    assert fake.tokens_seen == [REFRESH, "rotated-token-number-1"]
    await dead.close()


# --- rotation --------------------------------------------------------------------------


async def test_a_rotated_token_is_sent_in_place_of_the_callers(
    tokens: Tokens, make: Make, fake: FakeTokenService, clock: Clock
) -> None:
    fake.is_rotating = True
    await tokens.caller(CREDENTIAL)
    clock.ahead = 864_001  # the access token has expired, the rotated one has not
    await make().caller(CREDENTIAL)
    clock.ahead *= 2
    fake.is_rotating = False
    await tokens.caller(CREDENTIAL)
    clock.ahead *= 2
    await make().caller(CREDENTIAL)
    assert fake.tokens_seen == [
        REFRESH,
        "rotated-token-number-1",
        "rotated-token-number-2",
        "rotated-token-number-2",
    ]


async def test_a_rotated_token_that_is_refused_is_dead(
    tokens: Tokens, fake: FakeTokenService, clock: Clock
) -> None:
    fake.is_rotating = True
    await tokens.caller(CREDENTIAL)
    clock.ahead = 864_001
    fake.fail(401, REFUSAL)
    with pytest.raises(AuthError):
        await tokens.caller(CREDENTIAL)
    assert fake.tokens_seen == [REFRESH, "rotated-token-number-1"]


# --- renewal after the upstream's 401 --------------------------------------------------


async def test_a_refused_token_is_renewed_once_for_all(
    tokens: Tokens, fake: FakeTokenService
) -> None:
    refused = await tokens.caller(CREDENTIAL)
    fake.delay_seconds = 0.05
    renewed = await asyncio.gather(*(tokens.renew(CREDENTIAL, refused) for _ in range(20)))
    assert len({caller.access_token for caller in renewed}) == 1
    assert renewed[0].access_token != refused.access_token
    assert len(fake.calls) == 2
    assert await tokens.renew(CREDENTIAL, refused) == renewed[0]
    assert await tokens.caller(CREDENTIAL) == renewed[0]
    assert len(fake.calls) == 2


async def test_what_another_process_renewed_is_used(
    tokens: Tokens, make: Make, fake: FakeTokenService
) -> None:
    other = make()
    refused = await tokens.caller(CREDENTIAL)
    assert await other.caller(CREDENTIAL) == refused
    renewed = await other.renew(CREDENTIAL, refused)
    assert await tokens.renew(CREDENTIAL, refused) == renewed
    assert len(fake.calls) == 2


async def test_a_refused_token_does_not_come_back_when_renewal_fails(
    tokens: Tokens, make: Make, fake: FakeTokenService
) -> None:
    refused = await tokens.caller(CREDENTIAL)
    fake.fail(503, times=3)
    with pytest.raises(TokenServiceError):
        await tokens.renew(CREDENTIAL, refused)
    assert await make().caller(CREDENTIAL) != refused


async def test_a_renewal_does_not_join_an_exchange_that_may_answer_the_refused_token(
    tokens: Tokens, make: Make, fake: FakeTokenService
) -> None:
    refused = await make().caller(CREDENTIAL)
    reading = asyncio.ensure_future(tokens.caller(CREDENTIAL))
    await asyncio.sleep(0)
    renewed = await tokens.renew(CREDENTIAL, refused)
    assert await reading == refused
    assert renewed.access_token != refused.access_token
    assert len(fake.calls) == 2


@pytest.mark.parametrize("token", [access_token(864_000), "fk-1"])
async def test_an_access_token_cannot_be_renewed(
    tokens: Tokens, fake: FakeTokenService, token: str
) -> None:
    credential = Credential(token)
    with pytest.raises(AuthError):
        await tokens.renew(credential, await tokens.caller(credential))
    assert fake.calls == []


# --- in the background -------------------------------------------------------------------


@pytest.fixture
async def running() -> AsyncIterator[Callable[[Tokens], None]]:
    tasks: list[asyncio.Task[None]] = []
    yield lambda tokens: tasks.append(asyncio.create_task(tokens.run()))
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_token_in_use_is_refreshed_ahead_and_an_idle_one_is_not(
    make: Make, fake: FakeTokenService, clock: Clock, running: Callable[[Tokens], None]
) -> None:
    tokens = make(tick_seconds=0.02)
    first = await tokens.caller(CREDENTIAL)
    running(tokens)
    await asyncio.sleep(0.1)
    assert len(fake.calls) == 1
    clock.ahead = 864_000 - 3600
    await until(lambda: len(fake.calls) == 2)
    await until(lambda: not tokens._exchanges._flights)
    fake.delay_seconds = 60
    assert await tokens.caller(CREDENTIAL) != first  # without waiting
    assert len(fake.calls) == 2
    fake.delay_seconds = 0
    clock.ahead *= 2
    await until(lambda: len(fake.calls) == 3)  # used since
    clock.ahead *= 1.5
    await asyncio.sleep(0.1)
    assert len(fake.calls) == 3  # not used since


async def test_a_refresh_ahead_that_failed_is_tried_again(
    make: Make,
    fake: FakeTokenService,
    clock: Clock,
    running: Callable[[Tokens], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("upstream.tokens.exchange.AHEAD_PAUSE_SECONDS", 0.1)
    tokens = make(tick_seconds=0.02)
    await tokens.caller(CREDENTIAL)
    clock.ahead = 864_000 - 3600
    fake.fail(503, times=3)
    running(tokens)
    await until(lambda: len(fake.calls) == 5)


async def test_the_daily_job_refreshes_what_ends_within_a_day_and_calls_the_others(
    make: Make,
    fake: FakeTokenService,
    clock: Clock,
    running: Callable[[Tokens], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    async def broken() -> None:
        done.append("broken")
        raise StorageError("no GPT today")

    async def other() -> None:
        done.append("other")

    tokens = make(tick_seconds=0.02, daily=(broken, other))
    day = next_daily(clock() + 1_000_000, "03:00")
    clock.ahead = day - 800_000 - time.time()
    await tokens.caller(CREDENTIAL)
    clock.ahead += 800_000 - 60
    running(tokens)
    await asyncio.sleep(0.1)
    assert len(fake.calls) == 1
    assert done == []
    clock.ahead += 61
    await until(lambda: done == ["broken", "other"])
    assert len(fake.calls) == 2
    assert "no GPT today" in caplog.text
    await asyncio.sleep(0.1)
    assert done == ["broken", "other"]


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2024-07-01 02:59", "2024-07-01 03:00"),
        ("2024-07-01 03:00", "2024-07-02 03:00"),
        ("2024-12-31 23:00", "2025-01-01 03:00"),
        ("2024-03-30 12:00", "2024-03-31 03:00"),  # the night summer time begins
        ("2024-10-26 12:00", "2024-10-27 03:00"),  # and ends
    ],
)
def test_the_daily_time_is_local(now: str, then: str) -> None:
    shape = "%Y-%m-%d %H:%M"
    at = next_daily(time.mktime(time.strptime(now, shape)), "03:00")
    assert time.strftime(shape, time.localtime(at)) == then


async def test_stopping_lets_an_exchange_finish(tokens: Tokens, fake: FakeTokenService) -> None:
    fake.delay_seconds = 0.2
    loop = asyncio.create_task(tokens.run())
    waiting = asyncio.ensure_future(tokens.caller(CREDENTIAL))
    await asyncio.sleep(0.1)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert (await waiting).access_token
    assert tokens._exchanges._flights == {}


async def test_an_exchange_that_hangs_does_not_hold_up_the_stop(
    tokens: Tokens, fake: FakeTokenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upstream.tokens.exchange.CLOSE_SECONDS", 0.05)
    fake.delay_seconds = 0.5
    waiting = asyncio.ensure_future(tokens.caller(CREDENTIAL))
    await asyncio.sleep(0.1)
    await tokens.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# --- nothing leaks -----------------------------------------------------------------------


def stored_bytes(tmp_path: Path, server: RedisServer | None) -> bytes:
    if server is None:
        return b"".join(part.read_bytes() for part in tmp_path.glob("state.db*") if part.is_file())
    assert server.command("SAVE") == b"+OK"
    return server.dump.read_bytes()


async def test_no_token_is_stored_or_logged_or_told(
    *,
    make: Make,
    fake: FakeTokenService,
    shared_url: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    clock: Clock,
) -> None:
    caplog.set_level(logging.DEBUG)
    is_redis = shared_url.startswith("redis")
    server = request.getfixturevalue("redis_server") if is_redis else None
    if server is not None:
        server.command("CONFIG", "SET", "rdbcompression", "no")
    state = open_state(shared_url, [].append)
    tokens = make(state)
    fake.is_rotating = True
    caller = await tokens.caller(CREDENTIAL)
    clock.ahead = 864_001
    fake.fail(500, f"{REFRESH} {caller.access_token} rotated-token-number-1")
    fake.fail(401, '{"error":"rotated-token-number-1 is dead"}')
    with pytest.raises(AuthError) as refused:
        await tokens.caller(CREDENTIAL)
    fake.fail(401, f'{{"error":"{REFRESH[2:]} is dead"}}')
    with pytest.raises(AuthError) as dead:
        await tokens.caller(Credential(f"{REFRESH}-2"))
    stored = stored_bytes(tmp_path, server)
    assert f"token:rotated:{fingerprint(REFRESH)}".encode() in stored
    told = f"{refused.value}{refused.value!r}{dead.value}{caplog.text}{tokens!r}{caller!r}"
    for secret in (REFRESH, "rotated-token-number", caller.access_token, "canary"):
        assert secret.encode() not in stored
        assert secret not in told
    assert "is dead" in told
    await state.close()
