"""Many events in a row that only add text to one message, read as the one event that they add up to.

    event: response.output_text.delta
    data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"delta":"Hi"}

They are nearly all that an answer is made of. What is not written just like this is read one by one.
"""

import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct

TYPE = "response.output_text.delta"
MIN_RUN_BYTES = 256  # what is shorter has a few events at the most
_HEAD = b"event: response.output_text.delta\ndata: "
_RUN = re.compile(rb"(?:" + re.escape(_HEAD) + rb"\{[^\r\n]*\}\n\n)+")
_BETWEEN = b"\n\n" + _HEAD


class _Piece(Struct, frozen=True, gc=False):
    type: str
    item_id: str
    output_index: int
    delta: str
    content_index: int | None = None


_DECODER = msgspec.json.Decoder(list[_Piece])


class Run(Struct, frozen=True, gc=False):
    """So many events, from `start` to `end` of a chunk, which add this text."""

    start: int
    end: int
    count: int
    item_id: str
    output_index: int
    content_index: int | None
    delta: str


def runs_in(chunk: bytes) -> Iterator[Run]:
    """Yield the runs of a chunk, which has to begin at the start of an event."""
    # Bytes are searched for a run's beginning far faster than the expression would look for one, and
    # a picture has none.
    start = chunk.find(_HEAD) if len(chunk) >= MIN_RUN_BYTES else -1
    while start >= 0:
        found = _RUN.match(chunk, start)
        end = found.end() if found else start + len(_HEAD)
        is_within_line = start > 0 and chunk[start - 1 : start] != b"\n"
        if found and not is_within_line and (run := _read(chunk, start, end)) is not None:
            yield run
        start = chunk.find(_HEAD, end)


def _read(chunk: bytes, start: int, end: int) -> Run | None:
    """Return the run that stands there, None if its events are not all of one text."""
    listed = chunk[start + len(_HEAD) : end - 2].replace(_BETWEEN, b",")
    try:
        pieces = _DECODER.decode(b"[%b]" % listed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if len(pieces) != chunk.count(_HEAD, start, end):
        return None  # a line holds several
    first = pieces[0]
    place = (first.item_id, first.output_index, first.content_index)
    for piece in pieces:
        if piece.type != TYPE or (piece.item_id, piece.output_index, piece.content_index) != place:
            return None
    return Run(start, end, len(pieces), *place, delta="".join([piece.delta for piece in pieces]))
