"""Sums up an answer for every dialect: its text, citations, links, calls, and its end."""

from collections.abc import Iterable

from msgspec import UNSET

from service.answers.chats import Annotation, CitedUrl, Link
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
from service.vocabulary.native import NativeRendered, RefusalText, TextAnnotated, UsageKnown
from service.vocabulary.rendered import (
    AssetLinked,
    ContentCited,
    ContentText,
    FunctionCall,
    Rendered,
)
from service.vocabulary.text import Pieces

_MAX_FACT_CHARS = 256  # real ids are 36 long
_NO_FACTS = TurnFacts()


class _Call:
    """An open call, whose arguments arrive in pieces."""

    def __init__(self, started: FunctionCallStarted) -> None:
        self.started = started
        self.arguments = Pieces()


class Gathered:
    """The sum of all that was rendered so far of one answer."""

    def __init__(self) -> None:
        self.facts = _NO_FACTS
        self.ended: TurnEnded | None = None
        self._content = Pieces()
        self._content_chars = 0
        self._reasoning: Pieces | None = None
        self._refusal: Pieces | None = None
        self.usage: UsageKnown | None = None  # the upstream's own counts
        self._places: dict[int, tuple[int, int]] = {}  # slot -> range in the content
        self._annotations: dict[tuple[int, str], Annotation] = {}  # by slot and URL
        self._links: dict[AssetKind, list[Link]] = {}
        self._calls: dict[int, _Call] = {}
        self.spent: list[TextSpent] = []

    @property
    def content(self) -> str:
        """The answer's text."""
        return self._content.joined()

    @property
    def partial(self) -> str:
        """The text of a failed answer: what was sent, else what was held back and refused."""
        return self.content or (self.spent[-1].received if self.spent else "")

    @property
    def reasoning(self) -> str:
        """The reasoning text."""
        return self._reasoning.joined() if self._reasoning else ""

    @property
    def refusal(self) -> str:
        """The text of the refusal."""
        return self._refusal.joined() if self._refusal else ""

    @property
    def calls(self) -> list[FunctionCall]:
        """The function calls, in order."""
        return [
            FunctionCall(call.started.call_id, call.started.name, call.arguments.joined())
            for call in self._calls.values()
        ]

    @property
    def annotations(self) -> list[Annotation]:
        """One `url_citation` for each source of each place, in text order."""
        if not self._annotations:
            return []
        whole = [one for one in self._annotations.values() if self._has(one.url_citation)]
        return sorted(whole, key=lambda one: one.url_citation.start_index)

    # One short branch for each kind of piece: a table, split only at the cost of finding a kind.
    def feed(self, piece: Rendered) -> None:  # noqa: C901, PLR0912 - see above
        """Take one piece."""
        if type(piece) is ContentText:
            self._add(piece.text)
            return
        if type(piece) is TurnFacts:
            self.facts = piece
            return
        match piece:
            case TurnEnded():
                self.ended = piece
            case ReasoningText(text):
                self._reasoning = self._reasoning or Pieces()
                self._reasoning.add(text)
            case ContentCited(slot, text, sources):
                self._places[slot] = (self._content_chars, self._content_chars + len(text))
                self._add(text)
                self._cite(slot, sources)
            case CitationResolved(slot, sources):
                self._cite(slot, sources)
            case AssetLinked():
                links, link = self._links.setdefault(piece.kind, []), _link(piece)
                if link not in links:  # a text may name a file twice
                    links.append(link)
            case FunctionCallStarted(index):
                self._calls[index] = _Call(piece)
            case FunctionArguments(index, text):
                self._calls[index].arguments.add(text)
            case TextSpent():
                self.spent.append(piece)
            case _:
                self._take_native(piece)

    def _take_native(self, piece: NativeRendered) -> None:
        """Take a piece of a typed item; the item itself does not matter here."""
        match piece:
            case RefusalText(text):
                self._refusal = self._refusal or Pieces()
                self._refusal.add(text)
            case TextAnnotated(start, end, url, title):
                cited = CitedUrl(url, title or url, start, end)
                self._annotations.setdefault((start, f"{end} {url}"), Annotation(cited))
            case UsageKnown():
                self.usage = piece
            case _:
                pass

    def feed_batch(self, batch: Iterable[Rendered]) -> None:
        """Take the pieces of one batch."""
        for piece in batch:
            self.feed(piece)

    def names(self, *, is_temporary: bool) -> dict[str, str]:
        """Return the turn's known names, by the fields of `TurnNames`.

        Args:
            is_temporary: the upstream keeps no conversation, so its ids are not sent.
        """
        facts = self.facts
        known = {"upstream_model": facts.upstream_model, "service_tier": facts.service_tier}
        if not is_temporary:
            known["conversation_id"] = facts.conversation_id
            known["message_id"] = facts.message_id
        return {
            name: value for name, value in known.items() if value and len(value) <= _MAX_FACT_CHARS
        }

    def links(self) -> dict[str, list[Link]]:
        """Return the links to stored pictures and files, by the fields of `TurnNames`."""
        if not self._links:
            return {}
        fields = {"x_images": AssetKind.PICTURE, "x_files": AssetKind.FILE}
        return {name: self._links[kind] for name, kind in fields.items() if kind in self._links}

    def _has(self, cited: CitedUrl) -> bool:
        """Tell whether the text around a citation was sent, and not cut off."""
        return cited.end_index <= self._content_chars

    def _add(self, text: str) -> None:
        self._content.add(text)
        self._content_chars += len(text)

    def _cite(self, slot: int, sources: tuple[Source, ...]) -> None:
        if slot not in self._places:
            return  # cut off with its text
        start, end = self._places[slot]
        for source in sources:
            if source.url:
                cited = CitedUrl(source.url, source.title or source.url, start, end)
                self._annotations.setdefault((slot, source.url), Annotation(cited))


def _link(asset: AssetLinked) -> Link:
    return Link(asset.url, asset.name or UNSET, asset.revised_prompt or UNSET)
