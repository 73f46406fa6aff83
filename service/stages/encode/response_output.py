"""Rendered -> the output of a response, item by item, and the events that tell of it (openai-wire 8).

One item is open at a time; what is of another kind closes it. Item ids are made of
the response's own id, so that an item can be found again by its id alone.
"""

from collections.abc import Mapping
from typing import Any, assert_never

from service.stages.encode.response_items import (
    COMPLETED,
    INCOMPLETE,
    CallItem,
    Event,
    GrowingItem,
    Item,
    MessageItem,
    PictureItem,
    ReasoningItem,
)
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
    WebSearched,
)
from service.vocabulary.rendered import AssetLinked, ContentCited, ContentText, Rendered

RESPONSE_PREFIX = "resp_"
_INDEX_DIGITS = 3
_COMPLETE_REASONS = ("stop", "tool_calls")


def response_of(item_id: str) -> str:
    """Return the id of the response that an item id is made of; anything, if it is none of ours."""
    return RESPONSE_PREFIX + item_id.partition("_")[2][:-_INDEX_DIGITS]


class OutputItems:
    """The output of one response; each method returns the events it makes.

    Args:
        response_id: what the ids of the items are made of.
        pictures: the content of pictures in base64, by their URL, as far as it is
            known when a picture is fed.
    """

    def __init__(self, response_id: str, pictures: Mapping[str, str]) -> None:
        self._stem = response_id.removeprefix(RESPONSE_PREFIX)
        self._pictures = pictures
        self._items: list[Item] = []
        self._open: GrowingItem | None = None
        self._places: dict[int, tuple[MessageItem, int, int]] = {}  # slot -> message and range
        self._cited: set[tuple[int, str]] = set()  # slot and URL

    @property
    def output(self) -> list[dict[str, Any]]:
        """All items as they are now."""
        return [item.as_json() for item in self._items]

    @property
    def open_item(self) -> GrowingItem | None:
        """The item that grows."""
        return self._open

    # One branch for each kind of piece: a table, split only at the cost of finding a kind.
    def feed(self, piece: Rendered) -> list[Event]:  # noqa: C901, PLR0911 - see above
        """Take one piece."""
        match piece:
            case ContentText(text):
                return self._say(MessageItem, "msg", text)
            case ReasoningText(text):
                return self._say(ReasoningItem, "rs", text)
            case ContentCited(slot, text, sources):
                return self._cited_text(slot, text, sources)
            case CitationResolved(slot, sources):
                return self._cite(slot, sources)
            case AssetLinked():
                return self._picture(piece) if piece.kind is AssetKind.PICTURE else []
            case FunctionCallStarted(_, call_id, name):
                return self._begin(CallItem(*self._next("fc"), call_id, name))
            case FunctionArguments():
                return self._grow(piece.text)
            case TurnEnded():
                is_complete = piece.finish_reason in _COMPLETE_REASONS
                return self.close(COMPLETED if is_complete else INCOMPLETE)
            case TurnFacts() | TextSpent() | WebSearched():
                return []
            case _:
                assert_never(piece)

    def close(self, status: str = COMPLETED) -> list[Event]:
        """Close the open item, if there is one."""
        if self._open is None:
            return []
        item, self._open = self._open, None
        item.status = status
        return item.closed()

    def _say(self, kind: type[MessageItem | ReasoningItem], prefix: str, text: str) -> list[Event]:
        if not text:
            return []
        events = [] if isinstance(self._open, kind) else self._begin(kind(*self._next(prefix)))
        return events + self._grow(text)

    def _begin(self, item: GrowingItem) -> list[Event]:
        events = self.close()
        self._open = item
        self._items.append(item)
        return events + item.opened()

    def _grow(self, text: str) -> list[Event]:
        return self._open.grow(text) if self._open else []

    def _next(self, prefix: str) -> tuple[str, int]:
        index = len(self._items)
        return f"{prefix}_{self._stem}{index:0{_INDEX_DIGITS}d}", index

    def _cited_text(self, slot: int, text: str, sources: tuple[Source, ...]) -> list[Event]:
        events = self._say(MessageItem, "msg", text)
        if isinstance(self._open, MessageItem):  # else it was removed before any text: of nothing
            end = self._open.chars
            self._places[slot] = (self._open, end - len(text), end)
        return events + self._cite(slot, sources)

    def _cite(self, slot: int, sources: tuple[Source, ...]) -> list[Event]:
        if slot not in self._places:
            return []  # cut off with the text it stood in
        message, start, end = self._places[slot]
        events = []
        for source in sources:
            if source.url and (slot, source.url) not in self._cited:
                self._cited.add((slot, source.url))
                events.append(message.cite(source, start, end))
        # What comes later than the end of its item is only in the output of the last event.
        return events if message is self._open else []

    def _picture(self, asset: AssetLinked) -> list[Event]:
        events = self.close()
        result = self._pictures.get(asset.url)
        picture = PictureItem(*self._next("ig"), asset, result)
        self._items.append(picture)
        return events + picture.events()
