"""The answers of the stub upstream: bytes of both stream generations, made of countable tokens.

A token is eight bytes: `~`, the microseconds of its departure as six hexadecimal digits, and a
blank, for example `~0f3c5a `. So a reader counts tokens by one character and knows the age of the
last one without decoding anything.
"""

import json
import re
import time
from typing import Any

from msgspec import Struct

TOKEN_MARK = b"~"
EVENT_MARK = b"^"  # once in each v0 event, which repeats all tokens: counts them in raw answers
STAMP_DIGITS = 6
_STAMP_MASK = 16**STAMP_DIGITS - 1  # microseconds; starts again every 17 s
_PLAY = re.compile(rb"play (v0|v1|codex|openai) (\d+) (\d+) (\d+)")
_MESSAGE_ID = "5b0c7c1e-0000-4000-8000-000000000001"
_CONVERSATION_ID = "6c1d8d2f-0000-4000-8000-000000000002"
_CUT = "\0"  # the place of the text in an event


class Play(Struct, frozen=True):
    """The answer that is ordered: `tokens`, sent `group` at a time with a pause between groups."""

    generation: str
    tokens: int
    group: int
    pause_microseconds: int

    @property
    def words(self) -> str:
        """The question that orders it: `play v1 200 8 1000`."""
        return f"play {self.generation} {self.tokens} {self.group} {self.pause_microseconds}"


def asked(body: bytes) -> Play | None:
    """Return the answer that a request orders, or None."""
    found = _PLAY.search(body)
    if found is None:
        return None
    return Play(found[1].decode(), int(found[2]), int(found[3]), int(found[4]))


def token() -> bytes:
    """Return a token with the present time in it."""
    return b"~%06x " % (time.monotonic_ns() // 1000 & _STAMP_MASK)


def age_microseconds(stamp: bytes) -> int:
    """Return the microseconds since a token with this stamp was sent.

    Raises:
        ValueError: it is no stamp, since the read ended inside it.
    """
    if len(stamp) != STAMP_DIGITS:
        raise ValueError(stamp)
    return (time.monotonic_ns() // 1000 - int(stamp, 16)) & _STAMP_MASK


def _event(value: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def _around(value: object, name: str = "") -> tuple[bytes, bytes]:
    """Return the bytes before and after the text of an event."""
    before, after = _event(value, name).split(json.dumps(_CUT)[1:-1].encode())
    return before, after


def _message(text: str, *, is_last: bool = False) -> dict[str, Any]:
    return {
        "message": {
            "id": _MESSAGE_ID,
            "author": {"role": "assistant", "name": None, "metadata": {}},
            "create_time": 1714561351.112,
            "update_time": None,
            "content": {"content_type": "text", "parts": [text]},
            "status": "finished_successfully" if is_last else "in_progress",
            "end_turn": True if is_last else None,
            "weight": 1.0,
            "metadata": {
                "citations": [],
                "gizmo_id": None,
                "message_type": "next",
                "model_slug": "gpt-4o",
                "default_model_slug": "gpt-4o",
                "request_id": EVENT_MARK.decode(),
            },
            "recipient": "all",
        },
        "conversation_id": _CONVERSATION_ID,
        "error": None,
    }


_PATH = "/message/content/parts/0"
_V0 = _around(_message(_CUT))
_V0_LAST = _around(_message(_CUT, is_last=True))
_V1_FIRST = _around({"p": _PATH, "o": "append", "v": _CUT}, "delta")
_V1_NEXT = _around({"v": _CUT}, "delta")
_V1_START = _event("v1", "delta_encoding") + _event(
    {"p": "", "o": "add", "v": _message(""), "c": 0}, "delta"
)
_V1_END = _event(
    {
        "p": "",
        "o": "patch",
        "v": [
            {"p": "/message/status", "o": "replace", "v": "finished_successfully"},
            {"p": "/message/end_turn", "o": "replace", "v": True},
        ],
    },
    "delta",
) + _event({"type": "message_stream_complete", "conversation_id": _CONVERSATION_ID})
_DONE = b"data: [DONE]\n\n"


def _chunk(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    return {**head, "choices": [choice]}


_OPENAI = _around(_chunk({"content": _CUT}))
_OPENAI_START = _event(_chunk({"role": "assistant", "content": ""}))
_OPENAI_END = _event(_chunk({}, "stop")) + _DONE


_ITEM: dict[str, Any] = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
_CODEX_USAGE = {"input_tokens": 9, "output_tokens": 200, "total_tokens": 209}


def _codex(kind: str, **fields: object) -> dict[str, object]:
    return {"type": kind, **fields, "sequence_number": 7}


def _codex_event(kind: str, **fields: object) -> bytes:
    return _event(_codex(kind, **fields), kind)


_CODEX_DELTA = "response.output_text.delta"
_CODEX = _around(
    _codex(
        _CODEX_DELTA,
        item_id="msg_1",
        output_index=0,
        content_index=0,
        delta=_CUT,
        logprobs=[],
        obfuscation="p0cZ2rNqV5xL",
    ),
    _CODEX_DELTA,
)
_CODEX_START = _codex_event("response.created", response={"id": "resp_1", "model": "gpt-6"})
_CODEX_START += _codex_event("response.output_item.added", output_index=0, item=_ITEM)
_CODEX_END = _codex_event("response.output_item.done", output_index=0, item=_ITEM)
_CODEX_END += _codex_event("response.completed", response={"usage": _CODEX_USAGE, "output": []})


class Answer:
    """One answer being sent; `next` returns the bytes of the next group."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._sent = 0
        self._text = b""

    @property
    def is_over(self) -> bool:
        """Whether all tokens were returned."""
        return self._sent >= self._play.tokens

    def next(self) -> bytes:
        """Return the events of the next group of tokens."""
        count = min(self._play.group, self._play.tokens - self._sent)
        events = [self._event() for _ in range(count)]
        return b"".join(events)

    def _event(self) -> bytes:
        self._sent += 1
        match self._play.generation:
            case "v0":
                return self._v0()
            case "v1":
                return self._v1()
            case "codex":
                return self._codex()
            case _:
                return self._openai()

    def _v0(self) -> bytes:
        self._text += token()
        before, after = _V0_LAST if self.is_over else _V0
        return before + self._text + after + (_DONE if self.is_over else b"")

    def _v1(self) -> bytes:
        is_first = self._sent == 1
        before, after = _V1_FIRST if is_first else _V1_NEXT
        event = before + token() + after
        if is_first:
            event = _V1_START + event
        return event + _V1_END + _DONE if self.is_over else event

    def _codex(self) -> bytes:
        event = _CODEX[0] + token() + _CODEX[1]
        if self._sent == 1:
            event = _CODEX_START + event
        return event + _CODEX_END if self.is_over else event

    def _openai(self) -> bytes:
        event = _OPENAI[0] + token() + _OPENAI[1]
        if self._sent == 1:
            event = _OPENAI_START + event
        return event + _OPENAI_END if self.is_over else event
