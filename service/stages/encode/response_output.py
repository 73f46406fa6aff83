"""Rendered -> the output items of a response, with their events (openai-wire 8).

One text is open at a time, and a piece of another kind closes it, unless the upstream states its
items itself. Calls, pictures and uses of tools may be open beside it. Item ids are derived from the
response's id, so that an item can be found by its id alone.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from service.answers.responses import ItemStatus, OutputItem
from service.stages.encode.response_items import (
    CallItem,
    CustomCallItem,
    Events,
    GrowingItem,
    Item,
    MessageItem,
    ReasoningItem,
    ToolSearchItem,
)
from service.stages.encode.tool_items import PictureItem, ToolItem
from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    FunctionArguments,
    FunctionCallStarted,
    ReasoningText,
    Source,
    TextSpent,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import (
    FunctionCallEnded,
    MessageEnded,
    MessageStarted,
    NativeRendered,
    PictureFailed,
    PicturePreview,
    PictureStarted,
    PictureStep,
    ReasoningEnded,
    ReasoningPart,
    ReasoningStarted,
    RefusalText,
    TextAnnotated,
    ToolItemEnded,
    ToolItemStarted,
    ToolItemStep,
    UsageKnown,
    is_native,
)
from service.vocabulary.rendered import AssetLinked, ContentCited, ContentText, Rendered
from service.vocabulary.requests import Function

RESPONSE_PREFIX = "resp_"
_INDEX_DIGITS = 3
_COMPLETE_REASONS = ("stop", "tool_calls")


def response_of(item_id: str) -> str:
    """Return the id of the response in an item's id; of a foreign id, any text."""
    return RESPONSE_PREFIX + item_id.partition("_")[2][:-_INDEX_DIGITS]


