"""Output items to the events of a stream (X3), and their way to the caller.

An item is given as it is in the end, since `response.output_item.done` is authoritative; what
goes before it follows from its kind and from the manner of the stream.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.stats import CALLER, IS_BARE, STATS

Data = dict[str, Any]
Manner = Literal["pieces", "late", "one"]
"""`late`: items have no events but `added` and `done`; `one`: each text is a single delta."""
_PIECES = re.compile(r"[\u4e00-\u9fff]|\s*[^\s\u4e00-\u9fff]+|\s+")
GLANCE_SECONDS = 0.1
"""How often a silent stream looks whether its caller is still there."""
FOREVER_SECONDS = 3600.0
PIECE_CHARS = 24
"""Of text without blanks, such as the arguments of calls."""


class Item(msgspec.Struct, frozen=True):
    """One output item."""

    done: Data
    partials: tuple[str, ...] = ()
    """Base64 of coarser pictures that come before the last one."""


class Ending(msgspec.Struct, frozen=True):
    """How a stream ends."""

    kind: Literal["completed", "incomplete", "failed", "error", "nothing"] = "completed"
    detail: Data = {}
    """Of `incomplete_details`, of the response's error, or the fields of an error event."""


class Reply(msgspec.Struct, frozen=True):
    """All that a stream says."""

    groups: tuple[tuple[Item, ...], ...]
    """Items in their order; those of one group are streamed at the same time."""
    response: Data
    """The fields of the response that do not change."""
    usage: Data = {}
    first: tuple[Data, ...] = ()
    """Private events that come before all others."""
    ending: Ending = Ending()
    deltas: int | None = None
    """How many deltas come before the ending; None: all that there are."""
    manner: Manner = "pieces"
    is_full: bool = False
    """Whether `response.completed` repeats the output."""


class Event(msgspec.Struct, frozen=True):
    """One event; deltas are what faults count and pauses lie between."""

    data: Data
    is_delta: bool = False

    def as_bytes(self, *, is_bare: bool = False) -> bytes:
        r"""Return the event as it is sent: `event: keepalive\ndata: {"type":"keepalive"}\n\n`."""
        name = b"" if is_bare else b"event: %s\n" % self.data["type"].encode()
        return b"%sdata: %s\n\n" % (name, orjson.dumps(self.data))


def events_of(reply: Reply) -> Iterator[Event]:
    """Yield the events of a whole stream; those of the response are numbered."""
    numbers = iter(range(10**9))
    for data in reply.first:
        yield Event(data)
    for event in chain(_opening(reply), _until(reply.deltas, _items(reply)), _closing(reply)):
        yield Event({**event.data, "sequence_number": next(numbers)}, event.is_delta)


def pieces_of(text: str) -> list[str]:
    """Return a text cut into pieces as a model sends them, none of them long."""
    words = _PIECES.findall(text)
    return [
        word[start : start + PIECE_CHARS]
        for word in words
        for start in range(0, len(word), PIECE_CHARS)
    ]


def _opening(reply: Reply) -> Iterator[Event]:
    begun = {**reply.response, "status": "in_progress", "output": [], "usage": None}
    yield Event({"type": "response.created", "response": begun})
    yield Event({"type": "response.in_progress", "response": begun})


def _until(count: int | None, events: Iterator[Event]) -> Iterator[Event]:
    left = count
    while left != 0 and (event := next(events, None)):
        yield event
        if left is not None:
            left -= event.is_delta


def _closing(reply: Reply) -> Iterator[Event]:
    ending = reply.ending
    if ending.kind == "nothing":
        return
    if ending.kind == "error":
        yield Event({"type": "error", **ending.detail})
        return
    output = [item.done for group in reply.groups for item in group] if reply.is_full else []
    ended = {**reply.response, "status": ending.kind, "output": output, "usage": reply.usage}
    if ending.kind == "incomplete":
        ended["incomplete_details"] = ending.detail
    elif ending.kind == "failed":
        ended |= {"error": ending.detail, "usage": None}
    yield Event({"type": f"response.{ending.kind}", "response": ended})


def _items(reply: Reply) -> Iterator[Event]:
    index = 0
    for group in reply.groups:
        lanes = [_item(item, index + place, reply.manner) for place, item in enumerate(group)]
        index += len(group)
        for events in zip_longest(*lanes):  # one event of each in turn
            yield from (event for event in events if event is not None)


def _item(item: Item, index: int, manner: Manner) -> Iterator[Event]:
    done, at = item.done, {"output_index": index}
    begun = {**done, **_EMPTY.get(done["type"], {})}
    begun.pop("encrypted_content", None)
    if "status" in done:
        begun["status"] = "in_progress"
    yield Event({"type": "response.output_item.added", **at, "item": begun})
    if manner != "late" and (tell := _TELL.get(done["type"])):
        for event in tell(item, manner):
            yield Event({**event.data, "item_id": done["id"], **at}, event.is_delta)
    yield Event({"type": "response.output_item.done", **at, "item": done})


