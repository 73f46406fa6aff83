"""A long silence in an answer of `/v1/messages`: what its caller sees meanwhile (anthropic-wire A8 20).

Claude Code gives up after 300 seconds without events that it counts. So the silence lasts longer:
there have to be bytes all the while, and a real event, if an empty one, at least once a minute.
"""

import json
import time

from aiohttp import ClientSession, ClientTimeout
from msgspec import Struct

SILENT_SECONDS = 330.0
MOST_WITHOUT_BYTES, MOST_WITHOUT_DELTA = 15.0, 61.0  # a look at the silence may be late
SLACK = 0.25  # of the intervals: the machine is under load
_DELTAS = ("content_block_start", "content_block_delta")


class Heard(Struct, frozen=True):
    """What a caller heard: the longest time without bytes, without a delta, and how it ended."""

    without_bytes: float
    without_delta: float
    is_whole: bool
    seconds: float

    def problems(self, silent_seconds: float) -> list[str]:
        """Return a line for each rule that was broken."""
        found = []
        if self.seconds < silent_seconds:
            found.append(f"silence: over after {self.seconds:.0f} s")
        if self.without_bytes > MOST_WITHOUT_BYTES * (1 + SLACK):
            found.append(f"silence: {self.without_bytes:.0f} s without bytes")
        if self.without_delta > MOST_WITHOUT_DELTA * (1 + SLACK):
            found.append(f"silence: {self.without_delta:.0f} s without a delta")
        if not self.is_whole:
            found.append("silence: the answer has no end")
        return found


async def listen(address: str, silent_seconds: float) -> Heard:
    """Ask for an answer with a silence in it, and listen to its end."""
    question = f"Hello /fault slowbody {silent_seconds:g}"
    body = {
        "model": "gpt-4o",
        "max_tokens": 1000,
        "stream": True,
        "messages": [{"role": "user", "content": question}],
    }
    headers = {"x-api-key": "fk-soak-silence"}
    began = last_bytes = last_delta = time.monotonic()
    without_bytes = without_delta = 0.0
    is_whole = False
    async with (
        ClientSession(timeout=ClientTimeout(None)) as session,
        session.post(f"{address}/v1/messages", json=body, headers=headers) as response,
    ):
        async for line in response.content:
            now = time.monotonic()
            without_bytes, last_bytes = max(without_bytes, now - last_bytes), now
            if not line.startswith(b"data: "):
                continue
            kind = json.loads(line[6:])["type"]
            is_whole |= kind == "message_stop"
            if kind in _DELTAS:
                without_delta, last_delta = max(without_delta, now - last_delta), now
    return Heard(without_bytes, without_delta, is_whole, time.monotonic() - began)
