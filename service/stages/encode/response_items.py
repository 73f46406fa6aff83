"""The kinds of output items of a response, each with the events that tell of it (openai-wire 8).

Events are dictionaries without their `sequence_number`, which is put in last.
"""

from collections.abc import Mapping
from typing import Any

from typing_extensions import override  # typing has it from 3.12 on

from service.vocabulary.events import Source
from service.vocabulary.rendered import AssetLinked
from service.vocabulary.text import Pieces
from service.vocabulary.wire import MAX_TEXT_CHARS

Event = dict[str, Any]

IN_PROGRESS, COMPLETED, INCOMPLETE = "in_progress", "completed", "incomplete"


class Item:
    """One item; `place` is what its events name it by."""

    def __init__(self, item_id: str, index: int) -> None:
        self.id = item_id
        self.status = IN_PROGRESS
        self.place: Event = {"item_id": item_id, "output_index": index}
        self._texts = Pieces()

    @property
    def text(self) -> str:
        """All its text so far."""
        return self._texts.joined()

    def as_json(self) -> dict[str, Any]:
        """Return the item as it is now."""
        raise NotImplementedError

    def added(self, **empty: Any) -> Event:
        """Return the event of its beginning, with these fields in place of its own."""
        index = self.place["output_index"]
        item = {**self.as_json(), **empty}
        return {"type": "response.output_item.added", "output_index": index, "item": item}

    def done(self) -> Event:
        """Return the event of its end."""
        index = self.place["output_index"]
        return {
            "type": "response.output_item.done",
            "output_index": index,
            "item": self.as_json(),
        }


class GrowingItem(Item):
    """An item whose text comes in pieces."""

    delta = ""  # the kind of event that adds to it
    inner: Mapping[str, Any] = {}  # the other fields of that event

    def opened(self) -> list[Event]:
        """Return the events of its beginning."""
        raise NotImplementedError

    def closed(self) -> list[Event]:
        """Return the events of its end; its status is set before."""
        raise NotImplementedError

    def grow(self, text: str) -> list[Event]:
        """Take text, and return an event for each piece that one line can hold."""
        self._texts.add(text)
        return [
            {
                "type": self.delta,
                **self.place,
                **self.inner,
                "delta": text[at : at + MAX_TEXT_CHARS],
            }
            for at in range(0, len(text), MAX_TEXT_CHARS)
        ]

    def still(self) -> Event:
        """Return an event that adds nothing."""
        return {"type": self.delta, **self.place, **self.inner, "delta": ""}


class ReasoningItem(GrowingItem):
    """What was thought, as one summary."""

    delta = "response.reasoning_summary_text.delta"
    inner: Mapping[str, Any] = {"summary_index": 0}

    @override
    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "reasoning",
            "status": self.status,
            "summary": [self._part(self.text)],
        }

    @override
    def opened(self) -> list[Event]:
        added = {"type": "response.reasoning_summary_part.added", "part": self._part("")}
        return [self.added(summary=[]), {**added, **self.place, **self.inner}]

    @override
    def closed(self) -> list[Event]:
        where = {**self.place, **self.inner}
        end: Event = {"type": "response.reasoning_summary_part.done", "part": self._part(self.text)}
        if self.status == INCOMPLETE:
            end["status"] = INCOMPLETE
        return [
            {"type": "response.reasoning_summary_text.done", "text": self.text, **where},
            {**end, **where},
            self.done(),
        ]

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text", "text": text}


class MessageItem(GrowingItem):
    """Text of the answer, with the citations that stand in it."""

    delta = "response.output_text.delta"
    inner: Mapping[str, Any] = {"content_index": 0, "logprobs": []}

    def __init__(self, item_id: str, index: int) -> None:
        super().__init__(item_id, index)
        self.chars = 0
        self._annotations: list[dict[str, Any]] = []

    @override
    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [self._part(self.text)],
        }

    @override
    def opened(self) -> list[Event]:
        added = {"type": "response.content_part.added", "content_index": 0, "part": self._part("")}
        return [self.added(content=[]), {**added, **self.place}]

    @override
    def grow(self, text: str) -> list[Event]:
        self.chars += len(text)
        return super().grow(text)

    @override
    def closed(self) -> list[Event]:
        part = {"content_index": 0, "part": self._part(self.text)}
        return [
            {"type": "response.output_text.done", **self.place, **self.inner, "text": self.text},
            {"type": "response.content_part.done", **self.place, **part},
            self.done(),
        ]

    def cite(self, source: Source, start: int, end: int) -> Event:
        """Annotate a range of the text, and return the event that says so."""
        annotation = {
            "type": "url_citation",
            "url": source.url,
            "title": source.title or source.url,
            "start_index": start,
            "end_index": end,
        }
        self._annotations.append(annotation)
        return {
            "type": "response.output_text.annotation.added",
            **self.place,
            "content_index": 0,
            "annotation_index": len(self._annotations) - 1,
            "annotation": annotation,
        }

    def _part(self, text: str) -> dict[str, Any]:
        annotations = list(self._annotations)
        return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


class CallItem(GrowingItem):
    """A call of a function of the caller's; its text is the JSON of the arguments."""

    delta = "response.function_call_arguments.delta"

    def __init__(self, item_id: str, index: int, call_id: str, name: str) -> None:
        super().__init__(item_id, index)
        self._names = {"call_id": call_id, "name": name}

    @override
    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function_call",
            "status": self.status,
            **self._names,
            "arguments": self.text,
        }

    @override
    def opened(self) -> list[Event]:
        return [self.added()]

    @override
    def closed(self) -> list[Event]:
        end = {"type": "response.function_call_arguments.done", **self.place}
        return [{**end, "arguments": self.text, "name": self._names["name"]}, self.done()]


class PictureItem(Item):
    """A picture, which comes whole. `result` is its content in base64, if that is known."""

    def __init__(self, item_id: str, index: int, asset: AssetLinked, result: str | None) -> None:
        super().__init__(item_id, index)
        self._asset = asset
        self._result = result

    @override
    def as_json(self) -> dict[str, Any]:
        kind = self._asset.media_type.partition("/")[2]
        known = {
            "revised_prompt": self._asset.revised_prompt,
            "output_format": kind if kind in ("png", "webp", "jpeg", "gif") else None,
            "url": self._asset.url,
        }
        return {
            "id": self.id,
            "type": "image_generation_call",
            "status": self.status,
            "result": self._result,
            **{name: value for name, value in known.items() if value},
        }

    def events(self) -> list[Event]:
        """Return all its events, the last of which has the picture."""
        start = self.added(result=None)
        self.status = COMPLETED
        kinds = ("in_progress", "generating", "completed")
        steps = [{"type": f"response.image_generation_call.{kind}", **self.place} for kind in kinds]
        return [start, *steps, self.done()]
