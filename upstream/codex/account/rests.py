"""Accounts that rest because nothing of their allowance is left, in all processes (spec 14.4)."""

import time
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from service.observing.metrics import Metrics
from service.ports import StateStore
from service.upstream_errors.codex_refusals import CodexRefusedError, Judged
from service.upstream_errors.error_bodies import MAX_WAIT_SECONDS
from service.vocabulary.credentials import Caller
from service.vocabulary.events import Failure
from service.vocabulary.native import Scope
from upstream.codex.account.limits import AccountLimits
from upstream.codex.account.names import AccountNames

MAX_REMEMBERED = 10_000


class AccountRests:
    """Knows who rests until when.

    Args:
        state: what processes share.
        names: of accounts.
        limits: tell until when, if the back end does not.
        metrics: counts limits that were reached, and requests refused here for them.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        state: StateStore,
        names: AccountNames,
        limits: AccountLimits,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._names = names
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._until: dict[tuple[str, Scope], float] = {}  # what this process knows

    async def check(self, caller: Caller, scope: Scope) -> None:
        """Pass unless the account rests.

        Raises:
            CodexRefusedError: it does; the error says until when.
        """
        until = await self.until(caller, scope)
        if until is not None:
            self._metrics.resting_refusals.labels(scope).inc()
            raise CodexRefusedError(
                Judged(_failure(until - self._clock(), scope)), HTTPStatus.TOO_MANY_REQUESTS
            )

    async def until(self, caller: Caller, scope: Scope) -> float | None:
        """Return until when the account rests, in seconds since 1970; None if it does not."""
        name = self._names.of(caller)
        until = self._until.get((name, scope), 0.0)
        if until <= self._clock():
            self._until.pop((name, scope), None)
            until = _read(await self._state.get(_key(name, scope)))
        return until if until > self._clock() else None

    async def rest(self, caller: Caller, scope: Scope, until: float | None) -> None:
        """Let the account rest; if nothing tells until when, it does not."""
        self._metrics.limits_reached.labels(scope).inc()
        until = until or self._limits.renews_at(caller, scope)
        now = self._clock()
        if until is None or not 0 < until - now <= MAX_WAIT_SECONDS:
            return
        for name in self._names.all_of(caller):
            self._until[name, scope] = until
            if len(self._until) > MAX_REMEMBERED:
                del self._until[next(iter(self._until))]
            await self._state.set(_key(name, scope), msgspec.json.encode(until), until - now)


def _key(name: str, scope: Scope) -> str:
    return f"codex-rest:{scope}:{name}"


def _read(value: bytes | None) -> float:
    try:
        return 0.0 if value is None else msgspec.json.decode(value, type=float)
    except msgspec.DecodeError:
        return 0.0


def _failure(seconds: float, scope: Scope) -> Failure:
    what = "allowance of pictures" if scope is Scope.PICTURES else "allowance"
    message = (
        f"Rate limit: this account's {what} at the upstream is used up; it begins anew in "
        f"{_in_words(seconds)}."
    )
    return Failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        message,
        "rate_limit_error",
        "rate_limit_exceeded",
        retry_after_seconds=seconds,
        is_final=True,
    )


def _in_words(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600)):
        if seconds >= 2 * length:
            return f"{round(seconds / length)} {unit}s"
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
