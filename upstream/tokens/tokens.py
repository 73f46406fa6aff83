"""Credentials to callers: access tokens as they are, refresh tokens exchanged (spec 4).

One exchange at a time for one refresh token: requests of this process share a
flight, flights of several processes take turns by a lock in the state store and
look into the cache again when it is theirs.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import aiohttp
from msgspec import Struct

from service.observing.throttled import Seldom
from service.observing.tracing import child_span
from service.ports import StateStore
from service.settings.config import TokensConfig
from service.vocabulary.credentials import Caller, Credential, TokenKind, fingerprint
from service.vocabulary.errors import WRONG_KEY, AuthError, ServiceError, TokenServiceError
from upstream.tokens.cache import MAX_REMEMBERED, Cipher, Exchanged, Known, TokenCache
from upstream.tokens.service import RETRY_AFTER_SECONDS, TokenService, read_expiry

logger = logging.getLogger(__name__)

LOCK_SECONDS = 15.0  # prolonged while held; frees the token when a process died
AHEAD_PAUSE_SECONDS = 30.0  # between refreshes ahead of time that fail
CLOSE_SECONDS = 5.0  # for exchanges under way when the gateway stops
DAY_SECONDS = 86400.0
_AT_ONCE = 8  # refreshes of the background loop side by side


class TokenOptions(Struct, frozen=True):
    """What surrounds the exchange.

    `daily` are the jobs of `tokens.daily_refresh_at`; `on_refresh` is told `ok`,
    `refused` or `failed` for each exchange; `clock` counts seconds since the
    epoch; `tick_seconds` is how often the background loop looks.
    """

    daily: Sequence[Callable[[], Awaitable[None]]] = ()
    on_refresh: Callable[[str], None] = lambda result: None  # noqa: ARG005 - names the argument
    clock: Callable[[], float] = time.time
    tick_seconds: float = 30.0
    retry_pause_seconds: float = 0.5


class Tokens:
    """The TokenExchange of the gateway; `run` is its background work."""

    def __init__(
        self,
        config: TokensConfig,
        session: aiohttp.ClientSession,
        state: StateStore,
        cipher: Cipher,
        options: TokenOptions | None = None,
    ) -> None:
        self._options = options or TokenOptions()
        self._clock = self._options.clock
        self._margin = config.refresh_before_seconds
        self._daily_at = config.daily_refresh_at
        self._service = TokenService(
            config, session, self._clock, self._options.retry_pause_seconds
        )
        self._cache = TokenCache(state, cipher, self._clock)
        self._state = state
        self._flights: dict[str, asyncio.Task[Exchanged | ServiceError]] = {}
        self._used: dict[str, str] = {}  # hash to refresh token, since its last refresh
        self._no_ahead_until: dict[str, float] = {}
        self._seldom = Seldom()

    async def caller(self, credential: Credential) -> Caller:
        """Return whom to act as; see the port."""
        if credential.kind is TokenKind.REFRESH:
            return _caller(credential, await self._access_token(credential.token, None))
        if credential.kind is TokenKind.ACCESS:
            expires_at = read_expiry(credential.token)
            if expires_at is not None and expires_at <= self._clock():
                raise AuthError(f"{WRONG_KEY} This access token has expired. Send a new one.")
        return _caller(credential, credential.token)

    async def renew(self, credential: Credential, refused: Caller) -> Caller:
        """Return a fresh caller after the upstream refused this one; see the port."""
        if credential.kind is not TokenKind.REFRESH:
            message = f"{WRONG_KEY} The upstream does not accept this access token. Send a new one."
            raise AuthError(message)
        token = await self._access_token(credential.token, refused.access_token)
        return _caller(credential, token)

    async def run(self) -> None:
        """Refresh tokens in use ahead of their end, and do the daily jobs, until cancelled."""
        daily_at = next_daily(self._clock(), self._daily_at)
        try:
            while True:
                await asyncio.sleep(self._options.tick_seconds)
                await self._refresh_used(2 * self._options.tick_seconds)
                if self._clock() >= daily_at:
                    daily_at = next_daily(self._clock(), self._daily_at)
                    await self._refresh_used(DAY_SECONDS)
                    await self._do_daily()
        finally:
            await self.close()

    async def close(self) -> None:
        """Let exchanges under way finish, since one cut off may lose a rotated token."""
        flights = set(self._flights.values())
        if not flights:
            return
        _, late = await asyncio.wait(flights, timeout=CLOSE_SECONDS)
        for flight in late:
            flight.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _access_token(self, refresh_token: str, refused: str | None) -> str:
        key = fingerprint(refresh_token)
        self._used[key] = refresh_token
        if len(self._used) > MAX_REMEMBERED:
            del self._used[next(iter(self._used))]
        outcome = self._settled(key, self._cache.known(key), refused)
        if outcome is None:
            outcome = await self._shared(key, refresh_token, refused)
        if isinstance(outcome, Exchanged):
            return outcome.access_token
        # A new exception for each request: they share the outcome, not the traceback.
        wait = outcome.retry_after_seconds
        raise type(outcome)(outcome.message, code=outcome.code, retry_after_seconds=wait)

    def _settled(
        self, key: str, known: Known, refused: str | None, lead: float = 0.0
    ) -> Exchanged | ServiceError | None:
        """Return what can be answered without an exchange."""
        now, exchanged = self._clock(), known.exchanged
        if exchanged and (_is_same(exchanged, refused) or exchanged.expires_at <= now):
            exchanged = None
        if exchanged and exchanged.is_fresh(now, self._margin, lead):
            return exchanged
        if known.refused and known.refused.until > now:
            return exchanged or AuthError(known.refused.message)
        return exchanged if self._no_ahead_until.get(key, 0) > now else None

    async def _shared(
        self, key: str, refresh_token: str, refused: str | None, lead: float = 0.0
    ) -> Exchanged | ServiceError:
        """Join the flight for this token, or start one; a cancelled waiter leaves it flying."""
        while True:
            flight = self._flights.get(key)
            is_mine = flight is None
            if flight is None:
                work = self._exchanged(key, refresh_token, refused, lead)
                flight = asyncio.get_running_loop().create_task(work)  # close() awaits it
                self._flights[key] = flight
                flight.add_done_callback(partial(self._landed, key))
            outcome = await asyncio.shield(flight)
            is_refused = isinstance(outcome, Exchanged) and _is_same(outcome, refused)
            if is_mine or not is_refused:  # else it set off before the upstream refused its token
                return outcome

    def _landed(self, key: str, flight: asyncio.Task[Exchanged | ServiceError]) -> None:
        del self._flights[key]
        if not flight.cancelled() and flight.exception() is not None:
            logger.error("a token exchange broke", exc_info=flight.exception())

    async def _exchanged(
        self, key: str, refresh_token: str, refused: str | None, lead: float
    ) -> Exchanged | ServiceError:
        known = await self._cache.read(key)
        outcome = self._settled(key, known, refused, lead)
        if outcome is not None:
            return outcome
        async with self._state.lock(f"token:{key}", LOCK_SECONDS):
            known = await self._cache.read(key)
            outcome = self._settled(key, known, refused, lead)
            if outcome is not None:
                return outcome
            if known.exchanged and _is_same(known.exchanged, refused):
                await self._cache.forget_access(key)
            return await self._ask(key, known, refresh_token)

    async def _ask(self, key: str, known: Known, refresh_token: str) -> Exchanged | ServiceError:
        current = known.rotated.refresh_token if known.rotated else refresh_token
        try:
            async with child_span("token exchange"):
                grant = await self._service.exchange(current)
        except AuthError as exc:
            self._options.on_refresh("refused")
            logger.warning("refresh token %s is dead: %s", key[:8], exc)
            await self._cache.refuse(key, exc.message)
            failure: ServiceError = exc
        except TokenServiceError as exc:
            self._options.on_refresh("failed")
            if self._seldom.is_due(exc.message):
                logger.warning("refresh token %s could not be exchanged: %s", key[:8], exc)
            wait = exc.retry_after_seconds or RETRY_AFTER_SECONDS
            failure = TokenServiceError(exc.message, retry_after_seconds=wait)
        else:
            self._options.on_refresh("ok")
            self._no_ahead_until.pop(key, None)
            return await self._cache.keep(key, grant)
        exchanged = self._cache.known(key).exchanged
        if exchanged is None or exchanged.expires_at <= self._clock():
            return failure
        self._no_ahead_until[key] = self._clock() + AHEAD_PAUSE_SECONDS
        return exchanged

    async def _refresh_used(self, lead: float) -> None:
        """Refresh what was used since its last refresh and ends in margin and `lead` seconds."""
        now, limit = self._clock(), asyncio.Semaphore(_AT_ONCE)
        self._no_ahead_until = {
            k: until for k, until in self._no_ahead_until.items() if until > now
        }
        async with asyncio.TaskGroup() as group:
            for key, refresh_token in list(self._used.items()):
                known = self._cache.known(key)
                if known.exchanged is None or known.exchanged.expires_at <= now:
                    del self._used[key]  # the next request that wants it gets it anew
                elif self._settled(key, known, None, lead) is None:
                    del self._used[key]
                    group.create_task(self._refresh(key, refresh_token, lead, limit))

    async def _refresh(
        self, key: str, refresh_token: str, lead: float, limit: asyncio.Semaphore
    ) -> None:
        before = self._cache.known(key).exchanged
        async with limit:
            after = await self._shared(key, refresh_token, None, lead)
        if after == before:  # it failed, so it is still to be done
            self._used.setdefault(key, refresh_token)

    async def _do_daily(self) -> None:
        for job in self._options.daily:
            try:
                await job()
            except ServiceError as exc:
                logger.warning("a daily job failed: %s", exc)


def next_daily(now: float, at: str) -> float:
    """Return the next local time `HH:MM` after `now`, both in seconds since the epoch."""
    hour, minute = (int(part) for part in at.split(":"))
    today = time.localtime(now)
    # mktime finds the offset itself (-1), so summer time begins and ends unnoticed.
    moments = (
        time.mktime((today.tm_year, today.tm_mon, day, hour, minute, 0, 0, 0, -1))
        for day in (today.tm_mday, today.tm_mday + 1)
    )
    return next(moment for moment in moments if moment > now)


def _is_same(exchanged: Exchanged, refused: str | None) -> bool:
    return refused is not None and hmac.compare_digest(
        exchanged.access_token.encode(), refused.encode()
    )


def _caller(credential: Credential, access_token: str) -> Caller:
    return Caller(access_token, credential.account_id, credential.account)
