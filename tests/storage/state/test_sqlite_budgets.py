"""Budgets in SQLite: the same counts as in memory, and exact over several processes."""

import asyncio
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from service.vocabulary.credentials import Budgets
from service.vocabulary.ledger.budgets import budget_step
from storage.state.sqlite import SqliteBackend
from tests.storage.state.steps import compare

ASKING = """
import asyncio, sys, time
from pathlib import Path
from service.vocabulary.credentials import Budgets
from service.vocabulary.ledger.budgets import budget_step
from storage.state.sqlite import SqliteBackend

async def ask():
    store = SqliteBackend(Path(sys.argv[1]))
    budgets, now = Budgets(requests_per_day=100), float(sys.argv[2])
    steps = [store.spend("key", budget_step(budgets, now, asking=1)) for _ in range(80)]
    print(sum(taken.let_in for taken in await asyncio.gather(*steps)))
    await store.close()

asyncio.run(ask())
"""


@pytest.mark.parametrize("seed", range(6))
async def test_a_file_counts_as_memory_does(tmp_path: Path, seed: int) -> None:
    store = SqliteBackend(tmp_path / "state.db")
    await compare(store.spend, seed)
    await store.close()


@pytest.mark.whole
async def test_two_processes_let_in_exactly_as_many_as_there_are(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASKING, str(tmp_path / "state.db"), str(time.time())]
    asking = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]
    told = [(await process.communicate())[0] for process in asking]
    assert sum(int(number) for number in told) == 100


async def test_a_file_of_the_version_before_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteBackend(path)
    await store.set("kept", b"value", None)
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE budgets; PRAGMA user_version = 1")
    store = SqliteBackend(path)
    taken = await store.spend("key", budget_step(Budgets(), time.time(), asking=1))
    assert taken.let_in
    assert await store.get("kept") == b"value"
    await store.close()


async def test_counts_that_cannot_be_read_begin_anew_and_ended_ones_are_removed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    store = SqliteBackend(path)
    step = budget_step(Budgets(requests_per_day=1), time.time(), asking=1)
    assert [(await store.spend("key", step)).let_in for _ in range(2)] == [1, 0]
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE budgets SET taken = 'of another version'")
    assert (await store.spend("key", step)).let_in
    assert set(await store.spent(["key", "other"])) == {"key"}
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE budgets SET ends_at = 1")
    await store.close()
    store = SqliteBackend(path)  # looks for what has ended at its first write
    await store.set("a", b"b", None)
    assert await store.spent(["key"]) == {}
    await store.close()