def _text(kind: str, text: str, name: str, manner: Manner, **at: Any) -> Iterator[Event]:
    """Yield the deltas of a text and its end."""
    for piece in [text] if manner == "one" else pieces_of(text):
        yield Event({"type": f"response.{kind}.delta", **at, "delta": piece}, is_delta=True)
    yield Event({"type": f"response.{kind}.done", **at, name: text})


def _message(item: Item, manner: Manner) -> Iterator[Event]:
    for index, part in enumerate(item.done["content"]):
        at = {"content_index": index}
        name = "refusal" if part["type"] == "refusal" else "text"
        empty = {**part, name: ""} | ({"annotations": []} if name == "text" else {})
        yield Event({"type": "response.content_part.added", **at, "part": empty})
        kind = "refusal" if name == "refusal" else "output_text"
        more: Data = {"logprobs": []} if name == "text" else {}
        *deltas, done = _text(kind, part[name], name, manner, **at, **more)
        yield from deltas
        for number, annotation in enumerate(part.get("annotations", ())):
            yield Event(
                {
                    "type": "response.output_text.annotation.added",
                    **at,
                    "annotation_index": number,
                    "annotation": annotation,
                }
            )
        yield done
        yield Event({"type": "response.content_part.done", **at, "part": part})


def _reasoning(item: Item, manner: Manner) -> Iterator[Event]:
    for index, part in enumerate(item.done["summary"]):
        at = {"summary_index": index}
        empty = {**part, "text": ""}
        yield Event({"type": "response.reasoning_summary_part.added", **at, "part": empty})
        yield from _text("reasoning_summary_text", part["text"], "text", manner, **at)
        yield Event({"type": "response.reasoning_summary_part.done", **at, "part": part})


def _picture(item: Item, _manner: Manner) -> Iterator[Event]:
    kind = "response.image_generation_call"
    yield Event({"type": f"{kind}.in_progress"})
    yield Event({"type": f"{kind}.generating"})
    for number, partial in enumerate(item.partials):
        yield Event(
            {
                "type": f"{kind}.partial_image",
                "partial_image_index": number,
                "partial_image_b64": partial,
            },
            is_delta=True,
        )
    yield Event({"type": f"{kind}.completed"})


def _search(_item: Item, _manner: Manner) -> Iterator[Event]:
    for state in ("in_progress", "searching", "completed"):
        yield Event({"type": f"response.web_search_call.{state}"})


_EMPTY: dict[str, Data] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
    "image_generation_call": {"result": None},
}
"""What an item is before it has grown."""

_TELL: dict[str, Callable[[Item, Manner], Iterator[Event]]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": lambda item, manner: _text(
        "function_call_arguments", item.done["arguments"], "arguments", manner
    ),
    "custom_tool_call": lambda item, manner: _text(
        "custom_tool_call_input", item.done["input"], "input", manner
    ),
    "image_generation_call": _picture,
    "web_search_call": _search,
}


class Step(msgspec.Struct, frozen=True):
    """What is written, or done to the connection, after a pause."""

    data: bytes = b""
    act: Literal["write", "head", "abort", "stall"] = "write"
    seconds: float = 0.0


async def deliver(
    request: web.Request, headers: Mapping[str, str], steps: Iterable[Step], *, has_type: bool
) -> web.StreamResponse:
    """Take all steps; a caller that leaves is counted, and ends it quietly."""
    request[IS_BARE] = not has_type
    response = web.StreamResponse(headers=headers)
    response.content_type = "text/event-stream"
    stats = request.app[STATS]
    with stats.open_stream(request[CALLER].account_id):
        try:
            for step in steps:
                await _pause(request, FOREVER_SECONDS if step.act == "stall" else step.seconds)
                if step.act == "head":
                    await response.prepare(request)
                elif step.act == "abort":
                    _abort(request)
                    return response
                elif step.data:
                    await response.write(step.data)
            await response.write_eof()
        except ConnectionError:
            stats.counts["closed_by_peer"] += 1
        except asyncio.CancelledError:  # the runner stops, or cancels handlers of departed callers
            if _is_gone(request):
                stats.counts["closed_by_peer"] += 1
            raise
    return response


async def _pause(request: web.Request, seconds: float) -> None:
    """Wait, watching the caller.

    Raises:
        ConnectionResetError: the caller left.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        if _is_gone(request):
            raise ConnectionResetError
        left = until - loop.time()
        await asyncio.sleep(max(0.0, min(left, GLANCE_SECONDS)))  # gives others a turn, too
        if left <= GLANCE_SECONDS:
            return


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
