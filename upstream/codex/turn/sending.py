"""Sends a try of a turn to Codex's back end (codex 2.2)."""

import asyncio
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from service.vocabulary.text import well_formed
from upstream.codex.connection.backend import CodexBackend
from upstream.codex.payload.turn_body import CodexTurn
from upstream.codex.turn.turn_states import TurnStates
from upstream.line.answer_body import AnswerBody

PATH = "responses"
_LITE_HEADER = "x-openai-internal-codex-responses-lite"
_MODEL_HEADER = "openai-model"
_MAX_KEY_CHARS = 128  # of a session header


class Opened(Struct, frozen=True):
    """A try that the back end has accepted; `headers` are those of its answer."""

    body: AnswerBody
    headers: Mapping[str, str]

    @property
    def model(self) -> str:
        """The model that answers, if the head of the answer says so."""
        return self.headers.get(_MODEL_HEADER, "")


class CodexSender:
    """Posts turns.

    Args:
        config: how long to wait for what.
        backend: is called.
        states: what goes with results of calls.
    """

    def __init__(self, config: UpstreamConfig, backend: CodexBackend, states: TurnStates) -> None:
        self._config = config
        self._backend = backend
        self._states = states

    async def open(self, caller: Caller, turn: CodexTurn) -> Opened:
        """Send a turn once, and return its body as soon as the back end has accepted it.

        Raises:
            CodexRefusedError: it answered with an error or a page.
            UpstreamUnreachableError: no connection, or it broke.
            UpstreamTimeoutError: it did not answer in time.
        """
        session = _session(turn.cache_key)
        headers = {
            "session_id": session,
            "session-id": session,
            **({_LITE_HEADER: "true"} if turn.is_lite else {}),
            **await self._states.headers(caller, turn.answered_calls),
        }
        if turn.has_files:  # that may be tens of megabytes
            data = await asyncio.to_thread(encoded, turn.body)
        else:
            data = encoded(turn.body)
        seconds = self._config.first_event_seconds
        response = await self._backend.open(caller, PATH, data, headers, seconds)
        return Opened(AnswerBody(response, self._config), response.headers)


def encoded(body: dict[str, Any]) -> bytes:
    """Return a body as it is sent: halves of surrogate pairs, which no UTF-8 has, are replaced."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return well_formed(json.dumps(body, ensure_ascii=False, separators=(",", ":"))).encode()


def _session(key: str) -> str:
    """Return a talk's name as a header can carry it."""
    if 0 < len(key) <= _MAX_KEY_CHARS and key.isascii() and key.isprintable():
        return key
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
