"""Faults on demand: `/fault NAME [NUMBERS]` in the last user message.

Those of `faults.yaml` replace the answer, with bodies of protocol 4.2 to 4.6; those of `BENT` bend
the stream of pieces.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from upstream.demo.ground.delivery import ABORT, STALL, Piece
from upstream.demo.ground.refusals import Instead
from upstream.demo.ground.templates import load
from upstream.demo.ground.words import Fault
from upstream.demo.scenes.script import Script
from upstream.demo.scenes.stream import DONE, dump, event, ping

GIANT_BYTES = 17 * 1024 * 1024
"""Just over the 16 MiB that a client must accept."""
SLOW_SECONDS = 2.0
STALL_PING_SECONDS = 0.2
"""Pings of a stalled answer come quickly, so that tests need not wait."""

Pieces = Iterator[Piece]
Bend = Callable[[Fault, Pieces, Script], Pieces]


INSTEAD = msgspec.convert(load(__file__), dict[str, Instead])


def bend(fault: Fault, pieces: Iterable[Piece], script: Script) -> Pieces:
    """Return the pieces of an answer as a fault leaves them."""
    make = BENT.get(fault.name)
    return make(fault, iter(pieces), script) if make else iter(pieces)


def _until(count: float, pieces: Pieces) -> Pieces:
    """Yield the pieces up to the nth one of visible text, or up to the answer's end."""
    seen = 0
    for piece in pieces:
        if piece.is_closing or (piece.is_content and seen >= count):
            return
        seen += piece.is_content
        yield piece
        if piece.is_content and seen >= count:
            return


def _ends_with(*last: Piece) -> Bend:
    return lambda fault, pieces, _script: chain(_until(fault.number(0), pieces), last)


def _stall_with_pings(fault: Fault, pieces: Pieces, _script: Script) -> Pieces:
    yield from _until(fault.number(0), pieces)
    yield Piece(ping())
    while True:
        yield Piece(ping(), seconds=STALL_PING_SECONDS)


def _error(fault: Fault, pieces: Pieces, script: Script) -> Pieces:
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


def _hand_over(_fault: Fault, pieces: Pieces, _script: Script) -> Pieces:
    for piece in pieces:
        yield piece
        if b'"stream_handoff"' in piece.data:
            break
    yield DONE


def _garbage(_fault: Fault, pieces: Pieces, _script: Script) -> Pieces:
    for number, piece in enumerate(pieces):
        if piece.data and number:
            yield Piece(_NOISE[number % len(_NOISE)])
        yield piece


def _giant(_fault: Fault, pieces: Pieces, _script: Script) -> Pieces:
    giant = event(dump({"type": "giant", "padding": "x" * GIANT_BYTES}))
    return chain(_until(2, pieces), [Piece(giant)], pieces)


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
    ping(),
)

BENT: dict[str, Bend] = {
    "cut": _ends_with(ABORT),
    "close": _ends_with(),
    "stall": _ends_with(STALL),
    "pingstall": _stall_with_pings,
    "error": _error,
    "garbage": _garbage,
    "nodone": lambda _fault, pieces, _script: (one for one in pieces if one != DONE),
    "giant": _giant,
    "slowbody": lambda fault, pieces, _script: chain(
        [Piece(seconds=fault.number(SLOW_SECONDS))], pieces
    ),
    "handoff": _hand_over,
    "handoff410": _hand_over,
}
"""Faults within an answer; any other name leaves it whole."""

FAULT_NAMES = (
    *dict.fromkeys(name.partition(" ")[0].partition(":")[0] for name in INSTEAD),
    *(*BENT, "slow", "refuse", "empty"),
)
