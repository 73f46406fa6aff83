"""Assembles the budgets of gateway keys, and the log of calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from service import keys
from service.ledger.budgets import HeldBudgets
from service.ledger.call_writer import CallWriter
from service.ledger.ports import BudgetStore, CallStore
from service.program.background import background
from service.settings.config import Config
from service.vocabulary.ledger.calls import CallLimits
from storage.ledger.sqlite_calls import SqliteCalls

BUDGETS = web.AppKey("BUDGETS", HeldBudgets)
BUDGET_STORE = web.AppKey("BUDGET_STORE", BudgetStore)
CALLS_FILE = "calls.db"  # beside the file of the state


@asynccontextmanager
async def budgets_ctx(app: web.Application) -> AsyncIterator[None]:
    """Hold the budgets of keys; at the end, store what was used last."""
    app[keys.KEY_BUDGETS] = app[BUDGETS] = budgets = HeldBudgets(app[BUDGET_STORE])
    async with background(budgets.run):
        yield
    await budgets.close()


@asynccontextmanager
async def calls_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the log of calls; at the end, write what waits."""
    config = app[keys.CONFIG]
    app[keys.CALL_LOG] = store = open_calls(config)
    limits = CallLimits(config.calls.keep_days, config.calls.max_bytes)
    app[keys.CALL_WRITER] = writer = CallWriter(store, limits, app[keys.METRICS])
    async with background(writer.run):
        yield
    await writer.close()
    await store.close()


def open_calls(config: Config) -> CallStore:
    """Return the log of calls, where the state is kept; it connects at first use."""
    path = calls_file(config)
    if path is not None:
        return SqliteCalls(path)
    from storage.ledger.redis_calls import RedisCalls  # noqa: PLC0415 - see `preloading.py`

    return RedisCalls(config.storage.state)


def calls_file(config: Config) -> Path | None:
    """Return the file of the log of calls, None if it is in Redis."""
    kind, _, path = config.storage.state.partition(":")
    return Path(path).with_name(CALLS_FILE) if kind == "sqlite" else None
