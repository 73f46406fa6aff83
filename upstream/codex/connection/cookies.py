"""Cookies of the network before the back end, kept for each account apart (codex 2.2).

Cloudflare takes a client without its cookies for a new one each time. What one account was given
is never sent for another, and no other cookie is kept at all.
"""

import time
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie

MAX_ACCOUNTS = 10_000
MAX_COOKIES = 16  # of an account; there are four kinds
MAX_VALUE_CHARS = 4_096
_PREFIXES = ("__cf", "_cf", "cf_")


class AccountCookies:
    """The cookies of all accounts, in this process.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, dict[str, tuple[str, float]]] = {}  # name to value and end

    def header(self, account: str) -> str:
        """Return the header `Cookie` of an account's calls, empty where there is none."""
        now = self._clock()
        kept = self._kept.get(account, {})
        return "; ".join(f"{name}={value}" for name, (value, end) in kept.items() if end > now)

    def take(self, account: str, set_cookies: Iterable[str]) -> None:
        """Keep what an answer sets, as far as it is the network's."""
        for header in set_cookies:
            try:
                cookies = SimpleCookie(header)
            except CookieError:
                continue
            for name, morsel in cookies.items():
                if name.lower().startswith(_PREFIXES) and len(morsel.value) <= MAX_VALUE_CHARS:
                    self._keep(account, name, morsel.coded_value, morsel["max-age"])

    def _keep(self, account: str, name: str, value: str, max_age: str) -> None:
        kept = self._kept.pop(account, {})
        self._kept[account] = kept  # at the end: the first is the longest unchanged
        if len(self._kept) > MAX_ACCOUNTS:
            del self._kept[next(iter(self._kept))]
        if name in kept or len(kept) < MAX_COOKIES:
            kept[name] = (value, self._clock() + _seconds(max_age))


def _seconds(max_age: str) -> float:
    """Return for how long a cookie is good; one that does not say is for the session."""
    try:
        return float(max_age) if max_age else float("inf")
    except ValueError:
        return float("inf")
