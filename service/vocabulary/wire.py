"""JSON as it goes to callers: one line, safe for every reader, and the object that an error is.

`openai-wire.md` 1 to 5 has the rules: a line stays under 64 KiB, because Go's scanner ends the
stream at a longer one, and holds no raw line separators, because some readers split there.
"""

import json
from typing import Any

import msgspec

from service.vocabulary.events import Failure

# Of one chunk: where a lone surrogate forces ASCII, an emoji takes twelve bytes, so 60 of the 64 KB.
MAX_TEXT_CHARS = 5_000
_LINE_ENDS = (
    ("\u0085".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


def to_json(value: object) -> bytes:
    """Return JSON on one line, without raw line separators and safe for lone surrogates."""
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate: only ASCII escapes can carry it
        return json.dumps(value, separators=(",", ":")).encode()
    if not encoded.isascii():
        for raw, escaped in _LINE_ENDS:
            encoded = encoded.replace(raw, escaped)
    return encoded


def error_object(failure: Failure, partial: str = "") -> dict[str, Any]:
    """Return `{"error": …}` with its four keys, and the text received as a fifth."""
    error = {
        "message": failure.message,
        "type": failure.type,
        "param": failure.param,
        "code": failure.code,
    }
    if partial:
        error["partial"] = partial
    return {"error": error}


def error_frame(failure: Failure) -> bytes:
    """Return the event that ends a stream in place of a finish; it has no `choices`."""
    body = error_object(failure)
    body["error"]["message"] = failure.message[:MAX_TEXT_CHARS]
    return b"data: %b\n\n" % to_json(body)
