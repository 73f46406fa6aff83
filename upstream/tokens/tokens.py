"""Credentials turned into callers: access tokens as they are, refresh tokens exchanged (spec 4).

The top of `exchange.py` says how a token is exchanged and why none is lost. This module decides
which credentials are accepted, and refreshes tokens ahead of time.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from msgspec import Struct, structs

from service.settings.config import TokensConfig, upstream_choice
from service.vocabulary.credentials import (
    ALL_KINDS,
    Caller,
    Credential,
    TokenKind,
    UpstreamKind,
    account_in,
)
from service.vocabulary.errors import WRONG_KEY, AuthError, ServiceError
from service.vocabulary.gateway_keys import holds_gateway_key, is_foreign_key
from upstream.tokens.cache import MAX_REMEMBERED, Exchanged, TokenStores
from upstream.tokens.exchange import Exchanges, Wanted
from upstream.tokens.providers import wires_of
from upstream.tokens.service import TokenService, read_expiry

logger = logging.getLogger(__name__)

DAY_SECONDS = 86400.0
_SIGN_IN = "The account that this key stands for has to sign in again: python -m service login"
_AT_ONCE = 8  # concurrent refreshes of the background loop


class TokenOptions(Struct, frozen=True):
    """Options of `Tokens`.

    `daily` are the jobs of `tokens.daily_refresh_at`. `on_refresh` is called with `ok`, `refused`
    or `failed` for each exchange. `clock` counts seconds since the epoch. `tick_seconds` is the
    pause of the background loop. `is_demo` says that any word is accepted as a token. `taken` are
    the upstreams whose credentials are accepted.
    """

    daily: Sequence[Callable[[], Awaitable[None]]] = ()
    on_refresh: Callable[[str], None] = lambda result: None  # noqa: ARG005 - names the argument
    clock: Callable[[], float] = time.time
    tick_seconds: float = 30.0
    retry_pause_seconds: float = 0.5
    is_demo: bool = False
    taken: frozenset[UpstreamKind] = ALL_KINDS


class Tokens:
    """The TokenExchange of the gateway; `run` is its background work."""

    def __init__(
        self,
        config: TokensConfig,
        session: aiohttp.ClientSession,
        stores: TokenStores,
        options: TokenOptions | None = None,
    ) -> None:
        self._options = options or TokenOptions()
        self._clock = self._options.clock
        self._daily_at = config.daily_refresh_at
        self._choice = upstream_choice(config, self._options.taken)
        self._wires = wires_of(config)
        self._exchanges = Exchanges(
            TokenService(session, self._clock, self._options.retry_pause_seconds),
            stores,
            config.refresh_before_seconds,
            self._clock,
            self._options.on_refresh,
        )
        self._used: dict[str, Wanted] = {}  # key -> a token used since its last refresh

    async def caller(self, credential: Credential) -> Caller:
        """Return the caller of a credential; see the port."""
        upstream = self._choice.upstream_of(credential)  # raises before it is sent anywhere
        if credential.kind is TokenKind.ACCESS:
            expires_at = read_expiry(credential.bare_token)
            if expires_at is not None and expires_at <= self._clock():
                raise AuthError(f"{WRONG_KEY} This access token has expired. Send a new one.")
        else:
            self._refuse_other_keys(credential.bare_token)
        if credential.kind is TokenKind.REFRESH:
            token = await self._access_token(credential, upstream, None)
            return self._caller(credential, upstream, token)
        return self._caller(credential, upstream, credential.bare_token)

    async def renew(self, credential: Credential, refused: Caller) -> Caller:
        """Return a caller with a fresh token after the upstream refused this one; see the port."""
        if credential.kind is not TokenKind.REFRESH:
            message = f"{WRONG_KEY} The upstream does not accept this access token. Send a new one."
            raise AuthError(message)
        upstream = self._choice.upstream_of(credential)
        token = await self._access_token(credential, upstream, refused.access_token)
        return self._caller(credential, upstream, token)

    async def run(self) -> None:
        """Store tokens, refresh them ahead of time and run daily jobs, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._exchanges.keep_saving())
                group.create_task(self._keep_fresh())
        finally:
            await self.close()

    async def close(self) -> None:
        """Let exchanges under way finish, and store their results."""
        await self._exchanges.close()

    async def _access_token(
        self, credential: Credential, upstream: UpstreamKind, refused: str | None
    ) -> str:
        wanted = Wanted(credential.fingerprint, credential.bare_token, self._wires[upstream])
        asked = wanted if refused is None else structs.replace(wanted, refused=refused)
        outcome = self._exchanges.settled(asked) or await self._exchanges.shared(asked)
        if isinstance(outcome, Exchanged):
            self._note_use(wanted)
            return outcome.access_token
        # A new exception for each request, since a shared one would collect their tracebacks.
        wait, message = outcome.retry_after_seconds, outcome.message
        if credential.stored_account is not None and isinstance(outcome, AuthError):
            message += f" {_SIGN_IN}"
        raise type(outcome)(message, code=outcome.code, retry_after_seconds=wait)

    def _note_use(self, wanted: Wanted) -> None:
        """Remember that a token was used; made-up ones never get here."""
        self._used.pop(wanted.key, None)
        self._used[wanted.key] = wanted  # the newest is last, so the first is the longest unused
        if len(self._used) > MAX_REMEMBERED:
            del self._used[next(iter(self._used))]

    def _caller(self, credential: Credential, upstream: UpstreamKind, access_token: str) -> Caller:
        """Return the caller; a token of Codex's upstream names its account itself."""
        account_id = credential.account_id
        if upstream is UpstreamKind.CODEX and account_id is None:
            account_id = account_in(access_token).account_id or None
        return Caller(access_token, account_id, credential.account, upstream)

    def _refuse_other_keys(self, token: str) -> None:
        """Raise AuthError for a key of this gateway or of another service."""
        takes = (
            "an access token or a refresh token of a ChatGPT account, or a key that it has made "
            "(sk-gw-…)"
        )
        if holds_gateway_key(token):
            message = f"{WRONG_KEY} This is no key that this gateway knows; it takes {takes}."
            raise AuthError(message)
        if is_foreign_key(token) and not self._options.is_demo:
            message = f"{WRONG_KEY} This is a key of another service; this gateway takes {takes}."
            raise AuthError(message)

    # --- in the background ----------------------------------------------------------

    async def _keep_fresh(self) -> None:
        daily_at = next_daily(self._clock(), self._daily_at)
        while True:
            await asyncio.sleep(self._options.tick_seconds)
            await self._refresh_used(2 * self._options.tick_seconds)
            if self._clock() >= daily_at:
                daily_at = next_daily(self._clock(), self._daily_at)
                await self._refresh_used(DAY_SECONDS)
                await self._do_daily()

    async def _refresh_used(self, lead: float) -> None:
        """Refresh the used tokens that reach their margin within `lead` seconds."""
        now, limit = self._clock(), asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for key, used in list(self._used.items()):
                known, wanted = self._exchanges.known(key), structs.replace(used, lead=lead)
                if known is None or known.expires_at <= now:
                    del self._used[key]  # the next request exchanges it
                elif self._exchanges.settled(wanted) is None:
                    del self._used[key]
                    group.create_task(self._refresh(wanted, limit))

    async def _refresh(self, wanted: Wanted, limit: asyncio.Semaphore) -> None:
        before = self._exchanges.known(wanted.key)
        async with limit:
            after = await self._exchanges.shared(wanted)
        if after == before:  # it failed, so it is tried again later
            self._used.setdefault(wanted.key, wanted)

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
    # With -1 mktime finds the offset itself, so changes of summer time are handled.
    moments = (
        time.mktime((today.tm_year, today.tm_mon, day, hour, minute, 0, 0, 0, -1))
        for day in (today.tm_mday, today.tm_mday + 1)
    )
    return next(moment for moment in moments if moment > now)
