"""Many events in a row that only add text to one message, read as the one event that they add up to.

    event: response.output_text.delta
    data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"delta":"Hi"}

They are nearly all that an answer is made of. What is not written just like this is read one by one.
"""

import re
from collections.abc import Iterator

import msgspec

from service.stages.codex.raw_events import Piece, Run

TYPE = "response.output_text.delta"
MIN_RUN_BYTES = 256  # what is shorter has a few events at the most
_HEAD = b"event: response.output_text.delta\ndata: "
_RUN = re.compile(rb"(?:" + re.escape(_HEAD) + rb"\{[^\n]*\}\n\n)+")
_CR = b"\r"[0]  # ends a line, too; to search for it afterwards is ten times as fast
_BETWEEN = b"\n\n" + _HEAD


_DECODER = msgspec.json.Decoder(list[Piece])


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
    told = chunk[start + len(_HEAD) : end - 2]
    if _CR in told:
        return None
    lines = told.split(_BETWEEN)
    try:
        pieces = _DECODER.decode(b"[" + b",".join(lines) + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if len(pieces) != len(lines):
        return None  # a line holds several
    places = {(piece.item_id, piece.output_index, piece.content_index) for piece in pieces}
    if len(places) > 1:
        return None
    text = "".join([piece.delta for piece in pieces])
    return Run(start, end, len(pieces), *places.pop(), delta=text)
