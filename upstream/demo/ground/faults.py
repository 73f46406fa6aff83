"""Faults on demand: `/fault NAME [NUMBERS]` in the last user message.

Bodies are those of protocol 4.2 to 4.6. Faults before the answer replace it;
faults within it bend the stream of pieces.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from aiohttp import web

from upstream.demo.ground.questions import FAULT, Question
from upstream.demo.ground.refusals import Refusal, detail, page
from upstream.demo.ground.script import Script
from upstream.demo.ground.stream import DONE, Piece, dump, event, ping

GIANT_BYTES = 17 * 1024 * 1024
"""Just over the 16 MiB that a client must accept."""
CAP_SECONDS = 11_461
SLOW_BODY_SECONDS = 2.0
KEPT_ONCE = 10_000


class Fault(msgspec.Struct, frozen=True):
    """One fault as it was asked for."""

    name: str
    variant: str = ""
    """What follows a colon: the code of an error."""
    numbers: tuple[float, ...] = ()

    def number(self, default: float) -> float:
        """Return the first number, or a default."""
        return self.numbers[0] if self.numbers else default


NO_FAULT = Fault("")


class Faults:
    """Finds faults in questions and remembers those that were to happen once."""

    def __init__(self) -> None:
        self._played: dict[bytes, None] = {}

    def find(self, question: Question) -> Fault:
        """Return the fault that a question asks for, or `NO_FAULT`."""
        found = FAULT.search(question.raw_text)
        if found is None or (found["once"] and not self._is_first(question)):
            return NO_FAULT
        name, _, variant = found["name"].partition(":")
        return Fault(name, variant, tuple(float(number) for number in found["args"].split()))

    def _is_first(self, question: Question) -> bool:
        whole_talk = "\x00".join(said.text for said in question.history)
        key = hashlib.sha256(whole_talk.encode()).digest()
        is_first = key not in self._played
        self._played[key] = None
        if len(self._played) > KEPT_ONCE:
            del self._played[next(iter(self._played))]
        return is_first


FAULTS: web.AppKey[Faults] = web.AppKey("FAULTS", Faults)

_TOO_MANY = "You have sent too many messages to the model. Please try again later."
_UNUSUAL = (
    "Our systems have detected unusual activity coming from your system. Please try again later."
)
_WRONG = "Something went wrong, please try reloading the conversation."
_TOO_LONG = (
    "The message you submitted was too long, please reload the conversation"
    " and submit something shorter."
)
_EXPIRED = {
    "detail": {
        "message": "Your authentication token has expired. Please try signing in again.",
        "type": "invalid_request_error",
        "param": None,
        "code": "token_expired",
    }
}
_REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "401": (401, _EXPIRED),
    "403": (403, detail(_UNUSUAL)),
    "404": (404, detail("Can't load conversation.", "conversation_not_found")),
    "404model": (404, detail("The model does not exist.", "model_not_found")),
    "413": (413, detail(_TOO_LONG, "message_length_exceeds_limit")),
    "422": (
        422,
        {"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "missing"}]},
    ),
    "500": (500, detail(_WRONG)),
    "502": (502, detail(_WRONG)),
    "503": (503, detail(_WRONG)),
    "504": (504, detail(_WRONG)),
}


def answer_instead(fault: Fault, conversation_id: str) -> web.Response | None:
    """Return what a fault puts in the answer's place, or None.

    Raises:
        Refusal: for the faults that are error answers.
    """
    if fault.name in _REFUSED:
        raise Refusal(*_REFUSED[fault.name])
    if make := _INSTEAD.get(fault.name):
        return make(fault, conversation_id)
    return None


def _limited(fault: Fault, _conversation_id: str) -> web.Response:
    seconds = int(fault.number(0))
    headers = {"Retry-After": str(seconds)} if fault.numbers and fault.name != "429cap" else None
    if fault.name == "429string":
        raise Refusal(429, detail("Too many requests, please slow down."), headers)
    if fault.name == "429" and not fault.numbers:
        message = "Only one message at a time. Please allow any other responses to complete before sending another message, or wait one minute."
        raise Refusal(429, detail(message))
    clears_in = seconds if fault.numbers else CAP_SECONDS
    raise Refusal(429, detail(_TOO_MANY, "model_cap_exceeded", clears_in=clears_in), headers)


def _error_body(fault: Fault, _conversation_id: str) -> web.Response:
    more = {"clears_in": int(fault.number(0))} if fault.numbers else {}
    return web.json_response(detail(_WRONG, fault.variant or None, **more))


def _hand_off(_fault: Fault, conversation_id: str) -> web.Response:
    return web.json_response(
        {
            "wss_url": "wss://ws.example.invalid/client/hubs/conversations?access_token=demo",
            "conversation_id": conversation_id,
            "response_id": f"response-{conversation_id}",
        }
    )


_INSTEAD: dict[str, Callable[[Fault, str], web.Response]] = {
    "429": _limited,
    "429string": _limited,
    "429cap": _limited,
    "403html": lambda _fault, _id: page(403),
    "503html": lambda _fault, _id: page(503),
    "html200": lambda _fault, _id: page(200),
    "plain": lambda _fault, _id: web.Response(text="The quota has been exceeded."),
    "errorbody": _error_body,
    "websocket": _hand_off,
}


def bend(fault: Fault, pieces: Iterable[Piece], script: Script) -> Iterator[Piece]:
    """Return the pieces of an answer as a fault leaves them."""
    if make := _BENT.get(fault.name):
        return make(fault, iter(pieces), script)
    return iter(pieces)


def _until(count: float, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the pieces up to the nth one of visible text, or up to the answer's end."""
    seen = 0
    for piece in pieces:
        if piece.is_closing or (piece.is_content and seen >= count):
            return
        seen += piece.is_content
        yield piece
        if piece.is_content and seen >= count:
            return


