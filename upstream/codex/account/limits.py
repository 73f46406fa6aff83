"""How much of an account's allowance is used, as the back end told it last (spec 14.4)."""

import time
from collections.abc import Callable, Mapping

from msgspec import Struct, structs

from service.stages.codex.limits import limits_in_headers
from service.vocabulary.credentials import Caller
from service.vocabulary.native import LimitsKnown, LimitWindow
from upstream.codex.account.names import AccountNames

MAX_REMEMBERED = 10_000  # accounts
MAX_LIMITS = 32  # of one account


class Noted(Struct, frozen=True):
    """The limits of an account by their names, `""` the general one, and when they were told.

    `is_again`: the account has them under another name as well.
    """

    limits: Mapping[str, LimitsKnown]
    told_at: float
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
        """Return what is known of an account, None where nothing was told."""
        return self._known.get(self._names.of(caller))

    def hear(self, caller: Caller, headers: Mapping[str, str]) -> None:
        """Take what the head of an answer tells."""
        for limits in limits_in_headers(headers, self._clock()):
            self.note(caller, limits)

    def note(self, caller: Caller, limits: LimitsKnown) -> None:
        """Take limits that were told; what they do not say stays as it was."""
        names = self._names.all_of(caller)
        for name in names:
            known = dict(noted.limits) if (noted := self._known.pop(name, None)) else {}
            if limits.name in known or len(known) < MAX_LIMITS:
                known[limits.name] = _joined(known.get(limits.name), limits)
            # At the end: the first is the oldest.
            self._known[name] = Noted(known, self._clock(), is_again=name != names[-1])
            if len(self._known) > MAX_REMEMBERED:
                del self._known[next(iter(self._known))]

    def fullest(self) -> list[float]:
        """Return how full, in percent, the fullest window of each account is, without its name."""
        return [
            max(window.used_percent for window in windows)
            for noted in self._known.values()
            if not noted.is_again and (windows := _windows(noted))
        ]


def _windows(noted: Noted) -> list[LimitWindow]:
    return [window for limits in noted.limits.values() for window in limits.windows]


def _joined(before: LimitsKnown | None, now: LimitsKnown) -> LimitsKnown:
    if before is None:
        return now
    told = {name: value for name, value in structs.asdict(now).items() if value not in ("", None)}
    windows = {window.name: window for window in (*before.windows, *now.windows)}
    return structs.replace(before, **{**told, "windows": tuple(windows.values())})
