"""Budgets as several processes hold them, with a store that works, fails, and hangs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ledger import budgets as module
from service.ledger.budgets import HeldBudgets
from service.ports import StateStore
from service.vocabulary.credentials import Budgets, Credential
from service.vocabulary.errors import KeyLimitError
from service.vocabulary.gateway_keys import GatewayKey, digest_of, new_key
from service.vocabulary.ledger.sent import note_sent
from storage.state.store import open_state
from tests.chance import examples
from tests.ledger import BudgetMemory
from tests.redis_server import RedisServer, running_redis

NOW = 1_796_040_000.0
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def made(**limits: int) -> tuple[GatewayKey, Credential]:
    """A new key with budgets, and its credential."""
    text, budgets = new_key(), Budgets(**limits)
    digest = digest_of(text)
    key = GatewayKey(text[6:14], "bot", digest, "", 0, budgets=budgets)
    return key, Credential("a-token", gateway_key=digest, budgets=budgets)


async def turn(held: HeldBudgets, credential: Credential, *, is_sent: bool = True) -> bool:
    """Run a turn; return whether it was let in."""
    try:
        async with held.turn(credential):
            if is_sent:
                note_sent()
    except KeyLimitError:
        return False
    return True


async def used(held: HeldBudgets, key: GatewayKey) -> list[int]:
    return [use.used for use in (await held.uses([key]))[key.id]]


@pytest.fixture
def store() -> BudgetMemory:
    return BudgetMemory()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def held(store: BudgetMemory, clock: Clock) -> HeldBudgets:
    return HeldBudgets(store, clock)


async def test_a_key_without_a_budget_never_asks_the_store(
    held: HeldBudgets, store: BudgetMemory
) -> None:
    key, credential = made()
    assert await turn(held, credential)
    held.charge(credential, 1_000_000)
    assert await held.uses([key]) == {}
    assert await held.of(credential) == await held.of(Credential("a-token")) == ()
    await held.close()
    assert store.steps == 0


async def test_a_turn_is_one_round_trip_that_takes_what_waits_along(
    held: HeldBudgets, store: BudgetMemory
) -> None:
    key, credential = made(requests_per_day=3, tokens_per_day=100)
    for number in range(1, 4):
        assert await turn(held, credential)
        assert store.steps == number
        held.charge(credential, 10)
    assert await used(held, key) == [3, 30]
    assert [use.used for use in await held.of(credential)] == [3, 30]
    assert not await turn(held, credential)
    await held.close()
    assert store.steps == 4  # the refused one took the last tokens along


async def test_the_refusal_says_which_budget_and_until_when(
    held: HeldBudgets, clock: Clock
) -> None:
    _, credential = made(requests_per_5_hours=5, tokens_per_day=7)
    assert await turn(held, credential)
    held.charge(credential, 7)
    with pytest.raises(KeyLimitError) as refused:
        async with held.turn(credential):
            pass
    assert "7 tokens in a day" in refused.value.message
    renewal = refused.value.retry_after_seconds or 0
    assert (clock.now + renewal) % DAY == 0
    assert refused.value.status == 429
    clock.now += renewal
    assert await turn(held, credential)


async def test_of_several_used_up_budgets_the_last_to_be_renewed_is_told(
    held: HeldBudgets,
) -> None:
    _, credential = made(requests_per_5_hours=1, requests_per_week=1, requests_per_day=1)
    assert await turn(held, credential)
    with pytest.raises(KeyLimitError, match="1 request in a week"):
        async with held.turn(credential):
            pass


async def test_what_did_not_go_upstream_is_given_back(held: HeldBudgets) -> None:
    key, credential = made(requests_per_day=1)
    for _ in range(3):
        assert await turn(held, credential, is_sent=False)
    with pytest.raises(ZeroDivisionError):
        async with held.turn(credential):
            raise ZeroDivisionError
    assert await used(held, key) == [0]
    assert await turn(held, credential)
    assert not await turn(held, credential)


async def test_a_caller_that_leaves_while_it_is_let_in_gets_its_turn_back(
    held: HeldBudgets, store: BudgetMemory
) -> None:
    key, credential = made(requests_per_day=1)
    store.gate.clear()
    asking = asyncio.ensure_future(turn(held, credential))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    store.gate.set()
    await asyncio.sleep(0.01)
    assert await used(held, key) == [0]
    assert await turn(held, credential)


async def test_a_burst_shares_steps_and_the_first_are_let_in(
    held: HeldBudgets, store: BudgetMemory
) -> None:
    _, credential = made(requests_per_day=100)
    turns = [asyncio.ensure_future(turn(held, credential)) for _ in range(200)]
    assert await asyncio.gather(*turns) == [True] * 100 + [False] * 100
    assert store.steps <= 3


async def test_a_fault_of_the_store_is_told_to_those_who_asked(
    held: HeldBudgets, store: BudgetMemory
) -> None:
    _, credential = made(requests_per_day=1)
    store.kept[(credential.gateway_key or "")[:32]] = None  # type: ignore[assignment]  # a bug
    for _ in range(2):
        with pytest.raises(AttributeError):
            await turn(held, credential)


async def test_an_answer_that_is_sent_again_is_charged_once(
    held: HeldBudgets, clock: Clock
) -> None:
    key, credential = made(tokens_per_day=100)
    for _ in range(3):
        held.charge(credential, 10, "an idempotency key")
    held.charge(credential, 1, "another")
    assert await used(held, key) == [11]
    clock.now += module.ONCE_SECONDS
    held.charge(credential, 10, "an idempotency key")
    assert await used(held, key) == [21]


async def test_without_the_store_each_process_goes_on_with_what_it_knew(
    held: HeldBudgets, store: BudgetMemory, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    other = HeldBudgets(store, clock)
    key, credential = made(requests_per_day=4)
    assert await turn(held, credential)
    assert await turn(other, credential)
    store.is_on = False
    assert [await turn(held, credential) for _ in range(4)] == [True, True, True, False]
    assert [await turn(other, credential) for _ in range(3)] == [True, True, False]
    assert caplog.text.count("held by each process alone") == 2  # once by each process
    assert await used(held, key) == [4]
    store.is_on = True
    await held.close()
    await other.close()
    assert await used(held, key) == [7]  # 2 before, and 3 and 2 of each process meanwhile
    assert not await turn(held, credential)
    clock.now += DAY
    assert await turn(held, credential)


async def test_a_long_outage_keeps_a_bounded_number_of_changes(
    held: HeldBudgets, store: BudgetMemory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MINUTES", 40)
    key, credential = made(requests_per_week=100_000)
    store.is_on = False
    for _ in range(80):
        clock.now += 60
        assert await turn(held, credential)
    [known] = held._held.values()
    assert len(known.changes) == 40
    store.is_on = True
    await held.close()
    assert await used(held, key) == [80]


async def test_changes_are_stored_in_the_background(
    held: HeldBudgets, store: BudgetMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.0)
    key, credential = made(tokens_per_day=5)
    running = asyncio.ensure_future(held.run())
    held.charge(credential, 5)
    async with asyncio.timeout(30):
        await store.has_steps.wait()
    running.cancel()
    other = HeldBudgets(store, lambda: NOW)
    assert await used(other, key) == [5]
    assert not await turn(other, credential)


async def test_keys_that_ask_no_more_are_forgotten(
    held: HeldBudgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 10)
    for _ in range(50):
        assert await turn(held, made(requests_per_day=1)[1])
    assert len(held._held) <= 11


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # the process
        st.sampled_from(["ask", "ask", "lost", "tokens", "store", "flush"]),
        st.sampled_from([0.0, 59.0, 3_700.0, 18_060.0, DAY]),
    ),
    max_size=40,
)


@examples(100)
@given(steps=STEPS, limit=st.integers(1, 4))
def test_with_a_store_no_window_ever_has_more_turns_than_its_budget(
    steps: list[tuple[int, str, float]], limit: int
) -> None:
    asyncio.run(_no_more_than(steps, limit))


async def _no_more_than(steps: list[tuple[int, str, float]], limit: int) -> None:
    clock, store = Clock(), BudgetMemory()
    processes = [HeldBudgets(store, clock) for _ in range(3)]
    _, credential = made(requests_per_5_hours=limit)
    sent: list[float] = []
    for number, kind, pause in steps:
        clock.now += pause
        match kind:
            case "ask":
                if await turn(processes[number], credential):
                    sent.append(clock.now)
            case "lost":
                await turn(processes[number], credential, is_sent=False)
            case "tokens":
                processes[number].charge(credential, 5)
            case _:
                await processes[number].close()
        window = [at for at in sent if at > clock.now - 5 * 3600]
        assert len(window) <= limit


# --- the real stores ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/state.db"
    server: RedisServer = request.getfixturevalue("redis")
    return server.url


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[StateStore]:
    state = open_state(url, lambda _: None)
    yield state
    await state.close()


async def test_two_hundred_at_once_over_two_stores_let_exactly_a_hundred_in(url: str) -> None:
    key, credential = made(requests_per_day=100, requests_per_month=100)
    async with opened(url) as one, opened(url) as two:
        both = [HeldBudgets(one), HeldBudgets(two)]
        turns = [turn(held, credential) for held in both for _ in range(100)]
        assert sum(await asyncio.gather(*turns)) == 100
        assert await used(both[0], key) == await used(both[1], key) == [100, 100]


async def test_a_store_that_is_gone_costs_no_answer(url: str, tmp_path: Path) -> None:
    broken = f"sqlite:{tmp_path}" if url.startswith("sqlite") else "redis://127.0.0.1:1/0"
    failed: list[str] = []
    state = open_state(broken, failed.append)
    held = HeldBudgets(state)
    _, credential = made(requests_per_day=2)
    assert [await turn(held, credential) for _ in range(3)] == [True, True, False]
    await held.close()
    await state.close()
    assert set(failed) == {"spend"}


@asynccontextmanager
async def stuck(url: str, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Lock the file, or let the server answer nobody, while the block runs."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite:"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    server: RedisServer = request.getfixturevalue("redis")
    server.pause()
    try:
        yield
    finally:
        server.resume()


async def test_a_store_that_is_locked_or_slow_costs_no_answer_and_gets_the_counts_later(
    url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.state.store.PAUSE_SECONDS", 0.0)
    key, credential = made(requests_per_day=3, tokens_per_day=100)
    async with opened(url) as one, opened(url) as two:
        held = HeldBudgets(one)
        assert await turn(held, credential)
        async with stuck(url, request):
            with monkeypatch.context() as patience:
                patience.setattr("storage.state.store.CALL_SECONDS", 0.05)
                patience.setattr("storage.state.sqlite_budgets.GIVE_UP_SECONDS", 0.01)
                assert [await turn(held, credential) for _ in range(3)] == [True, True, False]
            held.charge(credential, 7)
        await held.close()
        requests, tokens = await used(HeldBudgets(two), key)
    if url.startswith("sqlite"):
        assert (requests, tokens) == (3, 7)
    else:  # a server may have done what nobody waited for
        assert 3 <= requests <= 6
        assert 7 <= tokens <= 14