class OutputItems:
    """The output of one response; each method returns its events.

    Args:
        response_id: from which the ids of the items are derived.
        pictures: the content of pictures in base64 by URL, as far as known when a
            picture is fed.
        functions: the callable functions, for their namespaces and custom tools.
        shows_sealed: the caller wants encrypted reasoning.
    """

    def __init__(
        self,
        response_id: str,
        pictures: Mapping[str, str],
        functions: Iterable[Function] = (),
        *,
        shows_sealed: bool = False,
    ) -> None:
        self._stem = response_id.removeprefix(RESPONSE_PREFIX)
        self._pictures = pictures
        self._functions = {function.name: function for function in functions}
        self._shows_sealed = shows_sealed
        self._items: list[Item] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, CallItem] = {}  # open ones, by their index among calls
        self._drawn: dict[int, PictureItem] = {}  # by their numbers
        self._tools: dict[int, ToolItem] = {}  # likewise
        self._places: dict[int, tuple[MessageItem, int, int]] = {}  # slot -> message and range
        self._cited: set[tuple[int, str]] = set()  # slot and URL

    @property
    def output(self) -> list[OutputItem]:
        """All items as they are now."""
        return [item.record() for item in self._items]

    @property
    def sealed(self) -> dict[str, str]:
        """The encrypted reasoning, by item id."""
        found = [item for item in self._items if isinstance(item, ReasoningItem)]
        return {item.id: item.sealed for item in found if item.sealed}

    @property
    def open_item(self) -> GrowingItem | None:
        """The item that grows."""
        return self._open or next(reversed(self._calls.values()), None)

    # One branch for each kind of piece: a table, split only at the cost of finding a kind.
    def feed(self, piece: Rendered) -> Events:  # noqa: C901, PLR0911, PLR0912 - see above
        """Return the events of one piece."""
        if type(piece) is TurnFacts:
            return []
        if is_native(piece):
            return self._native(piece)
        match piece:
            case ContentText(text):
                return self._say(MessageItem, text)
            case ReasoningText(text):
                return self._say(ReasoningItem, text)
            case ContentCited(slot, text, sources):
                return self._cited_text(slot, text, sources)
            case CitationResolved(slot, sources):
                return self._cite(slot, sources)
            case AssetLinked():
                return self._picture(piece) if piece.kind is AssetKind.PICTURE else []
            case FunctionCallStarted():
                return self._call(piece)
            case FunctionArguments(index, text):
                return self._calls[index].grow(text) if index in self._calls else []
            case TurnEnded():
                is_complete = piece.finish_reason in _COMPLETE_REASONS
                return self.close("completed" if is_complete else "incomplete")
            case TextSpent():
                return []

    # As above.
    def _native(self, piece: NativeRendered) -> Events:  # noqa: C901, PLR0911, PLR0912 - see above
        """Return the events of a piece that names its item."""
        match piece:
            case MessageStarted(phase):
                return self._begin(MessageItem(*self._next("msg"), phase))
            case ReasoningStarted():
                return self._begin(self._new(ReasoningItem))
            case ReasoningPart():
                return self._think(piece)
            case TextAnnotated():
                return self._annotate(piece)
            case RefusalText(text):
                return self._refuse(text)
            case MessageEnded() | ReasoningEnded():
                return self._end_text(piece)
            case FunctionCallEnded(index):
                return self._close_call(index, "completed")
            case ToolItemStarted() | ToolItemStep() | ToolItemEnded():
                return self._tool(piece)
            case PictureStarted() | PictureStep() | PicturePreview() | PictureFailed():
                return self._drawing(piece)
            case UsageKnown():
                return []
            case _:
                assert_never(piece)

    def close(self, status: ItemStatus = "completed") -> Events:
        """Close all open items in order; those without an end are as incomplete as the answer."""
        events = self._close_text(status)
        for index in list(self._calls):
            events += self._close_call(index, status)
        for picture in self._drawn.values():
            events += picture.failed()
        for tool in self._tools.values():
            events += tool.finished(None, status)
        self._drawn.clear()
        self._tools.clear()
        return events

    def _say(self, kind: type[MessageItem | ReasoningItem], text: str) -> Events:
        if not text:
            return []
        events = self._speaking(kind)
        return events + self._open.grow(text) if self._open else events

    def _speaking(self, kind: type[MessageItem | ReasoningItem]) -> Events:
        """Open an item of this kind unless one is open."""
        if isinstance(self._open, kind):
            return []
        return self._begin(self._new(kind))

    def _new(self, kind: type[MessageItem | ReasoningItem]) -> MessageItem | ReasoningItem:
        if kind is MessageItem:
            return MessageItem(*self._next("msg"))
        return ReasoningItem(*self._next("rs"), shows_sealed=self._shows_sealed)

    def _begin(self, item: MessageItem | ReasoningItem) -> Events:
        events = self._close_text("completed")
        self._open = item
        return events + self._added(item)

    def _added(self, item: Item) -> Events:
        self._items.append(item)
        return [item.added()]

    def _close_text(self, status: ItemStatus) -> Events:
        if self._open is None:
            return []
        item, self._open = self._open, None
        item.status = status
        return item.closed()

    def _call(self, started: FunctionCallStarted) -> Events:
        events = self._close_text("completed")
        call = self._calls[started.index] = self._called(started)
        return events + self._added(call)

    def _called(self, started: FunctionCallStarted) -> CallItem:
        function = self._functions.get(started.name) or Function(started.name, "")
        if started.namespace or started.is_custom:
            function = Function(
                *(started.name, ""), namespace=started.namespace, is_custom=started.is_custom
            )
        if function.is_search:
            return ToolSearchItem(*self._next("tsc"), started.call_id, function)
        if function.is_custom:
            return CustomCallItem(*self._next("ctc"), started.call_id, function)
        return CallItem(*self._next("fc"), started.call_id, function)

    def _close_call(self, index: int, status: ItemStatus) -> Events:
        call = self._calls.pop(index, None)
        if call is None:
            return []
        call.status = status
        return call.closed()

    def _next(self, prefix: str) -> tuple[str, int]:
        index = len(self._items)
        return f"{prefix}_{self._stem}{index:0{_INDEX_DIGITS}d}", index

    def _cited_text(self, slot: int, text: str, sources: tuple[Source, ...]) -> Events:
        events = self._say(MessageItem, text)
        if isinstance(self._open, MessageItem):  # else it was removed, before any text
            end = self._open.chars
            self._places[slot] = (self._open, end - len(text), end)
        return events + self._cite(slot, sources)

    def _cite(self, slot: int, sources: tuple[Source, ...]) -> Events:
        if slot not in self._places:
            return []  # cut off with its text
        message, start, end = self._places[slot]
        events: Events = []
        for source in sources:
            if source.url and (slot, source.url) not in self._cited:
                self._cited.add((slot, source.url))
                events += message.cite(source.url, source.title, start, end)
        # A citation after the end of its item appears only in the last event's output.
        return events if message is self._open else []

    def _annotate(self, piece: TextAnnotated) -> Events:
        events = self._speaking(MessageItem)
        if isinstance(self._open, MessageItem):
            events += self._open.cite(piece.url, piece.title, piece.start, piece.end)
        return events

    def _refuse(self, text: str) -> Events:
        events = self._speaking(MessageItem)
        return events + self._open.refuse(text) if isinstance(self._open, MessageItem) else events

    def _think(self, part: ReasoningPart) -> Events:
        events = self._speaking(ReasoningItem)
        if isinstance(self._open, ReasoningItem):
            events += self._open.begin_part(is_summary=part.is_summary)
        return events

    def _end_text(self, piece: MessageEnded | ReasoningEnded) -> Events:
        match self._open, piece:
            case MessageItem() as message, MessageEnded(phase):
                message.phase = phase
            case ReasoningItem() as reasoning, ReasoningEnded(sealed):
                reasoning.sealed = sealed
            case _:
                pass
        return self._close_text("completed")

    def _picture(self, asset: AssetLinked) -> Events:
        """End a picture that was announced, or add one that arrives whole."""
        number = asset.facts.number if asset.facts else None
        picture = self._drawn.pop(number, None) if number is not None else None
        events: Events = []
        if picture is None:
            picture = PictureItem(*self._next("ig"))
            events = [*self._close_text("completed"), *self._added(picture)]
        return events + picture.finished(asset, self._pictures.get(asset.url))

    def _drawing(
        self, piece: PictureStarted | PictureStep | PicturePreview | PictureFailed
    ) -> Events:
        if isinstance(piece, PictureStarted):
            picture = self._drawn[piece.number] = PictureItem(*self._next("ig"))
            return [*self._close_text("completed"), *self._added(picture)]
        found = self._drawn.get(piece.number)
        match piece:
            case _ if found is None:
                return []
            case PictureStep(_, step):
                return found.step(step)
            case PicturePreview(_, index, content):
                return found.preview(index, content)
            case PictureFailed():
                del self._drawn[piece.number]
                return found.failed()

    def _tool(self, piece: ToolItemStarted | ToolItemStep | ToolItemEnded) -> Events:
        if isinstance(piece, ToolItemStarted):
            tool = self._tools[piece.number] = ToolItem(*self._next("item"), piece.item)
            return [*self._close_text("completed"), *self._added(tool)]
        found = self._tools.get(piece.number)
        match piece:
            case _ if found is None:
                return []
            case ToolItemStep(_, step):
                return found.step(step)
            case ToolItemEnded(_, item):
                del self._tools[piece.number]
                return found.finished(item, "completed")
