"""bytes -> texts: a run of v1 increments, which is what nearly all of a stream is, at one go.

`sse` and `parse` are the definition; this is about speed alone. What it does not know (other
fields or operations, CR, lone surrogates, broken JSON) it leaves to them.
"""

import re

import orjson
from msgspec import Struct

_OPENING = re.compile(rb'(?:event: delta\n)?data: ?\{"v": ?"')
_END = b'"}\n\n'
_NAME, _DATA = b"event: delta\n", b'data: {"v":'


class Increments(Struct, frozen=True):
    """The texts of the increments that a chunk begins with, and the bytes after them."""

    texts: list[str]
    rest: bytes


def first_increment(chunk: bytes) -> int:
    """Return where a run may begin in a chunk that begins between two events, -1 if nowhere."""
    at = chunk.find(_DATA)
    if at > 0 and chunk.endswith(_NAME, 0, at):
        at -= len(_NAME)
    return at if at <= 0 or chunk.endswith(b"\n\n", 0, at) else -1


def leading_increments(chunk: bytes) -> Increments | None:
    """Return the run of whole `{"v": "…"}` that a chunk begins with, None if there is none.

    The chunk begins between two events. The texts are decoded as one JSON array: what is no
    string would break it or change its length, and no string of JSON has a raw line feed.
    """
    begin = _OPENING.match(chunk)
    if begin is None:
        return None
    opening = begin[0]
    literals = chunk[len(opening) :].split(_END + opening)
    last, end, rest = literals.pop().partition(_END)
    if end:
        literals.append(last)
    else:
        rest = opening + last
    try:
        texts = orjson.loads(b'["%b"]' % b'","'.join(literals)) if literals else []
    except orjson.JSONDecodeError:
        return None
    return Increments(texts, rest) if 0 < len(texts) == len(literals) else None
