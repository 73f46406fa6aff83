"""The text that replaces a private-use marker (protocol 5.2, the table of spec 7.2).

Some markers are citations, which may be left out; others are words of the sentence, which must
stay:

    cite      turn0search1 turn0news3          [title](url), or nothing
    entity    ["people", "Ada Example", 0]     Ada Example
    url       Boat Manual turn0search0         [Boat Manual](url), or Boat Manual
    genui     {"math_block": {"content": …}}   $$ … $$
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from service.stages.markup.private_use import MARKER_FIELD
from service.stages.markup.references import Reference, address, link
from service.vocabulary.events import Delta, Source
from service.vocabulary.text import without_private_use

# Kinds whose first field is the visible text.
_TITLED = frozenset({"url", "video", "link_title"})
_WORDS = _TITLED | {"entity", "product_entity", "product"}
_CITATIONS = ("cite", "filecite", "memcite", "navlist")
_FORMULA = re.compile("math|formula|latex|equation", re.IGNORECASE)
_WEB = re.compile("https?://", re.IGNORECASE)
# A formula whose JSON contains backslashes of its own.
_CONTENT = re.compile(r'"([^"\\]{1,100})":\s*\{\s*"content":\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNESCAPED = re.compile(r'\\(["\\/])')


class Shown(Struct, frozen=True):
    """The replacement of a marker: Markdown, and plain words for where citations are not shown."""

    text: str
    words: str
    sources: tuple[Source, ...]


_NOTHING = Shown("", "", ())


class Step(Struct, frozen=True, gc=False):
    """What happens with the text from a stop to `end`: it stays, or `piece` replaces it."""

    end: int
    is_text: bool = False
    piece: Delta | None = None


class _Marker(Struct, frozen=True):
    kind: str
    fields: tuple[str, ...]

    @property
    def label(self) -> str:
        """The marker's own name for its place, empty without one."""
        if not self.fields or self.kind in _CITATIONS:
            return ""
        is_titled = self.kind in _TITLED
        label = self.fields[0] if is_titled else ", ".join(_labels(_loads(self.fields[0])))
        return without_private_use(label)[0]

    @property
    def address(self) -> str:
        """The page named by the marker itself, empty without one."""
        found = (field for field in self.fields if _WEB.match(field))
        return address(next(found, ""))

    @property
    def formula(self) -> str:
        """The formula of a learning block, empty if there is none."""
        return next((text for field in self.fields if (text := _formula(field))), "")


def shown_at(marker: str, reference: Reference | None) -> Shown:
    """Return the replacement of a complete marker, given its reference, if there is one."""
    kind, *fields = marker[1:-1].split(MARKER_FIELD)
    own = _Marker(kind, tuple(fields))
    if reference is not None and reference.is_hidden:
        return _NOTHING
    formula = (reference.formula if reference else "") or own.formula
    if formula:
        shown = _displayed(formula)
        return Shown(shown, shown, reference.sources if reference else ())
    label = own.label
    is_word = (reference is not None and reference.is_word) or kind in _WORDS or bool(label)
    if is_word:
        return _word(own, label, reference)
    return _NOTHING if reference is None else Shown(reference.text, "", reference.sources)


def _word(marker: _Marker, label: str, reference: Reference | None) -> Shown:
    """Return a word of the sentence: the reference's name for it, else the marker's."""
    sources = reference.sources if reference else ()
    words = (reference.words if reference else "") or label
    url = next((source.url for source in sources if source.url), "")
    if marker.kind in _TITLED:
        url = url or marker.address
        return Shown(link(words, url) if words and url else words, words, sources)
    text = (reference.alt or words or reference.text) if reference else words
    return Shown(text, words, sources)


def _displayed(formula: str) -> str:
    formula = without_private_use(formula)[0].strip().removeprefix("$$").removesuffix("$$")
    return f"$${formula.strip()}$$"


def _formula(field: str) -> str:
    """Return the `content` of a formula widget in a marker's JSON."""
    if not field.startswith("{"):
        return ""
    value = _loads(field)
    if value is None:
        found = _CONTENT.search(field)
        return _UNESCAPED.sub(r"\1", found[2]) if found and _FORMULA.search(found[1]) else ""
    widgets = value.items() if isinstance(value, dict) else ()
    contents = (
        widget.get("content")
        for name, widget in widgets
        if _FORMULA.search(name) and isinstance(widget, dict)
    )
    return next((text for text in contents if isinstance(text, str) and text.strip()), "")


def _labels(value: Any) -> Iterator[str]:
    """Yield the names in a marker's JSON: the second entry of a list, or that of each selection."""
    match value:
        case [*_]:
            yield from _second(value)
        case {"selections": [*selections]}:
            yield from (label for each in selections for label in _second(each))
        case _:
            pass


def _second(value: Any) -> tuple[str, ...]:
    match value:
        case [_, str(label), *_]:
            return (label,)
        case _:
            return ()


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
