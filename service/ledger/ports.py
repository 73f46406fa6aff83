"""Protocols for budgets and the log of calls, as those of `service/ports.py`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import GatewayKey
from service.vocabulary.ledger.budgets import BudgetStep, BudgetUse, Spent, Taken
from service.vocabulary.ledger.calls import (
    Call,
    CallFilter,
    CallLimits,
    CallPage,
    CallTotal,
    TotalsFilter,
    Trimmed,
)


class BudgetStore(Protocol):
    """Where budgets are counted, for all processes: `storage.state.store.DegradingStore`."""

    async def spend(self, key: str, step: BudgetStep) -> Taken | None:
        """Do one step on the counts of a budget, alone among all processes.

        Returns:
            The counts after it, or None if the store does not answer.
        """

    async def spent(self, keys: Collection[str]) -> Mapping[str, Spent] | None:
        """Return the counts of these budgets, without those that have none.

        None if the store does not answer.
        """


class KeyBudgets(Protocol):
    """What gateway keys have used of their budgets."""

    def charge(self, credential: Credential, tokens: int, once: str = "") -> None:
        """Count the tokens of an answer, if the credential is that of a key with a budget.

        `once` names an answer that several requests may get, but which is counted once.
        """

    async def of(self, credential: Credential) -> tuple[BudgetUse, ...]:
        """Return the use of each budget of the key that a credential is of; none if it has none."""

    async def uses(self, keys: Collection[GatewayKey]) -> Mapping[str, tuple[BudgetUse, ...]]:
        """Return the use of each budget that a key has, by the key's id.

        Keys without a budget are left out. It asks the store once for all of them; if the store
        does not answer, it tells what this process has counted.
        """


class CallLog(Protocol):
    """The log of calls, for those who look at it (spec 17)."""

    async def page(self, wanted: CallFilter, limit: int, after: str | None = None) -> CallPage:
        """Return at most `limit` calls, the newest first.

        Args:
            wanted: which calls.
            limit: 1 to `MAX_PAGE`.
            after: `next` of the page before; None for the first one.

        Raises:
            ValueError: `after` was not given out by this log.
            StorageError: the log cannot be read.
        """

    async def totals(self, wanted: TotalsFilter) -> tuple[CallTotal, ...]:
        """Return the sums by step and group, the oldest step first; empty steps are left out.

        Raises:
            StorageError: the log cannot be read.
        """


class CallStore(CallLog, Protocol):
    """Where the log of calls is kept, shared by all processes. Every method may raise StorageError."""

    async def write(self, calls: Sequence[Call]) -> None:
        """Add calls and their sums, all of them or none."""

    async def trim(self, limits: CallLimits) -> Trimmed:
        """Remove the oldest calls and sums until the log is within its limits."""

    async def close(self) -> None:
        """Close connections and files."""
