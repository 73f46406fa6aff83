"""Budgets and a log of calls in memory, for tests of what stands around them."""

import asyncio
from collections.abc import Collection, Sequence

from service.vocabulary.errors import StorageError
from service.vocabulary.ledger.budgets import BudgetStep, Spent, Taken, take
from service.vocabulary.ledger.calls import Call, CallLimits, Trimmed


class BudgetMemory:
    """The part of a state store that counts budgets; it can be switched off, or be slow."""

    def __init__(self) -> None:
        self.kept: dict[str, Spent] = {}
        self.is_on = True
        self.gate = asyncio.Event()
        self.gate.set()
        self.has_steps = asyncio.Event()
        self.steps = 0

    async def spend(self, key: str, step: BudgetStep) -> Taken | None:
        self.steps += 1
        self.has_steps.set()
        if not self.is_on:
            return None
        spent = self.kept.setdefault(key, {})
        let_in = take(spent, step)
        await self.gate.wait()
        return Taken({window: dict(each) for window, each in spent.items()}, let_in)

    async def spent(self, keys: Collection[str]) -> dict[str, Spent] | None:
        return {key: self.kept[key] for key in keys if key in self.kept} if self.is_on else None


class CallMemory:
    """The part of a store of calls that is written; it may be full, or hang."""

    def __init__(self) -> None:
        self.batches: list[list[Call]] = []
        self.trims = 0
        self.is_full = False
        self.news = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def calls(self) -> list[Call]:
        return [call for batch in self.batches for call in batch]

    @property
    def ids(self) -> list[str]:
        return [call.request_id for call in self.calls]

    async def write(self, calls: Sequence[Call]) -> None:
        await self.gate.wait()
        if self.is_full:
            raise StorageError("the disk is full")
        async with self.news:
            self.batches.append(list(calls))
            self.news.notify_all()

    async def trim(self, _limits: CallLimits) -> Trimmed:
        self.trims += 1
        return Trimmed(1, len(self.ids), 1000)
