"""JSON as upstreams send it, including lone surrogates and invalid UTF-8."""

import json
from typing import Any

import orjson

UNREADABLE = object()


def loose_json(data: bytes) -> Any:
    """Return the JSON value, or `UNREADABLE`.

    orjson refuses two things that upstreams send: escapes of lone surrogates, and invalid UTF-8.
    The slower reader accepts them.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        if data[:1] not in b'{"' and data.lstrip()[:1] not in (b"{", b'"'):
            return UNREADABLE
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return UNREADABLE
