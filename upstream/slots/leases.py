"""Slots of accounts that hold across all processes which share a state store.

How a slot is held
------------------

An account has so many slots, whichever process its turns run in. A slot is a *lease*: a row of the
state store under the account's name, with the name of its holder, since when, and until when it
counts. All that count and were there before are ahead; who has fewer ahead than there are slots has
one. That is one atomic step of the store, and the only round trip of a turn.

*A lease is held by who renews it.* It counts for `LEASE_SECONDS`, and its process renews all that
it holds every `RENEW_SECONDS`, in one call in the background. A process that is killed renews
nothing, and its slots are free when they are missed. Renewing a lease that the store has lost,
because it began anew or a clock was set, writes it again. What was given back goes to the store
in the background, all of it in one call.

*Who waits stands in line*, by a lease that is not held: it asks again and again, and its row says
since when it has waited, so that nobody who came later passes it. A dead one stands in the way for
`LINE_SECONDS`. How long a turn waits at most is for its queue to say (`queueing.py`), by the
event loop's clock.

*No clock that can be set decides who has a slot.* SQLite's leases count by the monotonic clock that
the processes of a machine share. Redis has the time of day alone: a lease that began later than now
was left by a clock which has been set back, and does not count; a living holder's counts again
with its next renewal. Set ahead, all end at once, and those that live are back within
`RENEW_SECONDS`. So a step of the clock costs seconds in which the limit may be passed, and
no account ever waits for the dead.

*Without an answer of the store a slot is granted*: the limit then holds within each process, as
it does before there is a store. It is a limit of courtesy towards the upstream, unlike the lock of
a token (`upstream/tokens/exchange.py`), which does not degrade.
"""

import asyncio
import random
from contextlib import suppress
from itertools import count
from secrets import token_hex

from service.ports import Lease, StateStore
from service.vocabulary.credentials import fingerprint

LEASE_SECONDS = 10.0  # how long the slots of a killed process are missed
RENEW_SECONDS = 3.0  # two renewals may fail
# Between two tries of one that waits. Its own process tells it of what is freed here.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.3


class Leases:
    """The slots of this process in the state store; `run` is its background work."""

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
        """Return what a turn of the account may acquire; `give_back` it whatever happens."""
        # Hashed, since not all are: the store need not know the name of a gateway key.
        return Lease(f"turns:{fingerprint(account)}", f"{self._process}:{next(self._numbers)}")

    async def acquire(self, lease: Lease, limit: int, waited_seconds: float) -> bool:
        """Ask once for one of the account's slots; return whether it was had."""
        is_had = await self._state.acquire(lease, limit, LEASE_SECONDS, waited_seconds)
        if is_had:
            self._held.add(lease)
        return is_had

    async def wait(self, lease: Lease, limit: int, since: float) -> None:
        """Ask until a slot is had.

        Args:
            lease: what was refused.
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
        """Free the slot or leave the line, soon."""
        self._held.discard(lease)
        self._returned.add(lease)
        self._has_returned.set()

    async def run(self) -> None:
        """Tell the store what was given back and what is still held, until cancelled."""
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + self._renew_seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(renew_at):
                    await self._has_returned.wait()
            await self._release()
            if loop.time() >= renew_at:
                await self._renew()
                renew_at = loop.time() + self._renew_seconds

    async def close(self) -> None:
        """Free what was given back since `run` ended, and what is held."""
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
        if late := set(batch) - self._held:  # given back meanwhile: renewing may have come last
            self._returned |= late
            self._has_returned.set()
