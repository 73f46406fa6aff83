"""The models that the back end lists for an account (codex 5), kept while they are asked for again.

    GET models?client_version=99.0.0     {"models": [{"slug": "gpt-6-sol", "priority": 0, …}]}

The list depends on the account's plan, and on the version of the client that asks: an old one
does not hear of new models. Nothing of it is built in.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from service.vocabulary.credentials import Caller
from service.vocabulary.errors import ServiceError, UpstreamProtocolError
from upstream.codex.connection.backend import Answer, Call, CodexBackend
from upstream.codex.payload.model import CodexModel

FRESH_SECONDS = 300.0  # before it is asked again whether anything has changed
RETRY_SECONDS = 60.0  # after a failure
_ASK_SECONDS = 5.0  # front ends give the whole list ten
_MAX_ACCOUNTS = 1000
_MAX_MODELS = 1000
_MAX_WORD_CHARS = 64
_LISTED = "list"
_log = logging.getLogger("gateway.models")


class ListedModel(Struct, frozen=True):
    """One entry: what a turn needs of it, and what callers are told."""

    model: CodexModel
    is_shown: bool
    priority: float
    context_window: int | None
    modalities: tuple[str, ...]


class _Entry:
    """What one account's list was; `models` None: it could never be read."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.ask_at = 0.0
        self.etag = ""
        self.models: tuple[ListedModel, ...] | None = None


class CodexLists:
    """Lists by token and account id together (`Caller.account`); concurrent askers share one request.

    Args:
        backend: is asked.
        client_version: that it is asked with.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        backend: CodexBackend,
        client_version: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._version = client_version
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def models(self, caller: Caller) -> tuple[ListedModel, ...] | None:
        """Return an account's models by priority, the last that could be read; None: there are none."""
        entry = self._entry(caller)
        async with entry.lock:
            if self._clock() >= entry.ask_at:
                await self._try(caller, entry)
            return entry.models

    async def ask(self, caller: Caller) -> None:
        """Ask for an account's models now.

        Raises:
            UpstreamError: the back end refused or broke.
        """
        await self._read(caller, self._entry(caller))

    def _entry(self, caller: Caller) -> _Entry:
        entry = self._entries.setdefault(caller.account, _Entry())
        self._entries.move_to_end(caller.account)
        if len(self._entries) > _MAX_ACCOUNTS:
            self._entries.popitem(last=False)
        return entry

    async def _try(self, caller: Caller, entry: _Entry) -> None:
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                await self._read(caller, entry)
        except (ServiceError, TimeoutError) as error:
            _log.info("An account's model list cannot be read: %s", str(error) or "too slow")
            entry.ask_at = self._clock() + RETRY_SECONDS

    async def _read(self, caller: Caller, entry: _Entry) -> None:
        known = {"If-None-Match": entry.etag} if entry.etag and entry.models is not None else {}
        params = {"client_version": self._version}
        call = Call("GET", "models", params=params, headers=known, seconds=_ASK_SECONDS)
        answer = await self._backend.call(caller, call)
        if answer.body is not None:
            models = _models_in(answer)
            if not models:  # of which every name would be wrong: it is no list
                raise UpstreamProtocolError("The upstream's list of models has no model.")
            entry.models, entry.etag = models, answer.headers.get("ETag", "")
        entry.ask_at = self._clock() + FRESH_SECONDS


def _models_in(answer: Answer) -> tuple[ListedModel, ...]:
    listed = (answer.body or {}).get("models")
    entries = listed[:_MAX_MODELS] if isinstance(listed, list) else []
    found = {
        model.model.slug: model
        for entry in entries
        if isinstance(entry, dict) and (model := _model(entry)) is not None
    }
    return tuple(sorted(found.values(), key=lambda model: model.priority))


def _model(entry: dict[str, Any]) -> ListedModel | None:
    slug = entry.get("slug")
    if not isinstance(slug, str) or not slug:
        return None
    priority, window = entry.get("priority"), entry.get("context_window")
    levels = entry.get("supported_reasoning_levels")
    efforts = [
        level.get("effort") if isinstance(level, dict) else level
        for level in (levels if isinstance(levels, list) else ())
    ]
    model = CodexModel(
        slug,
        _words(efforts),
        has_summaries=entry.get("supports_reasoning_summaries") is not False,
        is_lite=entry.get("use_responses_lite") is True,
    )
    return ListedModel(
        model,
        is_shown=entry.get("visibility", _LISTED) == _LISTED,
        priority=priority if isinstance(priority, int | float) else float("inf"),
        context_window=window if isinstance(window, int) else None,
        modalities=_words(entry.get("input_modalities")),
    )


def _words(value: object) -> tuple[str, ...]:
    words = value if isinstance(value, list) else []
    return tuple(word[:_MAX_WORD_CHARS] for word in words if isinstance(word, str) and word)
