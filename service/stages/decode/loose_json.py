"""JSON as upstreams send it: halves of characters as escapes, and bytes that are no UTF-8, among it."""

import json
from typing import Any

import orjson

UNREADABLE = object()


def loose_json(data: bytes) -> Any:
    """Return the JSON value, or `UNREADABLE`.

    orjson refuses two things that upstreams send: halves of characters as
    escapes, and bytes that are no UTF-8. The slower reader takes them.
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
