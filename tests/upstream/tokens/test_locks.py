"""The lock of a token: one holder at a time, and kept for longer if needed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.ports import StateStore
from service.vocabulary.errors import LockTimeoutError
from storage.state.store import open_state
from upstream.tokens.locks import TokenLocks

KEY = "0123456789abcdef"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    yield store
    await store.close()


@pytest.fixture
async def another(tmp_path: Path) -> AsyncIterator[TokenLocks]:
    """Return the locks of another process."""
    store = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    locks = TokenLocks(store, lambda _key: False)
    yield locks
    await locks.close()
    await store.close()


async def test_one_block_of_all_processes_runs_at_a_time(
    state: StateStore, another: TokenLocks
) -> None:
    mine = TokenLocks(state, lambda _key: False)
    async with mine.hold(KEY, 1):
        for locks in (mine, another):
            with pytest.raises(LockTimeoutError):
                async with locks.hold(KEY, 0.05):
                    pytest.fail("two holders")
        async with another.hold("fedcba9876543210", 1):
            pass
    async with another.hold(KEY, 1):
        pass


async def test_it_is_kept_for_this_process_while_only_this_one_knows(
    state: StateStore, another: TokenLocks
) -> None:
    only_here = {KEY}
    mine = TokenLocks(state, only_here.__contains__)
    for _ in range(2):
        async with mine.hold(KEY, 1):
            pass
        with pytest.raises(LockTimeoutError):
            async with another.hold(KEY, 0.05):
                pytest.fail("two holders")
    only_here.clear()
    async with mine.hold(KEY, 1):
        pass
    async with another.hold(KEY, 1):
        pass


async def test_what_is_kept_ends_with_the_process(state: StateStore, another: TokenLocks) -> None:
    mine = TokenLocks(state, lambda _key: True)
    async with mine.hold(KEY, 1):
        pass
    await mine.close()
    async with another.hold(KEY, 1):
        pass


async def test_the_error_of_a_block_goes_through_and_frees_the_lock(
    state: StateStore, another: TokenLocks
) -> None:
    mine = TokenLocks(state, lambda _key: False)
    with pytest.raises(LookupError):
        async with mine.hold(KEY, 1):
            raise LookupError
    async with another.hold(KEY, 1):
        pass
