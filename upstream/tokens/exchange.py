"""Refresh tokens exchanged for access tokens, one at a time, and nothing of it lost (spec 4).

How no refresh token is lost
----------------------------

A caller sends the same refresh token for months. The token service may *rotate* it: together with
the access token it returns a new refresh token, and from that moment on the old one is dead. Some
services take a second use of it for a theft and end the whole login. So two things must never
happen: two exchanges with the same token, and losing the token that the service gave in its place.
All that follows serves these two rules.

*Who may exchange.* Whoever holds the token's lock, among all processes of all machines. Requests of
one process for the same token share one task, a *flight*, so each process asks for the lock once.
The holder reads again what is known, since the holder before it may have just exchanged; then there
is nothing left to do. The lock does not degrade as the rest of the state store does. While it
cannot be had, or the store cannot be read, a flight waits, for `LOCK_SECONDS` in all; then its
requests end in a 503 that may be sent again. An access token that is still valid is used meanwhile.
A process that is alone with its own SQLite file needs no store for its lock, and goes ahead without
one.

*What is kept where.* Under a hash of the caller's own token, sealed, by `cache.py`:

    memory     of this process: all that it knows
    journal    files in `data/tokens/`, seen by all processes of this machine
    store      SQLite or Redis, seen by all processes, and permanent
    accounts   the file of keys, for accounts that signed in here: it survives the store

A rotated token goes into memory before anything is awaited, then into the journal, then into the
store; once the store has it, it is removed from the journal. Last it goes into the file of keys, if
it is of an account there. If store or file misses a token, since a process was killed in between or
a write failed, it is written there when the next process starts, and every `SAVE_SECONDS`. When the
places differ, the token with the highest serial number counts; times would be wrong after a clock
was set. Only the holder of the lock writes rotated tokens, and only after a reading that did not
fail, so an old token never replaces a newer one.

*When the store takes nothing*, the journal has the token: the other workers of this machine find it
there before they exchange anything, and so does the next process. Storing it is tried again every
`SAVE_SECONDS`, and once more when the gateway stops. If the journal takes nothing either (a full
disk), the token is in the memory of this process alone. Then the process keeps the lock until the
store or the journal has taken the token: requests to other workers end in 503, and there is never a
second exchange.

*What can be lost.* A process that is killed (`kill -9`, power) loses a rotated token only if it
ends between the moment when the service rotates it and the moment when the journal's file is
written. That is the answer's way through the network, which cannot be shortened, and one write of
some hundred bytes, before anything else is done with the answer. An answer that never arrives is
the same case. A machine that loses power may lose the last seconds that SQLite has taken, as
documented in `docs/operations.md`. When store and journal both fail and the process is stopped, the
token is lost with it; the log says so.

*What is never sent.* A key of this gateway or of another service, which is no refresh token; and no
token goes to an address that the settings do not name.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from msgspec import Struct

from service.observing.throttled import Throttled
from service.observing.tracing import child_span
from service.vocabulary.errors import (
    WRONG_KEY,
    AuthError,
    ServiceError,
    StorageError,
    TokenServiceError,
)
from upstream.tokens.cache import Exchanged, Known, TokenCache, TokenStores
from upstream.tokens.locks import TokenLocks
from upstream.tokens.service import RETRY_AFTER_SECONDS, TokenRefusedError, TokenService
from upstream.tokens.wire import Wire

logger = logging.getLogger(__name__)

LOCK_SECONDS = 30.0  # how long a request waits while others exchange or the store is away
AHEAD_LOCK_SECONDS = 1.0  # the same, while the access token is still valid
LOCK_PAUSE_SECONDS = 0.3  # before the lock is tried again after the store did not answer
SAVE_SECONDS = 3.0  # between two tries to store a token that the store did not take
AHEAD_PAUSE_SECONDS = 30.0  # after a refresh ahead of time that failed
CLOSE_SECONDS = 5.0  # at the stop: for exchanges under way, and again to store their results


class Wanted(Struct, frozen=True):
    """A request for an access token.

    Args:
        key: the hash of the caller's refresh token, under which all about it is kept.
        refresh_token: the caller's own.
        wire: the requests of its token service.
        refused: an access token that the upstream refuses, so another one is needed.
        lead: for how many seconds from now the token has to stay fresh.
    """

    key: str
    refresh_token: str
    wire: Wire
    refused: str | None = None
    lead: float = 0.0


Outcome = Exchanged | ServiceError


class Exchanges:
    """All exchanges of this process.

    Args:
        service: exchanges tokens.
        stores: keep them.
        margin: how many seconds before its end an access token is refreshed.
        clock: seconds since the epoch.
        on_refresh: called with `ok`, `refused` or `failed` for each exchange.
    """

    def __init__(
        self,
        service: TokenService,
        stores: TokenStores,
        margin: float,
        clock: Callable[[], float],
        on_refresh: Callable[[str], None],
    ) -> None:
        self._service = service
        self._cache = TokenCache(stores, clock)
        self._locks = TokenLocks(stores.state, self._cache.is_only_here)
        self._margin = margin
        self._clock = clock
        self._on_refresh = on_refresh
        self._flights: dict[str, asyncio.Task[Outcome]] = {}
        self._no_ahead_until: dict[str, float] = {}
        self._throttled = Throttled()

    def known(self, key: str) -> Exchanged | None:
        """Return the last access token that this process knows."""
        return self._cache.known(key).exchanged

    def settled(self, wanted: Wanted) -> Outcome | None:
        """Return the outcome that this process knows without any I/O, None if it has to ask."""
        return self._settled(wanted, self._cache.known(wanted.key))

    async def shared(self, wanted: Wanted) -> Outcome:
        """Join the flight for this token, or start one; a cancelled waiter does not cancel it."""
        while True:
            flight = self._flights.get(wanted.key)
            is_mine = flight is None
            if flight is None:
                flight = asyncio.get_running_loop().create_task(self._run_flight(wanted))
                self._flights[wanted.key] = flight  # close() awaits it
                flight.add_done_callback(partial(self._on_flight_done, wanted.key))
            outcome = await asyncio.shield(flight)
            is_refused = isinstance(outcome, Exchanged) and _is_same(outcome, wanted.refused)
            if is_mine or not is_refused:  # else the flight is older than the refusal
                return outcome

    async def keep_saving(self) -> None:
        """Store the tokens that the store lacks, also of earlier processes, until cancelled."""
        await self._save_unsaved(await self._cache.left_behind())
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self._save_unsaved([*self._cache.unsaved, *self._cache.unfiled])

    async def close(self) -> None:
        """Let exchanges under way finish and store their results, for `CLOSE_SECONDS` each.

        An exchange that is cut off may lose a rotated token.
        """
        if flights := set(self._flights.values()):
            _, late = await asyncio.wait(flights, timeout=CLOSE_SECONDS)
            for flight in late:
                flight.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._save_unsaved([*self._cache.unsaved, *self._cache.unfiled])
                while self._cache.unsaved:
                    await asyncio.sleep(LOCK_PAUSE_SECONDS)
                    await self._save_unsaved(self._cache.unsaved)
        for key in self._cache.unsaved:
            if self._cache.is_only_here(key):
                logger.error("the rotated token of %s could be stored nowhere and is lost", key[:8])
        await self._locks.close()

    async def _save_unsaved(self, keys: Sequence[str]) -> None:
        for key in keys:
            with suppress(StorageError):  # the lock is held elsewhere or the store is away: later
                async with self._locks.hold(key, 0.0):
                    await self._cache.save(key)

    # --- one flight ---------------------------------------------------------------

    def _on_flight_done(self, key: str, flight: asyncio.Task[Outcome]) -> None:
        del self._flights[key]
        if not flight.cancelled() and flight.exception() is not None:
            logger.error("a token exchange broke", exc_info=flight.exception())

    async def _run_flight(self, wanted: Wanted) -> Outcome:
        known = await self._cache.read(wanted.key)
        outcome = self._settled(wanted, known)
        if outcome is not None:
            return outcome
        if wanted.wire.missing:
            return _no_service(wanted.wire)
        loop, usable = asyncio.get_running_loop(), self._usable(known.exchanged, wanted.refused)
        until = loop.time() + (AHEAD_LOCK_SECONDS if usable else LOCK_SECONDS)
        while True:
            try:
                async with self._locks.hold(wanted.key, until - loop.time()):
                    return await self._exchange_if_due(
                        wanted, await self._cache.read_surely(wanted.key)
                    )
            except StorageError as exc:  # of the lock or the reading, so nothing was sent
                if loop.time() + LOCK_PAUSE_SECONDS >= until:
                    return self._without_lock(wanted.key, usable, exc)
            await asyncio.sleep(LOCK_PAUSE_SECONDS)

    async def _exchange_if_due(self, wanted: Wanted, known: Known) -> Outcome:
        """Exchange the token, unless another holder did so while its lock was waited for."""
        outcome = self._settled(wanted, known)
        if outcome is not None:
            return outcome
        if known.exchanged and _is_same(known.exchanged, wanted.refused):
            await self._cache.forget_access(wanted.key)
        return await self._ask(wanted, known)

    async def _ask(self, wanted: Wanted, known: Known) -> Outcome:
        key = wanted.key
        current = known.rotated.refresh_token if known.rotated else wanted.refresh_token
        try:
            async with child_span("token exchange"):
                grant = await self._service.exchange(wanted.wire, current)
        except TokenRefusedError as exc:
            self._on_refresh("refused")
            logger.warning("refresh token %s is dead: %s", key[:8], exc)
            await self._cache.refuse(key, exc.message, exc.stands_seconds)
            failure: ServiceError = AuthError(exc.message)
        except TokenServiceError as exc:
            self._on_refresh("failed")
            if self._throttled.is_due(exc.message):
                logger.warning("refresh token %s could not be exchanged: %s", key[:8], exc)
            wait = exc.retry_after_seconds or RETRY_AFTER_SECONDS
            failure = TokenServiceError(exc.message, retry_after_seconds=wait)
        else:
            exchanged = await self._cache.keep(key, grant)
            self._on_refresh("ok")
            self._no_ahead_until.pop(key, None)
            return exchanged
        usable = self._usable(self._cache.known(key).exchanged, None)
        return failure if usable is None else self._paused(key, usable)

    def _without_lock(self, key: str, usable: Exchanged | None, exc: StorageError) -> Outcome:
        if usable is not None:
            return self._paused(key, usable)
        if self._throttled.is_due("lock"):
            logger.warning("refresh token %s waits for its lock in vain: %s", key[:8], exc)
        message = (
            "Another process exchanges this refresh token, or the state store cannot tell whether "
            "one does. Try again later."
        )
        return TokenServiceError(message, retry_after_seconds=RETRY_AFTER_SECONDS)

    # --- what is known ------------------------------------------------------------

    def _settled(self, wanted: Wanted, known: Known) -> Outcome | None:
        """Return the outcome that needs no exchange, or None."""
        now, exchanged = self._clock(), self._usable(known.exchanged, wanted.refused)
        if exchanged and exchanged.is_fresh(now, self._margin, wanted.lead):
            return exchanged
        if known.refused and known.refused.stands(now):
            return exchanged or AuthError(known.refused.message)
        # A longer pause than any means that the clock was set back since.
        is_paused = 0 < self._no_ahead_until.get(wanted.key, 0) - now <= AHEAD_PAUSE_SECONDS
        return exchanged if is_paused else None

    def _usable(self, exchanged: Exchanged | None, refused: str | None) -> Exchanged | None:
        """Return the access token if it has neither expired nor been refused."""
        if exchanged is None or _is_same(exchanged, refused):
            return None
        return exchanged if exchanged.expires_at > self._clock() else None

    def _paused(self, key: str, usable: Exchanged) -> Exchanged:
        """Return a token that is still valid, and pause refreshing it for a while."""
        now = self._clock()
        self._no_ahead_until = {
            one: until for one, until in self._no_ahead_until.items() if until > now
        }
        self._no_ahead_until[key] = now + AHEAD_PAUSE_SECONDS
        return usable


def _no_service(wire: Wire) -> AuthError:
    message = (
        f"{WRONG_KEY} This gateway exchanges no refresh tokens, since its setting {wire.missing} is "
        "empty. Send an access token, or have its operator name the token service there."
    )
    return AuthError(message)


def _is_same(exchanged: Exchanged, refused: str | None) -> bool:
    return refused is not None and hmac.compare_digest(
        exchanged.access_token.encode(), refused.encode()
    )
