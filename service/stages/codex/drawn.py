"""Pictures of an order of their own -> deltas: in events, or whole (codex 5, the first way).

    {"type": "image_generation.partial_image", "b64_json": "iVBO…", "partial_image_index": 0}
    {"type": "image_generation.completed", "b64_json": "iVBO…", "size": "1024x1024", "usage": {…}}

    {"created": 1700000000, "data": [{"b64_json": "iVBO…"}], "size": "1024x1024", "usage": {…}}

The end is confirmed by the number of pictures, since no event says it: fewer are a cut.
"""

from collections.abc import Collection, Iterator

from service.stages.codex.answer import usage_in
from service.stages.codex.ending import CodexEnding
from service.stages.codex.events import CodexEvent, unknown_event
from service.stages.codex.items import PICTURE_DETAILS, JsonObject, word_in
from service.stages.codex.raw_events import Event
from service.stages.codex.runs import TYPE as TEXT_DELTA
from service.vocabulary.endings import Seen
from service.vocabulary.events import BodyEnded, Delta, Unknown
from service.vocabulary.native import PictureFacts, PictureMade, PicturePreview

_PARTIAL, _COMPLETED = ".partial_image", ".completed"
_SILENT = frozenset({"keepalive", "response.metadata"})
_PRIVATE = ("codex.", "responsesapi.")


class DrawnPictures:
    """The stage from events to deltas; one instance per try.

    Args:
        now: seconds since 1970, from which errors count their waits.
        count: how many pictures were ordered.
        secrets: tokens that errors may not quote even if the back end repeats them.
    """

    def __init__(self, now: float, count: int, secrets: Collection[str] = ()) -> None:
        self.ending = CodexEnding(now, secrets)
        self._count = count
        self._made = 0

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
                yield self.ending.unfinished(event)

    def whole(self, body: JsonObject) -> Iterator[Delta]:
        """Yield the deltas of an answer in one piece; without any picture it is empty."""
        listed = body.get("data")
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict) and isinstance(content := entry.get("b64_json"), str):
                yield self._picture(content, {**body, **entry})
        yield from _used(body.get("usage"))
        yield self.ending.completed()

    def _event(self, event: Event) -> Iterator[Delta]:
        kind = event.type
        # Of text, which is no event of an order, only the text is read where many come at once.
        if kind == "error" or (kind != TEXT_DELTA and (event.error or event.detail)):
            yield self.ending.failed(event)
        elif not kind and event.data is not None:  # one body in place of a stream
            yield from self.whole({name: getattr(event, name) for name in event.__struct_fields__})
        elif event.b64_json and kind.endswith(_PARTIAL):
            self.ending.see(Seen.EVENTS)
            self.ending.has_items = True
            yield PicturePreview(self._made, event.partial_image_index or 0, event.b64_json)
        elif event.b64_json and kind.endswith(_COMPLETED):
            told = {name: getattr(event, name) for name in (*PICTURE_DETAILS, "revised_prompt")}
            yield self._picture(event.b64_json, told)
            yield from _used(event.usage)
            if self._made >= self._count:
                yield self.ending.completed()
        elif kind in _SILENT or kind.startswith(_PRIVATE):
            self.ending.see(Seen.EVENTS)
        else:
            self.ending.count(unknown_event(event))

    def _picture(self, content: str, told: JsonObject) -> PictureMade:
        details = {name: word for name in PICTURE_DETAILS if (word := word_in(told, name))}
        prompt = told.get("revised_prompt")
        facts = PictureFacts(self._made, details)
        self._made += 1
        self.ending.has_items = True
        self.ending.see(Seen.ITEM)
        return PictureMade(facts, content, prompt if isinstance(prompt, str) else "")


def _used(usage: object) -> Iterator[Delta]:
    if (known := usage_in(usage)) is not None:
        yield known
