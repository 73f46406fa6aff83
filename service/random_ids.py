"""Random ids of requests, answers and messages, cut from one pool of the system's random bytes.

A request needs half a dozen of them, and a call of the system for each would cost more than the rest
of making them. Keys and other secrets do not come from here but from `secrets`.
"""

import os
from struct import Struct

# A pool of pieces of 32 bytes, which is more than any id has.
_CUT = Struct("32s" * 128)
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))  # by a random digit

# Taken by `pop`, which no thread can come between, so no bytes are handed out twice.
_pieces: list[bytes] = []
os.register_at_fork(after_in_child=_pieces.clear)  # else two workers would make the same ids


def random_bytes(size: int) -> bytes:
    """Return this many random bytes, 32 at the most."""
    return _piece()[:size]


def random_hex(size: int) -> str:
    """Return this many random bytes as hexadecimal digits, two for each; 32 bytes at the most."""
    return _piece()[:size].hex()


def random_uuid() -> str:
    """Return a UUID of version 4 (RFC 9562), such as `0f8fad5b-d9cb-469f-a165-70867728950e`."""
    text = random_hex(16)
    variant = _VARIANTS[text[16]]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _piece() -> bytes:
    try:
        return _pieces.pop()
    except IndexError:
        fresh: tuple[bytes, ...] = _CUT.unpack(os.urandom(_CUT.size))
        _pieces.extend(fresh[1:])
        return fresh[0]
