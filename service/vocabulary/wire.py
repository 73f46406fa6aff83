"""JSON as it goes to callers, and the error object.

Each JSON text is one line under 64 KiB, because Go's scanner ends the stream at a longer one, and
holds no raw U+2028 or U+2029, because some readers split there (`openai-wire.md` 1 to 5).
"""

import json

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from service.vocabulary.events import Failure

# Per chunk: where a lone surrogate forces ASCII, an emoji takes twelve bytes, so 60 of the 64 KB.
MAX_TEXT_CHARS = 5_000
_encode = msgspec.json.Encoder().encode
_LINE_ENDS = (
    ("\u0085".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


class ErrorDetails(Struct, frozen=True):
    """Why there is no answer. `partial` is the text that arrived before a failure."""

    message: str
    type: str
    param: str | None
    code: str | None
    partial: str | UnsetType = UNSET


class Error(Struct, frozen=True):
    """The body of every failed request, and the last event of a stream that fails."""

    error: ErrorDetails


def to_json(value: object) -> bytes:
    """Return JSON on one line, without raw line separators and safe for lone surrogates."""
    try:
        encoded = _encode(value)
    except UnicodeEncodeError:  # a lone surrogate: only ASCII escapes can carry it
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()
    if not encoded.isascii():
        for raw, escaped in _LINE_ENDS:
            encoded = encoded.replace(raw, escaped)
    return encoded


def error_of(failure: Failure, partial: str = "") -> Error:
    """Return the error object of a failure, with the text that had arrived."""
    details = ErrorDetails(failure.message, failure.type, failure.param, failure.code)
    return Error(structs.replace(details, partial=partial) if partial else details)


def error_frame(failure: Failure) -> bytes:
    """Return the event that ends a failed stream; it has no `choices`."""
    return b"data: %b\n\n" % to_json(error_of(shortened(failure)))


def shortened(failure: Failure) -> Failure:
    """Return the failure with its message short enough for one line."""
    return structs.replace(failure, message=failure.message[:MAX_TEXT_CHARS])
