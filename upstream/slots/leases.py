"""Slots of accounts that hold across all processes which share a state store.

How a slot is held
------------------

An account has a fixed number of slots, whichever process its turns run in. A slot is a *lease*: a
row of the state store under the account's name. It has the name of its holder, the time since when
it counts, and the time until when:

    turns:<hash of the account>    <process>:<number>    held or waiting    since    until

To acquire one, a turn writes its row and counts the rows ahead of it: those that are held, and
those that have waited for longer. With fewer rows ahead than there are slots, its row is held. That
is one atomic step of the store and the only round trip that a turn makes.

*A lease belongs to whoever renews it.* It counts for `LEASE_SECONDS`. Each process renews all
leases that it holds every `RENEW_SECONDS`, in one call in the background. A killed process renews
nothing, so its slots are free after `LEASE_SECONDS`. Renewing a lease that the store has lost,
because it was emptied or a clock was set, writes it again. Leases that are given back are deleted
in the background too, all in one call.

*A turn that waits stands in line*, by a lease that is not held. It asks again and again, and its
row keeps the time since when it has waited, so that a later turn cannot pass it. The row of a dead
waiter blocks the line for `LINE_SECONDS`. The queue (`queueing.py`) limits how long a turn waits,
by the event loop's clock.

*No clock that can be set decides who has a slot.* SQLite's leases use the monotonic clock, which
all processes of a machine share. Redis has only the time of day. When that is set back, existing
leases begin in the future; they do not count, until their living holders renew them. When it is set
ahead, all leases expire at once, and those of living holders are back within `RENEW_SECONDS`. So a
step of the clock costs some seconds in which the limit may be exceeded, and no account ever waits
for the dead.

*When the store does not answer, the slot is granted*: the limit then holds within each process, as
it does without a store. The limit is a courtesy towards the upstream. The lock of a token
(`upstream/tokens/exchange.py`) is not, and does not degrade.
"""

import asyncio
import random
from contextlib import suppress
from itertools import count
from secrets import token_hex

from service.ports import Lease, StateStore
from service.vocabulary.credentials import fingerprint

LEASE_SECONDS = 10.0  # after which the slots of a killed process are free
RENEW_SECONDS = 3.0  # so that two renewals in a row may fail
# Between two tries of a waiting turn. A slot freed in its own process wakes it at once.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.3


class Leases:
    """The leases of this process in the state store; `run` is the background work."""

    def __init__(self, state: StateStore, renew_seconds: float = RENEW_SECONDS) -> None:
        self._state = state
        self._renew_seconds = renew_seconds
        self._process = token_hex(8)
        self._numbers = count()
        self._held: set[Lease] = set()
        self._returned: set[Lease] = set()
        self._has_returned = asyncio.Event()
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def lease(self, account: str) -> Lease:
        """Return a new lease for a turn of the account; pass it to `give_back` in any case."""
        # Hashed, since an account may be the name of a gateway key, which the store need not know.
        return Lease(f"turns:{fingerprint(account)}", f"{self._process}:{next(self._numbers)}")

    async def acquire(self, lease: Lease, limit: int, waited_seconds: float) -> bool:
        """Ask once for one of the account's slots; return whether the lease is held."""
        is_had = await self._state.acquire(lease, limit, LEASE_SECONDS, waited_seconds)
        if is_had:
            self._held.add(lease)
        return is_had

    async def wait(self, lease: Lease, limit: int, since: float) -> None:
        """Ask until the lease is held.

        Args:
            lease: that `acquire` has refused.
            limit: of the account.
            since: when the wait began, on the event loop's clock.
        """
        loop, pause, freed = asyncio.get_running_loop(), FIRST_PAUSE_SECONDS, asyncio.Event()
        waiting = self._waiting.setdefault(lease.key, set())
        waiting.add(freed)
        try:
            while not await self.acquire(lease, limit, loop.time() - since):
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause * random.uniform(0.5, 1.0)):  # noqa: S311 - a pause, no secret
                        await freed.wait()
                freed.clear()
                pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        finally:
            waiting.discard(freed)
            if not waiting:
                self._waiting.pop(lease.key, None)

    def give_back(self, lease: Lease) -> None:
        """Free the slot or leave the line, in the background."""
        self._held.discard(lease)
        self._returned.add(lease)
        self._has_returned.set()

    async def run(self) -> None:
        """Delete the leases that were given back and renew those that are held, until cancelled."""
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + self._renew_seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(renew_at):
                    await self._has_returned.wait()
            await self._release()
            if loop.time() >= renew_at:
                await (
                    self._renew()
                )  # what is given back meanwhile may be written again: next it goes
                renew_at = loop.time() + self._renew_seconds

    async def close(self) -> None:
        """Delete the leases that are held or were given back since `run` ended."""
        self._returned |= self._held
        self._held.clear()
        await self._release()

    async def _release(self) -> None:
        self._has_returned.clear()
        batch = tuple(self._returned)
        if not batch:
            return
        await self._state.release(batch)
        self._returned.difference_update(batch)
        for key in {lease.key for lease in batch}:
            for freed in self._waiting.get(key, ()):
                freed.set()

    async def _renew(self) -> None:
        batch = tuple(self._held)
        if not batch:
            return
        await self._state.renew(batch, LEASE_SECONDS)
