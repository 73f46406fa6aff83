"""How much of an account's allowance is used, as the back end told it last (spec 14.4)."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from msgspec import Struct, structs

from service.observing.metrics import Metrics
from service.stages.codex.limits import limits_in_headers
from service.vocabulary.credentials import Caller
from service.vocabulary.native import LimitsKnown, LimitWindow, Scope
from upstream.codex.account.names import AccountNames

FRESH_SECONDS = 60.0  # before the back end may be asked again
MAX_REMEMBERED = 10_000  # accounts
MAX_LIMITS = 32  # of one account
SHOW_SECONDS = 10.0  # metrics are seldom read more often
_FULL_PERCENT = 100.0
_PICTURES = "image"  # in the name of their limit
_GENERAL, _OTHER = ("primary", "secondary"), "other"


class Noted(Struct, frozen=True):
    """The limits of an account by their names, `""` the general one.

    `told_at` is when any of them was told last, `asked_at` when all of them were asked for, both
    in seconds since 1970. `is_again`: the account has them under another name as well.
    """

    limits: Mapping[str, LimitsKnown] = {}
    told_at: float = 0.0
    asked_at: float = 0.0
    is_again: bool = False


class AccountLimits:
    """The limits of all accounts, in this process.

    Args:
        names: of accounts.
        clock: seconds since 1970.
    """

    def __init__(self, names: AccountNames, clock: Callable[[], float] = time.time) -> None:
        self._names = names
        self._clock = clock
        self._known: dict[str, Noted] = {}

    def of(self, caller: Caller) -> Noted | None:
        """Return the limits known of an account, None where nothing was told."""
        return self._known.get(self._names.of(caller))

    def is_fresh(self, caller: Caller) -> bool:
        """Tell whether the account's limits were asked for within the last minute."""
        noted = self.of(caller)
        return noted is not None and 0 <= self._clock() - noted.asked_at < FRESH_SECONDS

    def hear(self, caller: Caller, headers: Mapping[str, str]) -> None:
        """Take what the head of an answer tells."""
        for limits in limits_in_headers(headers, self._clock()):
            self.note(caller, limits)

    def note(self, caller: Caller, limits: LimitsKnown) -> None:
        """Merge newly told limits into those known."""

        def noted(before: Noted) -> Noted:
            known = dict(before.limits)
            if limits.name in known or len(known) < MAX_LIMITS:
                known[limits.name] = _joined(known.get(limits.name), limits)
            return structs.replace(before, limits=known, told_at=self._clock())

        self._change(caller, noted)

    def take(self, caller: Caller, every: Sequence[LimitsKnown], asked_at: float) -> None:
        """Take all limits of an account as they were at `asked_at`, in place of older ones."""
        told = {limits.name: limits for limits in every[:MAX_LIMITS]}

        def noted(before: Noted) -> Noted:
            if before.told_at <= asked_at:
                return Noted(told, asked_at, asked_at)
            newer = {name: _joined(told.get(name), known) for name, known in before.limits.items()}
            return Noted({**told, **newer}, before.told_at, asked_at)

        self._change(caller, noted)

    def pause(self, caller: Caller) -> None:
        """Count what is known as fresh for a minute, since the back end could not be asked."""
        if self.of(caller) is not None:
            now = self._clock()
            self._change(caller, lambda before: structs.replace(before, asked_at=now))

    def renews_at(self, caller: Caller, scope: Scope) -> float | None:
        """Return the time at which all full windows have begun anew, None if none is known to be full."""
        noted = self.of(caller) or Noted()
        full = [
            window.resets_at
            for limits in noted.limits.values()
            if _is_of(limits.name, scope)
            for window in limits.windows
            if window.used_percent >= _FULL_PERCENT and window.resets_at is not None
        ]
        return max(full, default=None)

    def windows(self) -> list[tuple[LimitWindow, ...]]:
        """Return the windows of each account as they are now, without its name."""
        now = self._clock()
        each = (windows_of(noted, now) for noted in self._known.values() if not noted.is_again)
        return [windows for windows in each if windows]

    def _change(self, caller: Caller, change: Callable[[Noted], Noted]) -> None:
        names = self._names.all_of(caller)
        for name in names:
            noted = change(self._known.pop(name, Noted()))
            # At the end: the first is the oldest.
            self._known[name] = structs.replace(noted, is_again=name != names[-1])
            if len(self._known) > MAX_REMEMBERED:
                del self._known[next(iter(self._known))]


async def show_allowances(limits: AccountLimits, metrics: Metrics) -> None:
    """Keep the metrics true for as long as this runs; windows begin anew without an event."""
    while True:
        most = dict.fromkeys((*_GENERAL, _OTHER), 0.0)
        for window in chain.from_iterable(limits.windows()):
            name = window.name if window.name in _GENERAL else _OTHER
            most[name] = max(most[name], window.used_percent)
        for name, percent in most.items():
            metrics.window_used_percent.labels(name).set(percent)
        await asyncio.sleep(SHOW_SECONDS)


def windows_of(noted: Noted, now: float) -> tuple[LimitWindow, ...]:
    """Return all windows, the general ones first; one that has begun anew since is empty."""
    return tuple(
        structs.replace(
            _begun_anew(window) if _is_over(window, now) else window,
            name=f"{limits.name}:{window.name}" if limits.name else window.name,
        )
        for limits in sorted(noted.limits.values(), key=lambda limits: limits.name)
        for window in limits.windows
    )


def _is_of(name: str, scope: Scope) -> bool:
    """Tell whether a limit is one of words, which the general limit is, or one of pictures."""
    return _PICTURES in name if scope is Scope.PICTURES else not name


def _is_over(window: LimitWindow, now: float) -> bool:
    return window.resets_at is not None and window.resets_at <= now


def _begun_anew(window: LimitWindow) -> LimitWindow:
    return LimitWindow(window.name, 0.0, window.window_minutes)


def _joined(before: LimitsKnown | None, now: LimitsKnown) -> LimitsKnown:
    if before is None:
        return now
    told = {name: value for name, value in structs.asdict(now).items() if value not in ("", None)}
    windows = {window.name: window for window in (*before.windows, *now.windows)}
    return structs.replace(before, **{**told, "windows": tuple(windows.values())})
