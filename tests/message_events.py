"""A strict reader of the Messages dialect, which fails where its strictest client would.

The rules are those of anthropic-wire 3.1 and A8 11 to 15: a closed list of events, blocks and
deltas, indexes without a gap, one open block at a time, and exactly one start, one end and one
stop.
"""

import functools
import json
from typing import Any

from pydantic import TypeAdapter

DELTAS = {
    "text": {"text_delta": "text"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
    "server_tool_use": {"input_json_delta": "partial_json"},
    "web_search_tool_result": {},
}
USAGE = (
    *("input_tokens", "output_tokens", "cache_creation_input_tokens"),
    "cache_read_input_tokens",
)
MAX_LINE_BYTES = 65_535


def events_of(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream, with pings and without comments."""
    blocks = body.split(b"\n\n")
    assert blocks.pop() == b"", "the last event has no end"
    events = []
    for block in blocks:
        if block.startswith(b":"):
            continue
        assert len(block) < MAX_LINE_BYTES
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()  # A8 11
        if event["type"] == "ping":
            assert data == b'data: {"type":"ping"}'  # A8 21
        events.append(event)
    return events


@functools.cache
def types_of_the_sdk() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """Return what validates an event and a whole message.

    The SDK takes seconds to import, so only the process that reads a stream imports it.
    """
    from anthropic.types import Message, RawMessageStreamEvent  # noqa: PLC0415 - see above

    return TypeAdapter(RawMessageStreamEvent), TypeAdapter(Message)


class Read:
    """A stream, read strictly; `error` is that of a failed one."""

    def __init__(self, body: bytes) -> None:
        self.events = events_of(body)
        self.content: list[dict[str, Any]] = []
        self.error: dict[str, Any] | None = None
        self.is_stopped = False
        self.stop: dict[str, Any] = {}
        self.usage: dict[str, Any] = {}
        self.message: dict[str, Any] = {}
        self._open: int | None = None
        self._texts: list[str] = []
        for event in self.events:
            assert not self.is_stopped, "an event follows the end"
            assert self.error is None, "an event follows the error"
            self._take(event)
        assert self.is_stopped is (self.error is None)  # A8 14, 17
        if self.is_stopped:
            types_of_the_sdk()[1].validate_python(self.whole)

    @property
    def kinds(self) -> list[str]:
        return [block["type"] for block in self.content]

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.content if block["type"] == "text")

    @property
    def whole(self) -> dict[str, Any]:
        """Return the message that the events add up to."""
        return {**self.message, "content": self.content, **self.stop, "usage": self.usage}

    # One short branch for each kind of event: the table of 3.1.
    def _take(self, event: dict[str, Any]) -> None:  # noqa: C901 - see above
        kind = event["type"]
        if kind not in ("ping", "error"):
            types_of_the_sdk()[0].validate_python(event, strict=False)
        match kind:
            case "message_start":
                assert not self.message
                self.message = event["message"]
                assert self.message["content"] == []
                check_usage(self.message["usage"])  # A8 15
            case "content_block_start":
                self._start(event)
            case "content_block_delta":
                self._grow(event)
            case "content_block_stop":
                assert event["index"] == self._open
                self._whole()
            case "message_delta":
                assert self._open is None
                assert not self.stop
                self.stop, self.usage = event["delta"], event["usage"]
                check_usage(self.usage)
            case "message_stop":
                assert self.stop
                self.is_stopped = True
            case "error":
                self.error = event
            case _:
                assert kind == "ping", f"an event of no known type: {kind}"

    def _start(self, event: dict[str, Any]) -> None:
        assert self._open is None, "two blocks are open"  # A8 12
        assert event["index"] == len(self.content), "the indexes have a gap"
        block = event["content_block"]
        assert not block.get("text")
        assert block.get("input", {}) == {}  # A8 13
        self._open, self._texts = event["index"], []
        self.content.append(dict(block))

    def _grow(self, event: dict[str, Any]) -> None:
        assert event["index"] == self._open
        block, delta = self.content[-1], event["delta"]
        field = DELTAS[block["type"]][delta["type"]]
        if field == "partial_json":
            self._texts.append(delta[field])
        else:
            block[field] += delta[field]

    def _whole(self) -> None:
        block = self.content[-1]
        if "input" in block:
            block["input"] = json.loads("".join(self._texts) or "{}")
        self._open = None


def check_usage(usage: dict[str, Any]) -> None:
    for name in USAGE:
        assert isinstance(usage[name], int)
        assert usage[name] >= 0
