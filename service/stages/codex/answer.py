"""CodexEvent -> Delta: one turn of Codex's back end (codex 3), as the same deltas as the website's.

Items may arrive interleaved. Items after a message or a reasoning item wait until that one has
ended, so that each text is contiguous; calls and uses of tools may overlap, as they arrive. At the
end of the turn all waiting items are delivered, and also what only the last event contains.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from service.stages.codex.ending import CodexEnding
from service.stages.codex.events import CodexEvent, unknown_event
from service.stages.codex.items import (
    STEPS,
    Call,
    JsonObject,
    Message,
    OutputItem,
    Picture,
    Reasoning,
    ToolItem,
    is_count,
    step_of,
    word_in,
)
from service.stages.codex.limits import limits_in_event
from service.stages.codex.raw_events import Event
from service.vocabulary.endings import Seen
from service.vocabulary.events import BodyEnded, Delta, TurnFacts, Unknown
from service.vocabulary.native import (
    FunctionCallEnded,
    MessageEnded,
    PictureFailed,
    ReasoningEnded,
    ToolItemEnded,
    UsageKnown,
)

MAX_ITEMS = 999  # per turn: the ids of items have three digits for their places
_MAX_MODEL_CHARS = 256  # of a name, kept

# The kind of item that an event implies when its item was never announced.
_KINDS = {
    "response.output_text.delta": "message",
    "response.output_text.done": "message",
    "response.output_text.annotation.added": "message",
    "response.refusal.delta": "message",
    "response.refusal.done": "message",
    "response.content_part.added": "message",
    "response.content_part.done": "message",
    "response.reasoning_summary_part.added": "reasoning",
    "response.reasoning_summary_part.done": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_summary_text.done": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_text.done": "reasoning",
    "response.function_call_arguments.delta": "function_call",
    "response.function_call_arguments.done": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
    "response.custom_tool_call_input.done": "custom_tool_call",
}
_ADDED, _DONE = "response.output_item.added", "response.output_item.done"
_PICTURE = "image_generation_call"
_COMPLETED = ("response.completed", "response.done")
_NAMING = ("response.created", "response.in_progress", "response.queued")
# Known events that are not passed on: clients break on events outside of the API (codex 3).
_SILENT = frozenset({"keepalive", "response.metadata"})
_PRIVATE = ("codex.", "responsesapi.")


_TEXT_ENDS = (MessageEnded, ReasoningEnded)
_ENDS = (*_TEXT_ENDS, FunctionCallEnded, ToolItemEnded, PictureFailed)


class CodexAnswer:
    """The stage from events to deltas; one instance per turn.

    Args:
        now: seconds since 1970, from which errors count their waits.
        model: the model that answers, if the head of the answer named it.
        names: the caller's names of tools by the names that were sent.
        secrets: tokens that errors may not quote even if the back end repeats them.
        counts_pictures: the tokens of the tool that draws are part of the usage.
    """

    def __init__(
        self,
        now: float,
        model: str = "",
        names: Mapping[str, str] | None = None,
        secrets: Collection[str] = (),
        *,
        counts_pictures: bool = False,
    ) -> None:
        self.ending = CodexEnding(now, secrets)
        self._counts_pictures = counts_pictures
        self._model = model[:_MAX_MODEL_CHARS]
        self._is_model_told = False
        self._is_model_sure = bool(model)
        self._names = dict(names or {})
        self._items: dict[int, OutputItem] = {}
        self._done: set[int] = set()
        self._places: dict[str, int] = {}  # the item's place by its id
        self._latest: int | None = None  # the place of the latest event's item
        self._speaking: int | None = None
        self._waiting: dict[int, list[Event]] = {}  # events of the items after it, by item
        self._numbers = {"call": 0, "picture": 0, "tool": 0}

    def feed(self, event: CodexEvent) -> Iterator[Delta]:
        """Yield zero or more deltas for one event; never waits, never raises."""
        if self.ending.state.is_over:
            return
        match event:
            case Event():
                yield from self._event(event)
            case Unknown():
                self.ending.count(event)
            case BodyEnded():
                yield from self._break_off()
                yield self.ending.unfinished(event)

    # One branch for each kind of event: a table, split only at the cost of finding a kind.
    def _event(self, event: Event) -> Iterator[Delta]:  # noqa: C901, PLR0912 - see above
        kind = event.type
        if kind in _KINDS or kind in (_ADDED, _DONE):
            yield from self._routed(event)
        elif kind in _COMPLETED:
            yield from self._completed(event.response or {})
        elif kind == "response.incomplete":
            yield from self._incomplete(event.response or {})
        elif kind in ("response.failed", "error") or (not kind and _is_error(event)):
            yield from self._failed(event)
        elif kind in _NAMING:
            self.ending.see(Seen.EVENTS)
            yield from self._named(event.response or {})
        elif kind == "codex.rate_limits":
            if (limits := limits_in_event(event)) is not None:
                yield limits
        elif kind in _SILENT or kind.startswith(_PRIVATE):
            self.ending.see(Seen.EVENTS)
        elif step_of(kind) in STEPS and self._place_of(event) is not None:
            yield from self._routed(event)
        elif _is_error(event):
            yield from self._failed(event)
        else:
            self.ending.count(unknown_event(event))

    # --- items ------------------------------------------------------------------

    def _routed(self, event: Event) -> Iterator[Delta]:
        """Process an event of an item, now or when the items before it have ended."""
        place = self._place_of(event)
        if place is None:
            place = self._new_place(event)
        self._latest = place
        if place is None or place in self._done:
            return
        if self._speaking is not None and place != self._speaking:
            self._waiting.setdefault(place, []).append(event)
            return
        yield from self._item_event(place, event)
        yield from self._go_on()

    def _go_on(self) -> Iterator[Delta]:
        """Process waiting events, item by item, until a speaking item is reached."""
        while self._speaking is None and self._waiting:
            place = next(iter(self._waiting))
            for event in self._waiting.pop(place):
                if place not in self._done:
                    yield from self._item_event(place, event)

    def _item_event(self, place: int, event: Event) -> Iterator[Delta]:
        item = (event.item or {}) if event.type in (_ADDED, _DONE) else {}
        output = self._items.get(place)
        if output is None:
            output = self._made(str(item.get("type") or _KINDS.get(event.type) or ""))
            self._items[place] = output
            self._speaking = place if output.is_speaking else self._speaking
            self.ending.has_items = True
            yield from output.begin(item)
        elif event.type == _ADDED:
            yield from output.begin(item)
        if event.type == _DONE:
            yield from self._finished(place, item)
        elif event.type != _ADDED:
            yield from output.feed(event)
        self.ending.see(output.seen)

    def _finished(self, place: int, item: JsonObject | None) -> Iterator[Delta]:
        output = self._items[place]
        yield from output.finish(item)
        self._done.add(place)
        self.ending.see(output.seen)
        self.ending.count_rewrites(output.rewrites)
        if self._speaking == place:
            self._speaking = None

    def _made(self, kind: str) -> OutputItem:
        match kind:
            case "message":
                return Message()
            case "reasoning":
                return Reasoning()
            case "function_call" | "custom_tool_call":
                is_custom = kind == "custom_tool_call"
                return Call(lambda: self._next("call"), self._names, is_custom=is_custom)
            case _ if kind == _PICTURE:
                return Picture(self._next("picture"))
            case _:
                return ToolItem(self._next("tool"))

    def _next(self, what: str) -> int:
        number = self._numbers[what]
        self._numbers[what] += 1
        return number

    def _place_of(self, event: Event) -> int | None:
        """Return the place of an event's item in the output, None if it is a new one."""
        item_id, place = _id_in(event), event.output_index
        if item_id is not None and item_id in self._places:
            return self._places[item_id]
        if place is not None:
            return place if place in self._items or place in self._waiting else None
        # No index and no id: it continues the item of the event before it.
        return self._latest if item_id is None and event.type != _ADDED else None

    def _new_place(self, event: Event) -> int | None:
        """Give a new item a place, None if there are too many."""
        known = len(self._items) + len(self._waiting)
        if known >= MAX_ITEMS:
            self.ending.count(Unknown("too many items"))
            return None
        place = event.output_index
        if place is None:
            place = -1 - known  # not an index of the back end's
        if (item_id := _id_in(event)) is not None:
            self._places[item_id] = place
        return place

    # --- the end ------------------------------------------------------------------

    def _completed(self, response: JsonObject) -> Iterator[Delta]:
        """End the turn at its last event, which in aliases may be any of three."""
        match response.get("status"):
            case "incomplete":
                yield from self._incomplete(response)
            case "failed" if response.get("error"):
                yield from self._failed(Event(type="response.failed", response=response))
            case _:
                yield from self._last_words(response)
                yield self.ending.completed()

    def _incomplete(self, response: JsonObject) -> Iterator[Delta]:
        yield from self._last_words(response, is_whole=False)
        details = response.get("incomplete_details")
        yield self.ending.incomplete(details.get("reason") if isinstance(details, dict) else None)

    def _failed(self, event: Event) -> Iterator[Delta]:
        yield from self._named(event.response or {})
        yield from self._break_off()
        error = (event.response or {}).get("error")
        yield self.ending.failed(Event(event.type, error=error) if error else event)

    def _last_words(self, response: JsonObject, *, is_whole: bool = True) -> Iterator[Delta]:
        """Yield the deltas that only the last event contains, and everything that waits."""
        yield from self._named(response)
        output = response.get("output")
        # Where items came without an index, the last event's may be the same ones.
        is_placed = all(place >= 0 for place in self._items)
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if not isinstance(item, dict):
                continue
            event = Event(_DONE, output_index=index, item=item)
            if is_placed or self._place_of(event) is not None:
                yield from self._routed(event)
        yield from self._flush() if is_whole else self._break_off()
        if tier := word_in(response, "service_tier"):
            yield TurnFacts(upstream_model=self._model or None, service_tier=tier)
        if (known := usage_in(response.get("usage"))) is not None:
            tools = response.get("tool_usage")
            drawn = usage_in(tools.get("image_gen")) if isinstance(tools, dict) else None
            yield known + drawn if drawn and self._counts_pictures else known

    def _break_off(self) -> Iterator[Delta]:
        """Yield the rest of all open items, without marking them complete.

        Agents run a call as soon as it has ended, and half of one is none.
        """
        for delta in self._flush():
            # Text that is followed by another has to end before it.
            if not isinstance(delta, _ENDS) or (self._waiting and isinstance(delta, _TEXT_ENDS)):
                yield delta

    def _flush(self) -> Iterator[Delta]:
        """End all items that are still open, in order."""
        while True:
            yield from self._go_on()
            if self._speaking is None:
                break
            yield from self._finished(self._speaking, None)
        for place in self._items:
            if place not in self._done:
                yield from self._finished(place, None)

    def _named(self, response: Mapping[str, Any]) -> Iterator[Delta]:
        """Name the model that answers; the head of the answer is the best source."""
        named = response.get("model")
        is_news = isinstance(named, str) and named != self._model and not self._is_model_sure
        if is_news:
            self._model = str(named)[:_MAX_MODEL_CHARS]
        if self._model and (is_news or not self._is_model_told):
            self._is_model_told = True
            yield TurnFacts(upstream_model=self._model)


def usage_in(usage: object) -> UsageKnown | None:
    """Return the tokens of a `usage` object, None if it is not one."""
    if not isinstance(usage, dict):
        return None
    prompt, answer = usage.get("input_tokens"), usage.get("output_tokens")
    if not is_count(prompt) or not is_count(answer):
        return None
    return UsageKnown(
        prompt,
        answer,
        cached_tokens=_detail(usage, "input_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(usage, "output_tokens_details", "reasoning_tokens"),
        picture_tokens=_detail(usage, "input_tokens_details", "image_tokens"),
    )


def _id_in(event: Event) -> str | None:
    item_id = event.item_id or (event.item or {}).get("id")
    return item_id if isinstance(item_id, str) else None


def _detail(usage: Mapping[str, Any], where: str, name: str) -> int:
    details = usage.get(where)
    value = details.get(name) if isinstance(details, dict) else None
    return value if is_count(value) else 0


def _is_error(event: Event) -> bool:
    return bool(event.error or event.detail or (not event.type and (event.code or event.message)))
