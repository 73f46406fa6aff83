"""Holds the budgets of gateway keys over all processes (spec 17).

Theory of operation
-------------------

*One round trip.* A turn of a key with a budget is let in by one step of the state store, which
counts it (`service/vocabulary/ledger/budgets.py`). Turns that ask while a step of their key is on
its way share the next one, so a burst is two or three steps. Keys without a budget never ask.

*Changes.* What is known later, tokens and turns that are given back, is a change: it waits here,
added up by the minute, for the next step of its key, at most `FLUSH_SECONDS`. So a caller that asks
again at once is judged by all its tokens, wherever its next request is served a moment later.

*Without the store* this process goes on with the counts it knew last and its own changes, which
are stored once the store is back. Each process then holds a budget for itself. What a server did
without its answer arriving in time is counted twice: a budget may end early, never late.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from msgspec import Struct

from service.ledger.ports import BudgetStore
from service.observing.throttled import Throttled
from service.vocabulary.credentials import NO_BUDGETS, Budgets, Credential
from service.vocabulary.errors import KeyLimitError
from service.vocabulary.gateway_keys import GatewayKey
from service.vocabulary.ledger.budgets import (
    BudgetUse,
    Change,
    Counts,
    Spent,
    Taken,
    Unit,
    budget_step,
    take,
    uses_of,
)
from service.vocabulary.ledger.sent import watch_sending

FLUSH_SECONDS = 0.1
ONCE_SECONDS = 60.0  # for which an answer may be sent again, see `service/turns/shared_turns.py`
PAUSE_SECONDS = 1.0  # after a failure of the store
MAX_KEYS = 10_000  # whose counts are remembered
MAX_CHANGES = 50  # of one step
MAX_MINUTES = 400  # of changes that wait for the store; more than the sliding window has
_MINUTE = 60
_KEY_CHARS = 32  # of a key's hash, which names its budgets in the store

_UNCOUNTED = nullcontext()

_log = logging.getLogger("gateway.budgets")


class _Verdict(Struct):
    """What a turn is told: whether it is let in, when, and the counts of its key."""

    is_let_in: bool
    at: float
    spent: Spent


class _Held:
    """What this process knows of one key: counts of the store, and changes that it has not got.

    `asking` are the turns that wait for the next step; `is_stepping`, while one is on its way.
    `alone` has both together; it is kept while the store does not answer.
    """

    def __init__(self) -> None:
        self.spent: Spent = {}
        self.changes: dict[int, Counts] = {}  # by minute, in seconds since 1970
        self.alone: Spent | None = None
        self.budgets = NO_BUDGETS
        self.asking: list[asyncio.Future[_Verdict]] = []
        self.is_stepping = False

    def change(self, change: Change) -> None:
        """Add a change."""
        self._put(change)
        if self.alone is not None:
            take(self.alone, budget_step(NO_BUDGETS, change.at, [change]))

    def give_back(self, changes: list[Change]) -> None:
        """Take changes back that the store did not get."""
        for change in changes:
            self._put(change)

    def waiting(self) -> list[Change]:
        """Return the changes."""
        return [Change(at, each.requests, each.tokens) for at, each in self.changes.items()]

    def some(self) -> list[Change]:
        """Return the first of the changes and forget them."""
        some = self.waiting()[:MAX_CHANGES]
        for change in some:
            del self.changes[int(change.at)]
        return some

    def let_in_alone(self, now: float, asking: int) -> Taken:
        """Do a step without the store, which has none of the changes."""
        if self.alone is None:
            self.alone = _copy(self.spent)
            take(self.alone, budget_step(NO_BUDGETS, now, self.waiting()))
        let_in = take(self.alone, budget_step(self.budgets, now, asking=asking))
        if let_in:
            self._put(Change(now, requests=let_in))
        return Taken(self.alone, let_in)

    def _put(self, change: Change) -> None:
        """Add a change to those of its minute; the oldest of too many minutes becomes a later one."""
        minute = int(change.at) // _MINUTE * _MINUTE
        old = self.changes.get(minute, Counts())
        self.changes[minute] = Counts(old.requests + change.requests, old.tokens + change.tokens)
        if len(self.changes) > MAX_MINUTES:
            first, second = sorted(self.changes)[:2]
            oldest = self.changes.pop(first)
            self._put(Change(second, oldest.requests, oldest.tokens))


class HeldBudgets:
    """Lets turns in while their key has something left; implements `service.ledger.ports.KeyBudgets`.

    Args:
        state: the store that processes share.
        clock: seconds since 1970.
    """

    def __init__(self, state: BudgetStore, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._changed: set[str] = set()
        self._has_changed = asyncio.Event()
        self._is_cut_off = False  # the store did not answer the last time
        # Answers that may be sent again, and until when.
        self._charged: OrderedDict[str, float] = OrderedDict()
        self._flushing: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._throttled = Throttled()

    def turn(self, credential: Credential) -> AbstractAsyncContextManager[None]:
        """Count a turn for as long as the block runs; it is given back if nothing went upstream.

        Raises:
            KeyLimitError: a budget of the key is used up.
        """
        return _UNCOUNTED if credential.budgets == NO_BUDGETS else self._counted(credential)

    @asynccontextmanager
    async def _counted(self, credential: Credential) -> AsyncIterator[None]:
        sending = watch_sending()
        at = await self._let_in(credential)
        try:
            yield
        finally:
            if not sending.is_sent:
                self._change(credential, Change(at, requests=-1))

    def charge(self, credential: Credential, tokens: int, once: str = "") -> None:
        """Count the tokens of an answer; see the port."""
        if credential.budgets == NO_BUDGETS:
            return
        now = self._clock()
        if once and not self._is_first(f"{credential.gateway_key} {once}", now):
            return
        self._change(credential, Change(now, tokens=tokens))

    async def of(self, credential: Credential) -> tuple[BudgetUse, ...]:
        """Return the use of each budget of a credential's key; see the port."""
        budgets = {_name_of(credential.gateway_key or ""): credential.budgets}
        return next(iter((await self._uses(budgets)).values()), ())

    async def uses(self, keys: Collection[GatewayKey]) -> Mapping[str, tuple[BudgetUse, ...]]:
        """Return the use of each budget of these keys; see the port."""
        ids = {_name_of(key.digest): key.id for key in keys}
        uses = await self._uses({_name_of(key.digest): key.budgets for key in keys})
        return {ids[name]: each for name, each in uses.items()}

    async def _uses(self, budgets: Mapping[str, Budgets]) -> dict[str, tuple[BudgetUse, ...]]:
        """Return the uses by name, without those that have no budget."""
        wanted = {name: each for name, each in budgets.items() if each != NO_BUDGETS}
        stored = await self._state.spent(wanted) if wanted else {}
        uses, now = {}, self._clock()
        for name, each in wanted.items():
            held = self._held.get(name) or _Held()
            spent = _copy(held.spent if stored is None else stored.get(name, {}))
            take(spent, budget_step(each, now, held.waiting()))
            uses[name] = uses_of(each, spent, now)
        return uses

    async def run(self) -> None:
        """Store changes in the background, until cancelled."""
        while True:
            await self._has_changed.wait()
            await asyncio.sleep(PAUSE_SECONDS if self._is_cut_off else FLUSH_SECONDS)
            self._has_changed.clear()
            # Shielded, since the store may have taken what a cancelled call has sent.
            self._flushing = asyncio.ensure_future(self._flush())
            await asyncio.shield(self._flushing)

    async def close(self) -> None:
        """Store what waits, unless the store does not answer."""
        if self._flushing is not None:
            await self._flushing
        await asyncio.gather(*self._tasks)
        self._is_cut_off = False
        while self._changed and not self._is_cut_off:
            await self._flush()

    async def _flush(self) -> None:
        """Store all changes; what the store does not take waits on."""
        names, self._changed = self._changed, set()
        for name in names:
            held = self._held.get(name)
            if held is not None and held.changes:
                await self._step(name, held, self._clock())

    # --- steps -----------------------------------------------------------------------------

    async def _let_in(self, credential: Credential) -> float:
        """Count a turn, and return when; a caller that leaves meanwhile gets it back."""
        name = _name_of(credential.gateway_key or "")
        held, loop = self._known(name, credential.budgets), asyncio.get_running_loop()
        asked: asyncio.Future[_Verdict] = loop.create_future()
        held.asking.append(asked)
        if not held.is_stepping:
            held.is_stepping = True
            task = loop.create_task(self._let_all_in(name, held))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        verdict = await asked
        if not verdict.is_let_in:
            raise _used_up(credential.budgets, verdict.spent, verdict.at)
        return verdict.at

    async def _let_all_in(self, name: str, held: _Held) -> None:
        """Do steps for the turns that ask, until none does; the earlier ones are let in first."""
        while held.asking:
            asking, held.asking = held.asking, []
            at = self._clock()
            try:
                taken = await self._step(name, held, at, len(asking))
            except Exception as error:  # noqa: BLE001 - a bug is told to those who wait for it
                for asked in asking:
                    if not asked.done():
                        asked.set_exception(error)
                continue
            for place, asked in enumerate(asking):
                is_let_in = place < taken.let_in
                if not asked.done():
                    asked.set_result(_Verdict(is_let_in, at, taken.spent))
                elif is_let_in:  # its caller has left
                    self._change_of(name, held, Change(at, requests=-1))
        held.is_stepping = False

    async def _step(self, name: str, held: _Held, now: float, asking: int = 0) -> Taken:
        """Do a step with the changes that wait, in the store or else in this process."""
        changes = held.some()
        step = budget_step(held.budgets, now, changes, asking)
        taken = await self._state.spend(name, step)
        self._report(is_cut_off=taken is None)
        if taken is None:
            held.give_back(changes)
            taken = held.let_in_alone(now, asking)
        else:
            held.spent, held.alone = taken.spent, None
        if held.changes:
            self._note(name)
        return taken

    def _report(self, *, is_cut_off: bool) -> None:
        if is_cut_off and self._throttled.is_due("cut off"):
            _log.warning("budgets of keys are held by each process alone: the state store is gone")
        elif self._is_cut_off and not is_cut_off:
            _log.info("budgets of keys are held by all processes again")
        self._is_cut_off = is_cut_off

    def _is_first(self, name: str, now: float) -> bool:
        """Tell whether an answer of this name was not charged lately."""
        while self._charged and next(iter(self._charged.values())) <= now:
            self._charged.popitem(last=False)
        is_first = self._charged.pop(name, None) is None
        self._charged[name] = now + ONCE_SECONDS
        return is_first

    # --- what waits ------------------------------------------------------------------------

    def _change(self, credential: Credential, change: Change) -> None:
        name = _name_of(credential.gateway_key or "")
        self._change_of(name, self._known(name, credential.budgets), change)

    def _change_of(self, name: str, held: _Held, change: Change) -> None:
        held.change(change)
        self._note(name)

    def _note(self, name: str) -> None:
        self._changed.add(name)
        self._has_changed.set()

    def _known(self, name: str, budgets: Budgets) -> _Held:
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = _Held()
            self._forget()
        held.budgets = budgets
        self._held.move_to_end(name)
        return held

    def _forget(self) -> None:
        for name in list(self._held)[: max(0, len(self._held) - MAX_KEYS)]:
            if not self._held[name].changes:
                del self._held[name]


def _name_of(digest: str) -> str:
    """Return the name of a key's budgets in the store."""
    return digest[:_KEY_CHARS]


def _copy(spent: Spent) -> Spent:
    return {window: dict(buckets) for window, buckets in spent.items()}


def _used_up(budgets: Budgets, spent: Spent, now: float) -> KeyLimitError:
    """Return the error of the budget that lets the next request in last."""
    full = [use for use in uses_of(budgets, spent, now) if use.is_used_up]
    last = max(full, key=lambda use: use.renews_at or 0)
    renews_at = last.renews_at or int(now)
    what = "request" if last.unit is Unit.REQUESTS else "token"
    many = f"{last.limit} {what}{'' if last.limit == 1 else 's'}"
    window = "5 hours" if last.window == "5_hours" else last.window
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(renews_at))
    message = (
        f"Rate limit: this key may use {many} in {'' if window == '5 hours' else 'a '}{window}, "
        f"which are used up; it may go on at {moment}."
    )
    return KeyLimitError(message, retry_after_seconds=max(1.0, renews_at - now))
