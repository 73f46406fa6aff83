"""Output items to the events of a stream (X3), and their way to the caller.

An item is given as it is in the end, since `response.output_item.done` is authoritative; what
goes before it follows from its kind and from the manner of the stream.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.stats import CALLER, IS_BARE, STATS
from upstream.demo.ground.delivery import END, Piece, deliver

Data = dict[str, Any]
Manner = Literal["pieces", "late", "one"]
"""`late`: items have no events but `added` and `done`; `one`: each text is a single delta."""
PIECE_CHARS = 24
"""Of text without blanks, such as the arguments of calls."""
_PIECES = re.compile(r"[\u4e00-\u9fff]|\s*[^\s\u4e00-\u9fff]+|\s+")


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


async def send(
    request: web.Request, headers: Mapping[str, str], pieces: Iterable[Piece], *, has_type: bool
) -> web.StreamResponse:
    """Send a stream, and count it as open until it ends."""
    request[IS_BARE] = not has_type
    response = web.StreamResponse(headers=headers)
    response.content_type = "text/event-stream"
    streams = request.app[STATS].streams
    with streams.opened(request[CALLER].account_id):
        await deliver(request, response, chain(pieces, [END]), streams)
    return response


def events_of(reply: Reply) -> Iterator[Event]:
    """Yield the events of a whole stream; those of the response are numbered."""
    yield from (Event(data) for data in reply.first)
    events = chain(_opening(reply), _until(reply.deltas, _items(reply)), _closing(reply))
    for number, event in enumerate(events):
        yield Event({**event.data, "sequence_number": number}, event.is_delta)


def pieces_of(text: str) -> list[str]:
    """Return a text cut into pieces as a model sends them, none of them long."""
    return [
        word[start : start + PIECE_CHARS]
        for word in _PIECES.findall(text)
        for start in range(0, len(word), PIECE_CHARS)
    ]


def _event(kind: str, **fields: Any) -> Event:
    return Event({"type": f"response.{kind}", **fields}, is_delta=kind.endswith(".delta"))


def _opening(reply: Reply) -> Iterator[Event]:
    begun = {**reply.response, "status": "in_progress", "output": [], "usage": None}
    yield _event("created", response=begun)
    yield _event("in_progress", response=begun)


def _until(count: int | None, events: Iterator[Event]) -> Iterator[Event]:
    left = count
    while left != 0 and (event := next(events, None)):
        yield event
        if left is not None:
            left -= event.is_delta


def _closing(reply: Reply) -> Iterator[Event]:
    ending = reply.ending
    output = [item.done for group in reply.groups for item in group] if reply.is_full else []
    ended = {**reply.response, "status": ending.kind, "output": output, "usage": reply.usage}
    match ending.kind:
        case "nothing":
            return
        case "error":
            yield Event({"type": "error", **ending.detail})
            return
        case "incomplete":
            ended["incomplete_details"] = ending.detail
        case "failed":
            ended |= {"error": ending.detail, "usage": None}
        case "completed":
            pass
    yield _event(ending.kind, response=ended)


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
    yield _event("output_item.added", **at, item=begun)
    if manner != "late" and (tell := _TELL.get(done["type"])):
        for event in tell(item, manner):
            yield Event({**event.data, "item_id": done["id"], **at}, event.is_delta)
    yield _event("output_item.done", **at, item=done)


def _text(kind: str, text: str, name: str, manner: Manner, **at: Any) -> Iterator[Event]:
    """Yield the deltas of a text and its end."""
    for piece in [text] if manner == "one" else pieces_of(text):
        yield _event(f"{kind}.delta", **at, delta=piece)
    yield _event(f"{kind}.done", **at, **{name: text})


def _message(item: Item, manner: Manner) -> Iterator[Event]:
    for index, part in enumerate(item.done["content"]):
        at = {"content_index": index}
        is_text = part["type"] != "refusal"
        kind, name = ("output_text", "text") if is_text else ("refusal", "refusal")
        empty = {**part, name: ""} | ({"annotations": []} if is_text else {})
        more: Data = {"logprobs": []} if is_text else {}
        yield _event("content_part.added", **at, part=empty)
        *deltas, done = _text(kind, part[name], name, manner, **at, **more)
        yield from deltas
        for number, annotation in enumerate(part.get("annotations", ())):
            told = {"annotation_index": number, "annotation": annotation}
            yield _event("output_text.annotation.added", **at, **told)
        yield done
        yield _event("content_part.done", **at, part=part)


def _reasoning(item: Item, manner: Manner) -> Iterator[Event]:
    for index, part in enumerate(item.done["summary"]):
        at = {"summary_index": index}
        yield _event("reasoning_summary_part.added", **at, part={**part, "text": ""})
        yield from _text("reasoning_summary_text", part["text"], "text", manner, **at)
        yield _event("reasoning_summary_part.done", **at, part=part)


def _picture(item: Item, _manner: Manner) -> Iterator[Event]:
    kind = "image_generation_call"
    yield _event(f"{kind}.in_progress")
    yield _event(f"{kind}.generating")
    for number, partial in enumerate(item.partials):
        told = {"partial_image_index": number, "partial_image_b64": partial}
        yield Event(_event(f"{kind}.partial_image", **told).data, is_delta=True)
    yield _event(f"{kind}.completed")


def _search(_item: Item, _manner: Manner) -> Iterator[Event]:
    for state in ("in_progress", "searching", "completed"):
        yield _event(f"web_search_call.{state}")


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
