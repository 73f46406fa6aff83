"""Good turns of Codex's back end, event by event (codex 3), and the answers to their calls."""

from typing import Any

import orjson

from tests.faults.turns import WORDS, Frame, GoodTurn

USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}
THOUGHT = "**Reading**"
ARGUMENTS = ('{"ci', '{"city": "Pa', '{"city": "Paris 巴', '{"city": "Paris 巴黎 🚢"}')
ITEMS = frozenset({"responses"})
"""The dialect that shows an item as soon as there is one, a thought with its first word."""
THOUGHT_OF = frozenset({"responses", "chat"})
CALLED = frozenset({"responses", "chat", "messages"})
KEEP_ALIVE = b'event: keepalive\ndata: {"type":"keepalive"}\n\n'


def happening(kind: str, **fields: Any) -> bytes:
    r"""Return one event: `event: response.created\ndata: {"type":"response.created",…}\n\n`."""
    data = orjson.dumps({"type": kind, **fields})
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


def response_event(kind: str, **fields: Any) -> bytes:
    """Return an event about the whole response."""
    told = {"id": "resp_1", "model": "gpt-4o", "output": [], **fields}
    return happening(f"response.{kind}", response=told)


LIMITS = happening(
    "codex.rate_limits",
    plan_type="plus",
    rate_limits={"primary": {"used_percent": 3.5, "window_minutes": 300, "reset_at": 4102444800}},
)
CREATED = response_event("created", status="in_progress")
COMPLETED = response_event("completed", status="completed", usage=USAGE)


def item_event(kind: str, index: int, **item: Any) -> bytes:
    """Return the first or the last event of an item."""
    return happening(f"response.output_item.{kind}", output_index=index, item=item)


def message_of(text: str, kind: str = "done", index: int = 0) -> bytes:
    """Return the first or the last event of a message."""
    parts = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    return item_event(kind, index, type="message", id="msg_1", role="assistant", content=parts)


def _delta(kind: str, item_id: str, index: int, delta: str, **more: Any) -> bytes:
    return happening(f"response.{kind}", item_id=item_id, output_index=index, delta=delta, **more)


def _said(before: str, after: str) -> bytes:
    return _delta("output_text.delta", "msg_1", 0, after[len(before) :], content_index=0)


def _saying() -> GoodTurn:
    grown = [
        Frame(_said(before, text), text) for before, text in zip(("", *WORDS), WORDS, strict=False)
    ]
    last = WORDS[-1]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return GoodTurn(
        "text",
        (
            Frame(LIMITS, "", is_unseen=True),
            Frame(CREATED, "", is_unseen=True),
            Frame(response_event("in_progress", status="in_progress"), "", is_unseen=True),
            Frame(message_of("", "added"), "", begun=ITEMS),
            *grown,
            Frame(KEEP_ALIVE, last),
            Frame(happening("response.output_text.done", **place, text=last), last),
            Frame(message_of(last), last),
            Frame(COMPLETED, last, is_end=True),
        ),
        place="codex",
        again=KEEP_ALIVE,
    )


def _calling() -> GoodTurn:
    part = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": THOUGHT}],
    }
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather"}
    last = ARGUMENTS[-1]
    grown = [
        Frame(
            _delta("function_call_arguments.delta", "fc_1", 1, text[len(before) :]),
            text,
            begun=CALLED,
        )
        for before, text in zip(("", *ARGUMENTS), ARGUMENTS, strict=False)
    ]
    summary = _delta("reasoning_summary_text.delta", "rs_1", 0, THOUGHT, summary_index=0)
    sealed = {**thought, "encrypted_content": "gAAAAsealed"}
    return GoodTurn(
        "call",
        (
            Frame(CREATED, "", is_unseen=True),
            Frame(item_event("added", 0, **{**thought, "summary": []}), "", begun=ITEMS),
            Frame(
                happening("response.reasoning_summary_part.added", **part, part={}), "", begun=ITEMS
            ),
            Frame(summary, "", begun=THOUGHT_OF),
            Frame(item_event("done", 0, **sealed), "", begun=THOUGHT_OF),
            Frame(item_event("added", 1, **call, arguments=""), "", begun=CALLED),
            *grown,
            Frame(item_event("done", 1, **call, arguments=last), last, begun=CALLED),
            Frame(COMPLETED, last, is_end=True, begun=CALLED),
        ),
        place="codex",
        finish="tool_calls",
    )


BOTH = SAYING, CALLING = _saying(), _calling()
