"""The models that the upstream lists for an account (protocol 6.9), kept for some minutes."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from service.vocabulary.credentials import Caller
from service.vocabulary.errors import ServiceError
from upstream.http.backend import Backend

LONGEST_SECONDS = 600.0  # a list is used this long for names that are in it
SHORTEST_SECONDS = 60.0  # and is read again no sooner than this, also after a failure
_ASK_SECONDS = 5.0  # front ends wait ten seconds for the whole list
_MAX_ACCOUNTS = 1000
_log = logging.getLogger("gateway.models")


class _Entry:
    """One account's list as it was last read; `slugs` is None if it could not be read."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.asked_at: float | None = None
        self.slugs: tuple[str, ...] | None = None


class ModelLists:
    """Lists by token and account id (`Caller.account`); concurrent readers share a request."""

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def slugs(self, caller: Caller, wanted: str | None = None) -> tuple[str, ...] | None:
        """Return the account's slugs, None if they cannot be read in time.

        Args:
            caller: whose list it is.
            wanted: a name that should be in the list; without it the list is read again sooner,
                since the model may be new.
        """
        entry = self._entries.setdefault(caller.account, _Entry())
        self._entries.move_to_end(caller.account)
        if len(self._entries) > _MAX_ACCOUNTS:
            self._entries.popitem(last=False)
        async with entry.lock:
            if not self._is_fresh(entry, wanted):
                entry.slugs = await self._ask(caller)
                entry.asked_at = self._clock()
            return entry.slugs

    def _is_fresh(self, entry: _Entry, wanted: str | None) -> bool:
        if entry.asked_at is None:
            return False
        is_helpful = entry.slugs is not None and (wanted is None or wanted in entry.slugs)
        limit = LONGEST_SECONDS if is_helpful else SHORTEST_SECONDS
        return self._clock() - entry.asked_at < limit

    async def _ask(self, caller: Caller) -> tuple[str, ...] | None:
        params = {"history_and_training_disabled": "false"}
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                answer = await self._backend.call(caller, "GET", "models", params=params)
        except (ServiceError, TimeoutError) as error:
            _log.info("An account's model list cannot be read: %s", str(error) or "too slow")
            return None
        models = answer.get("models")
        entries = models if isinstance(models, list) else []
        slugs = [entry.get("slug") for entry in entries if isinstance(entry, dict)]
        return tuple(dict.fromkeys(slug for slug in slugs if isinstance(slug, str) and slug))
