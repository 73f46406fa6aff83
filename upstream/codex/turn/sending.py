"""Sends a try of a turn to Codex's back end (codex 2.1, 2.2)."""

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
from upstream.codex.connection.backend import Answer, Call, CodexBackend
from upstream.codex.payload.turn_body import IMAGES, CodexTurn
from upstream.codex.turn.turn_states import TurnStates
from upstream.line.answer_body import AnswerBody

_LITE_HEADER = "x-openai-internal-codex-responses-lite"
_MODEL_HEADER = "openai-model"
_MAX_KEY_CHARS = 128  # of a session header
DRAWING_SECONDS = (
    300.0  # a picture takes up to 130 (codex 5); Codex itself waits that long (codex 3)
)


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

    A turn that may draw is given `DRAWING_SECONDS` at the least where others are given up as silent.

    Args:
        config: how long to wait for what.
        backend: is called.
        states: what goes with results of calls.
    """

    def __init__(self, config: UpstreamConfig, backend: CodexBackend, states: TurnStates) -> None:
        self._config = config
        least = {
            "first_event_seconds": max(config.first_event_seconds, DRAWING_SECONDS),
            "idle_seconds": max(config.idle_seconds, DRAWING_SECONDS),
        }
        self._patient = config.model_copy(update=least)
        self._backend = backend
        self._states = states

    async def open(self, caller: Caller, turn: CodexTurn) -> Opened:
        """Send a turn once, and return its body as soon as the back end has accepted it.

        Raises:
            CodexRefusedError: it answered with an error or a page.
            UpstreamUnreachableError: no connection, or it broke.
            UpstreamTimeoutError: it did not answer in time.
        """
        config = self._config_for(turn)
        headers, data = await self._headers(caller, turn), await _data(turn)
        response = await self._backend.open(
            caller, turn.path, data, headers, config.first_event_seconds
        )
        return Opened(AnswerBody(response, config), response.headers)

    async def ask(self, caller: Caller, turn: CodexTurn) -> Answer:
        """Send a turn once whose answer is one JSON object, and return that.

        Raises:
            CodexRefusedError: it answered with an error, or with no JSON object.
            UpstreamProtocolError: the answer is over the size that is read.
            UpstreamUnreachableError: no connection, or it broke.
            UpstreamTimeoutError: it did not answer in time.
        """
        headers, data = await self._headers(caller, turn), await _data(turn)
        seconds = self._config_for(turn).first_event_seconds
        call = Call("POST", turn.path, data, headers=headers, seconds=seconds, is_counted=True)
        return await self._backend.call(caller, call)

    def _config_for(self, turn: CodexTurn) -> UpstreamConfig:
        return self._patient if turn.is_drawing else self._config

    async def _headers(self, caller: Caller, turn: CodexTurn) -> dict[str, str]:
        if turn.path.startswith(IMAGES):
            return {}  # it belongs to no talk
        session = _session(turn.cache_key)
        return {
            "session_id": session,
            "session-id": session,
            **({_LITE_HEADER: "true"} if turn.is_lite else {}),
            **await self._states.headers(caller, turn.answered_calls),
        }


async def _data(turn: CodexTurn) -> bytes:
    if turn.has_files:  # that may be tens of megabytes
        return await asyncio.to_thread(encoded, turn.body)
    return encoded(turn.body)


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
