"""What is left of an account's allowance: asked for once a minute at most; implements `Allowances`.

GET ../wham/usage   {"plan_type": "plus", "rate_limit": {"primary_window": {…}}, "credits": {…}}
codex-usage:<name>  the answer, in the state store for a minute, for all processes
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from http import HTTPStatus

import msgspec
from msgspec import Struct

from service.ports import StateStore
from service.stages.codex.limits import limits_in_usage
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import LockTimeoutError, UpstreamError, UpstreamRefusedError
from service.vocabulary.native import Allowance, Credits, LimitsKnown, LimitWindow, Scope
from upstream.codex.account.limits import FRESH_SECONDS, AccountLimits, Noted, windows_of
from upstream.codex.account.names import AccountNames
from upstream.codex.account.rests import AccountRests
from upstream.codex.connection.backend import Call, CodexBackend
from upstream.slots.calls import AccountCalls

PATH = "../wham/usage"
_ASK_SECONDS = 10.0
_SILENT_SECONDS = 15.0  # after which the lock of a process that died is free
_WAIT_SECONDS = 12.0  # for the process that asks


class _Stored(Struct, frozen=True):
    """An answer of the back end, and when it came, in seconds since 1970."""

    asked_at: float
    limits: tuple[LimitsKnown, ...]


class KnownOfAccounts(Struct, frozen=True):
    """All that is known of accounts: their names, what is used of their limits, who rests."""

    names: AccountNames
    limits: AccountLimits
    rests: AccountRests


class CodexAllowances:
    """The allowances of Codex accounts.

    Args:
        backend: is asked.
        calls: turns credentials into callers, and renews refused tokens.
        state: what processes share.
        known: shared with the turns, which learn from each answer.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        backend: CodexBackend,
        calls: AccountCalls,
        state: StateStore,
        known: KnownOfAccounts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._backend = backend
        self._calls = calls
        self._state = state
        self._names, self._limits, self._rests = known.names, known.limits, known.rests
        self._clock = clock

    async def of(self, credential: Credential) -> Allowance:
        """Return the allowance of an account; if it cannot be asked for, the last one known.

        Raises:
            AuthError: the credential is known to be dead.
            TokenServiceError: the token service has a passing fault.
            UpstreamError: the back end refused or broke, and nothing is known; or it refuses the
                token.
        """
        caller = await self._calls.caller(credential)
        if not self._limits.is_fresh(caller):
            await self._refresh(credential, caller)
        rests = {scope: await self._rests.until(caller, scope) for scope in Scope}
        return allowance(self._limits.of(caller) or Noted(), rests, self._clock())

    def known(self) -> Sequence[tuple[LimitWindow, ...]]:
        """Return the windows of each account that this process knows, without its name."""
        return self._limits.windows()

    async def _refresh(self, credential: Credential, caller: Caller) -> None:
        name = self._names.of(caller)
        async with AsyncExitStack() as stack:
            with suppress(LockTimeoutError):  # then it is asked for without one
                lock = self._state.lock(f"codex-usage:{name}", _SILENT_SECONDS, _WAIT_SECONDS)
                await stack.enter_async_context(lock)
            if self._limits.is_fresh(caller) or await self._take_stored(caller, name):
                return
            try:
                await self._calls.renewing(credential, caller, self._ask)
            except UpstreamError as error:
                if _is_of_token(error) or self._limits.of(caller) is None:
                    raise
                self._limits.pause(caller)

    async def _take_stored(self, caller: Caller, name: str) -> bool:
        """Take what another process was answered within the last minute, if there is such."""
        value = await self._state.get(_key(name))
        if value is None:
            return False
        try:
            stored = msgspec.json.decode(value, type=_Stored)
        except msgspec.DecodeError:
            return False  # of another version
        self._limits.take(caller, stored.limits, min(stored.asked_at, self._clock()))
        return self._limits.is_fresh(caller)

    async def _ask(self, caller: Caller) -> None:
        answer = await self._backend.call(caller, Call("GET", PATH, seconds=_ASK_SECONDS))
        now = self._clock()
        limits = tuple(limits_in_usage(answer.body or {}, now))
        self._limits.take(caller, limits, now)
        value = msgspec.json.encode(_Stored(now, limits))
        # Only now, since the back end has accepted the token.
        for name in self._names.all_of(caller):
            await self._state.set(_key(name), value, FRESH_SECONDS)


def allowance(noted: Noted, rests: dict[Scope, float | None], now: float) -> Allowance:
    """Return an account's allowance by all that is known of it."""
    general = noted.limits.get("", LimitsKnown())
    has_told = general.has_credits is not None or general.is_unlimited is not None
    bought = Credits(
        has_credits=bool(general.has_credits),
        is_unlimited=bool(general.is_unlimited),
        balance=general.credits_balance,
    )
    return Allowance(
        plan=next((limits.plan for limits in noted.limits.values() if limits.plan), ""),
        windows=windows_of(noted, now),
        credits=bought if has_told else None,
        rests_until=rests,
    )


def _is_of_token(error: UpstreamError) -> bool:
    refused = isinstance(error, UpstreamRefusedError)
    return refused and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def _key(name: str) -> str:
    return f"codex-usage:{name}"