def _ends_with(*last: Piece) -> Callable[[Fault, Iterator[Piece], Script], Iterator[Piece]]:
    def bent(fault: Fault, pieces: Iterator[Piece], _script: Script) -> Iterator[Piece]:
        yield from _until(fault.number(0), pieces)
        yield from last

    return bent


def _error(fault: Fault, pieces: Iterator[Piece], script: Script) -> Iterator[Piece]:
    yield from _until(fault.number(0), pieces)
    failed: dict[str, Any] = {
        "message": None,
        "conversation_id": script.conversation_id,
        "error": "An error occurred while generating the response.",
    }
    if fault.variant:
        failed["error_code"] = fault.variant
    yield Piece(event(dump(failed)))
    yield DONE


def _slow_body(fault: Fault, pieces: Iterator[Piece], _script: Script) -> Iterator[Piece]:
    yield Piece(act="pause", seconds=fault.number(SLOW_BODY_SECONDS))
    yield from pieces


def _hand_over(_fault: Fault, pieces: Iterator[Piece], _script: Script) -> Iterator[Piece]:
    for piece in pieces:
        yield piece
        if b'"stream_handoff"' in piece.data:
            break
    yield DONE


def _garbage(_fault: Fault, pieces: Iterator[Piece], _script: Script) -> Iterator[Piece]:
    noise = [Piece(data) for data in _NOISE]
    for number, piece in enumerate(pieces):
        if piece.data and number:
            yield noise[number % len(noise)]
        yield piece


def _no_done(_fault: Fault, pieces: Iterator[Piece], _script: Script) -> Iterator[Piece]:
    return (piece for piece in pieces if piece != DONE)


def _giant(_fault: Fault, pieces: Iterator[Piece], _script: Script) -> Iterator[Piece]:
    yield from _until(2, pieces)
    yield Piece(event(dump({"type": "giant", "padding": "x" * GIANT_BYTES})))
    yield from pieces


_NOISE = (
    b"data: internal server error\n\n",
    b": a comment\n\n",
    b'data: {"message": {"id": \n\n',
    b"data: \xff\xfe\xfa\n\n",
    b'event: weird\ndata: {"x": 1}\n\n',
    b'data: {"type": "never_heard_of", "conversation_id": "c"}\n\n',
    b"id: 7\nretry: 10\n\n",
    b"data:\n\n",
    b"data: []\n\n",
    b"data: 17\n\n",
    b"event: message\ndata: null\n\n",
    b"data: 2024-05-01 12:34:56.789012\n\n",
    ping().data,
)

_BENT: dict[str, Callable[[Fault, Iterator[Piece], Script], Iterator[Piece]]] = {
    "cut": _ends_with(Piece(act="abort")),
    "close": _ends_with(),
    "stall": _ends_with(Piece(act="stall")),
    "pingstall": _ends_with(Piece(act="ping_stall")),
    "error": _error,
    "garbage": _garbage,
    "nodone": _no_done,
    "giant": _giant,
    "slowbody": _slow_body,
    "handoff": _hand_over,
    "handoff410": _hand_over,
}
"""Faults within an answer; any other name leaves it whole."""

FAULT_NAMES = (*_REFUSED, *_INSTEAD, *_BENT, "slow", "refuse", "empty")
