"""Reads `metadata.citations` and `metadata.content_references` (protocol 5.3, 5.4).

{"type": "grouped_webpages", "matched_text": "\ue200cite\ue202turn0search1\ue201",
 "start_idx": 40, "alt": null, "items": [{"title": "Example", "url": "https://example.org/"}]}
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, final
from urllib.parse import quote

from msgspec import Struct

from service.vocabulary.events import Message, Source
from service.vocabulary.text import has_private_use

# Per message: deep research has 400. Further ones are ignored, since each change of the list is
# compared with all of it.
MAX_REFERENCES = 2_000
MAX_SOURCES = 64  # per reference
# Kinds for which the official client shows nothing.
_SILENT_KINDS = (
    "hidden",
    "invalid",
    "conversation_context_citation",
    "status",
    "attribution_footer",
    "sports",
    "sources_footnote",
    "optimistic_image_",
)
_HIDDEN_KIND = "hidden"
# Kinds whose place is a word of the sentence.
_WORD_KINDS = frozenset(
    {"alt_text", "entity", "product_entity", "product", "url", "video", "link_title"}
)
_LEARNING_BLOCK = "learning_block"
_TEXT_FIELDS = ("prompt_text", "description", "name", "title")
_OWN = ("item", "product", "video")  # objects that contain a reference's page and name
_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")  # browsers ignore them, even within a scheme
_ENDS_LINK = re.compile(r"[ <>\"`\\|]")
_BAR = re.compile(r"(?<!\\)\|")
_LINE_END = re.compile(r"\s*[\r\n]\s*")
_ALT_LINK = re.compile(r"\(?\[([^\[\]]*)\]\(([^()\s]*)\)\)?")


class Reference(Struct, frozen=True):
    """One entry of `metadata.citations` or `metadata.content_references`.

    `matched_text` is the marker it belongs to (empty when unknown), `index` the
    `cited_message_idx`, `file_index` the pair (retrieval turn, file index), `start` the code-point
    offset of the marker in the message's raw text. `text` is the Markdown that replaces a citation;
    it is final when `is_complete`. `words` is the reference's own name for its place, `alt` the
    same with its link if it has one, and `is_word` tells that the place is a word of the sentence;
    `formula` is that of a learning block; where `is_hidden`, nothing is shown.
    """

    matched_text: str
    index: int | None
    file_index: tuple[int, int] | None
    start: int
    text: str
    sources: tuple[Source, ...]
    is_complete: bool
    words: str = ""
    alt: str = ""
    is_word: bool = False
    formula: str = ""
    is_hidden: bool = False


@final
class ReferencesKnown(Struct, frozen=True):
    """All references of a message, replacing those known before."""

    message_id: str
    references: tuple[Reference, ...]


class ReadReferences:
    """Reads the references of one message each time it changes; one instance per message.

    A list that is patched item by item (protocol 5.4) costs only as much as its changes.
    """

    def __init__(self) -> None:
        self._metadata: dict[str, Any] | None = None
        self._known: tuple[Reference, ...] = ()
        self._lists: tuple[_List, _List] | None = None  # most messages have none

    def known(self, message: Message) -> Sequence[ReferencesKnown]:
        """Return all references of the message, if any has changed."""
        metadata = message.metadata
        if metadata is self._metadata:
            return ()
        self._metadata = metadata
        raw_citations, raw_content = metadata.get("citations"), metadata.get("content_references")
        if self._lists is None:
            if not raw_citations and not raw_content:
                return ()
            self._lists = _List(_citation), _List(_content)
        citations, content = self._lists
        has_changed = citations.feed(raw_citations)
        if not content.feed(raw_content) and not has_changed:
            return ()
        known = (*citations.read(), *content.read())
        if known == self._known:
            return ()
        self._known = known
        return (ReferencesKnown(message.id, known),)


class _List:
    """One of the two lists, with each entry read once; malformed entries are left out."""

    def __init__(self, read: Callable[[dict[str, Any]], Reference | None]) -> None:
        self._read = read
        self._raw: list[Any] = []
        self._references: list[Reference | None] = []

    def feed(self, raw: Any) -> bool:
        """Take the current list, and return whether it has changed."""
        raw = raw[:MAX_REFERENCES] if isinstance(raw, list) else []
        if not raw and not self._raw:
            return False
        start, end, new_end = changed_part(self._raw, raw, operator.is_)
        if start == end == new_end:
            return False
        self._raw = raw
        self._references[start:end] = [
            self._read(each) if isinstance(each, dict) else None for each in raw[start:new_end]
        ]
        return True

    def read(self) -> list[Reference]:
        return [reference for reference in self._references if reference is not None]


def changed_part(
    old: Sequence[Any], new: Sequence[Any], same: Callable[[Any, Any], bool] = operator.eq
) -> tuple[int, int, int]:
    """Return the place where two lists begin to differ, and the end of the difference in each."""
    size = min(len(old), len(new))
    start = _common(size, lambda low, high: all(map(same, old[low:high], new[low:high])))
    tail = _common(
        size - start,
        lambda low, high: all(
            map(same, old[len(old) - high : len(old) - low], new[len(new) - high : len(new) - low])
        ),
    )
    return start, len(old) - tail, len(new) - tail


def _common(size: int, is_same: Callable[[int, int], bool]) -> int:
    """Return the number of equal places at the start of the first `size`, by halving."""
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        if is_same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _citation(raw: dict[str, Any]) -> Reference | None:
    if raw.get("invalid_reason"):
        return None
    metadata = _object(raw.get("metadata"))
    extra = _object(metadata.get("extra"))
    turn, place = extra.get("retrieval_turn"), extra.get("retrieval_file_index")
    source = Source(address(_str(metadata, "url")), _first(metadata, ("title", "name")))
    return Reference(
        matched_text="",
        index=_int(extra.get("cited_message_idx")),
        file_index=(turn, place) if type(turn) is int and type(place) is int else None,
        start=_int(raw.get("start_ix")) or 0,
        text="",
        sources=(source,) if source.url or source.title else (),
        is_complete=bool(source.url or source.title),
    )


def _content(raw: dict[str, Any]) -> Reference | None:
    matched_text = _str(raw, "matched_text")
    if not matched_text:
        return None
    kind = _str(raw, "type")
    is_silent, is_word = kind.startswith(_SILENT_KINDS), kind in _WORD_KINDS
    alt = _first(raw, ("alt",))
    alt_words, alt_sources = _read_alt(alt)
    found = tuple(islice(_sources(raw), MAX_SOURCES))
    sources = () if is_silent else alt_sources if alt_sources and not _has_page(found) else found
    words, formula = alt_words or _own_words(raw), _formula(raw)
    is_told = bool(formula) or (bool(words) if is_word else bool(sources))
    shown = _shown(alt)
    return Reference(
        matched_text=matched_text,
        index=None,
        file_index=None,
        start=_int(raw.get("start_idx")) or 0,
        text="" if is_silent else shown or _link(sources) or _first(raw, _TEXT_FIELDS),
        sources=sources,
        is_complete=is_silent or _is_whole(alt) or (not alt and is_told),
        words=words,
        alt=shown,
        is_word=is_word,
        formula=formula,
        is_hidden=kind.startswith(_HIDDEN_KIND),
    )


def _read_alt(alt: str) -> tuple[str, tuple[Source, ...]]:
    """Return the words of an `alt`, and its page if it is a link."""
    linked = _ALT_LINK.fullmatch(alt)
    if linked is None:
        return alt, ()
    url = address(linked[2])
    return linked[1], (Source(url, linked[1]),) if url else ()


def _own_words(raw: dict[str, Any]) -> str:
    """Return the name that a reference without an `alt` has for its place."""
    owners = (raw, *(_object(raw.get(field)) for field in _OWN))
    return next((text for owner in owners if (text := _first(owner, ("name", "title")))), "")


def _formula(raw: dict[str, Any]) -> str:
    if _str(raw, "category") != _LEARNING_BLOCK:
        return ""
    return _first(_object(raw.get("data")), ("content",))


def _sources(raw: dict[str, Any]) -> Iterator[Source]:
    """Yield the reference's pages: its items, else the fallback items, else its own.

    Each item is followed by the pages that support it.
    """
    seen: set[str] = set()
    own = [raw, *(raw.get(field) for field in _OWN)]
    for entries in (raw.get("items"), raw.get("fallback_items"), own):
        for item in _objects(entries):
            for entry in (item, *_objects(item.get("supporting_websites"))):
                url = address(_str(entry, "url"))
                if url and url not in seen:
                    seen.add(url)
                    title = _first(entry, ("title", "attribution")) or url
                    yield Source(url, title)
        if seen:
            return
    if name := _first(raw, ("name", "title")):
        yield Source("", name)


def _has_page(sources: tuple[Source, ...]) -> bool:
    return any(source.url for source in sources)


def address(url: str) -> str:
    """Return the address of a page, safe inside a link; empty if it is not of the web.

    The model finds pages, and pages name themselves: an address may be a script, or may end its
    link and begin another.
    """
    url = _CONTROLS.sub("", url).strip()
    if _OTHER_SCHEME.match(url) or has_private_use(url):
        return ""
    url = _ENDS_LINK.sub(lambda found: quote(found[0]), url)
    return url if _is_balanced(url) else url.replace("(", "%28").replace(")", "%29")


def _is_balanced(url: str) -> bool:
    depth = 0
    for char in url:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def link(title: str, url: str) -> str:
    """Return a Markdown link whose title cannot end or begin a link, nor end a table cell."""
    return f"[{in_table(_LINE_END.sub(' ', title).replace('](', '] ('))}]({url})"


def _shown(alt: str) -> str:
    """Return an `alt` safe inside a table if it is a link; a block stays unchanged."""
    return alt if "](" not in alt or "\n" in alt else in_table(alt)


def _link(sources: tuple[Source, ...]) -> str:
    return next((link(source.title, source.url) for source in sources if source.url), "")


def in_table(text: str) -> str:
    """Return a text that cannot end a table cell."""
    return _BAR.sub(r"\\|", text)


def _first(raw: dict[str, Any], fields: Iterable[str]) -> str:
    """Return the first of these fields that has a text without a marker."""
    texts = (_str(raw, field) for field in fields)
    return next((text for text in texts if text and not has_private_use(text)), "")


def _is_whole(alt: str) -> bool:
    """Tell whether an `alt`, which may arrive piece by piece, has all its brackets."""
    return bool(alt) and alt.count("[") == alt.count("]") and alt.count("(") == alt.count(")")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _str(raw: dict[str, Any], field: str) -> str:
    value = raw.get(field)
    return value if isinstance(value, str) else ""


def _int(value: Any) -> int | None:
    return value if type(value) is int else None
