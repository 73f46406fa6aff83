"""Reads captured streams: the raw bytes of an upstream's body, or one JSON value a line.

A line of JSON is the data of one event; where the event had a name, the line is `{"event": name,
"data": …}`.

    capture -> body (server-sent events) -> blocks, one for each event
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_WRAPPER = frozenset({"event", "data"})
_DONE = b"[DONE]"


def body_of(capture: bytes) -> bytes:
    """Return a capture as the body that the upstream sent."""
    lines = [line for line in capture.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    if len(lines) < 2 or not all(_is_value(line) for line in lines):  # noqa: PLR2004 - one is a body as it is
        return capture
    return b"".join(map(_event, lines))


def _is_value(line: bytes) -> bool:
    return line.strip() == _DONE or _value(line) is not None


def _value(line: bytes) -> Any:
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | str) else None


def _event(line: bytes) -> bytes:
    value = _value(line)
    if isinstance(value, dict) and value.keys() == _WRAPPER and isinstance(value["event"], str):
        name = value["event"].replace("\n", " ").replace("\r", " ")
        data = json.dumps(value["data"])
        return f"event: {name}\ndata: {data}\n\n".encode()
    return b"data: %b\n\n" % line.strip()


def blocks(body: bytes) -> Iterator[bytes]:
    """Yield the body in blocks, each up to an empty line: normally one event each."""
    lines: list[bytes] = []
    for found in _LINE.finditer(body):
        lines.append(found[0])
        if not found[0].strip(b"\r\n"):
            yield b"".join(lines)
            lines = []
    if rest := b"".join(lines):
        yield rest


def lines_of(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return each line of a block with its line end."""
    found = []
    for match in _LINE.finditer(block):
        if match[0]:
            line = match[0].rstrip(b"\r\n")
            found.append((line, match[0][len(line) :]))
    return found
