"""The definition of framing: WHATWG event streams over a complete body, with spec 7.1's additions.

Slow and plain on purpose; nothing here is shared with `service/stages/decode/sse.py`.
Lines that belong to no field are not frames here. A bare line is one event's data;
use bodies in which blank lines surround it, as the spec does not say what joins it.
"""

import re

BOM = "\ufeff".encode()


def frames(body: bytes) -> list[tuple[str, bytes]]:
    """Return (name, data) of every dispatched event that has data, in order."""
    lines = re.split(rb"\r\n|\n|\r", body.removeprefix(BOM))
    dispatched: list[tuple[str, bytes]] = []
    name, data = b"", []
    for line in [*lines, b""]:  # spec 7.1: a last line without its end counts
        if not line:
            joined = b"\n".join(data)
            if joined:
                dispatched.append((name.decode("utf-8", "replace") or "message", joined))
            name, data = b"", []
        elif line.startswith(b"{"):
            data.append(line)
        else:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value
    return dispatched
