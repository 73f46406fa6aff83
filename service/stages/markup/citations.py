"""Matches references with the markers in a text (protocol 5.4, spec 7.2).

Of the references that fit a marker, the nearest one is used. A reference that arrives after its
marker was sent still adds its pages to the place. Even among several hundred references, a new one
only costs as much as the places that it concerns.
"""

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

from msgspec import Struct

from service.stages.markup.references import MAX_SOURCES, Reference, changed_part
from service.vocabulary.events import CitationResolved, Source

NUMBERED = re.compile(r"【(\d{1,6})(?::(\d{1,6}))?†[^【】\n]{0,300}】")
MAX_PLACES = 10_000  # per message: more places are not reached by late references

_Key = str | int | tuple[int, int] | tuple[str, int]


class Place(Struct, gc=False):
    """The place of a marker that was sent, with its pages so far."""

    number: int
    start: int  # in code points of the message's raw text
    sources: tuple[Source, ...]
    used: int | None  # the start of the reference that gave it its pages


class _References:
    """The references that fit one kind of marker, in order, and the places of such markers."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._references: list[Reference] = []
        self._places: dict[int, Place] = {}  # by start
        self._waiting: list[int] = []  # starts of places without pages, in order
        self._users: dict[int, list[Place]] = {}  # by the start of the reference that they use
        self._urls: dict[int, set[str]] = {}  # the URLs that references at a start have had

    def add(self, reference: Reference) -> None:
        at = bisect_right(self._starts, reference.start)
        self._starts.insert(at, reference.start)
        self._references.insert(at, reference)

    def remove(self, reference: Reference) -> None:
        at = bisect_left(self._starts, reference.start)
        while self._references[at] != reference:
            at += 1
        del self._starts[at], self._references[at]

    def near(self, start: int) -> Iterator[Reference]:
        """Yield the one or two references that are nearest to a place."""
        at = bisect_left(self._starts, start)
        if at:
            yield self._references[bisect_left(self._starts, self._starts[at - 1])]
        if at < len(self._references):
            yield self._references[at]

    def place(self, place: Place) -> None:
        """Store a place, for references that come later."""
        if len(self._places) >= MAX_PLACES:
            return
        self._places[place.start] = place
        if place.used is None:
            insort(self._waiting, place.start)
        else:
            self._users.setdefault(place.used, []).append(place)
            self._urls.setdefault(place.used, set()).update(_urls(place.sources))

    def reached(self, reference: Reference) -> list[Place]:
        """Return the places that a new or changed reference adds pages to.

        These are its own place, those that used it before, and places without pages that it is
        nearest to.
        """
        start = reference.start
        known = self._urls.setdefault(start, set())
        urls = _urls(reference.sources)
        users = self._users.setdefault(start, [])
        if not urls or (urls <= known and not self._waiting and start not in self._places):
            return []
        reached = list(users) if not urls <= known and len(known) < MAX_SOURCES else []
        known |= urls
        low, high = self._nearest_to(start)
        new = [self._places[each] for each in self._waiting[low:high]]
        del self._waiting[low:high]
        exact = self._places.get(start)
        if exact is not None and exact.used not in (None, start):
            new.append(exact)
        for place in new:
            place.used = start
        users += new
        return reached + new

    def _nearest_to(self, start: int) -> tuple[int, int]:
        """Return the range of waiting places that are nearer to this start than to any other."""
        at, end = bisect_left(self._starts, start), bisect_right(self._starts, start)
        before = self._starts[at - 1] if at else None
        after = self._starts[end] if end < len(self._starts) else None
        low = 0 if before is None else bisect_right(self._waiting, (before + start) // 2)
        if after is None:
            return low, len(self._waiting)
        return low, max(low, bisect_right(self._waiting, (start + after) // 2))


class Citations:
    """The references and places of one message; one instance per message."""

    def __init__(self) -> None:
        self._known: tuple[Reference, ...] = ()
        self._by_key: dict[_Key, _References] = {}

    def learn(self, references: tuple[Reference, ...]) -> list[CitationResolved]:
        """Take the current references; return pages for places that were sent without any."""
        start, old_end, new_end = changed_part(self._known, references)
        for reference, kin in self._with_keys(self._known[start:old_end]):
            kin.remove(reference)
        self._known = references
        changed = [*self._with_keys(references[start:new_end])]
        for reference, kin in changed:
            kin.add(reference)
        resolved: list[CitationResolved] = []
        for reference, kin in changed:
            for place in kin.reached(reference):
                if not set(reference.sources) <= set(place.sources):
                    place.sources = reference.sources
                    resolved.append(CitationResolved(place.number, reference.sources))
        return resolved

    def _with_keys(
        self, references: Iterable[Reference]
    ) -> Iterator[tuple[Reference, _References]]:
        for reference in references:
            for key in _keys_of(reference):
                yield reference, self._by_key.setdefault(key, _References())

    def find(self, marker: str, start: int) -> Reference | None:
        """Return the reference for a marker, the nearest if several fit."""
        near = (each for kin in self._fitting(marker) for each in kin.near(start))
        return min(near, key=lambda found: abs(found.start - start), default=None)

    def place(self, marker: str, place: Place) -> None:
        """Store the place where a marker was sent."""
        for key in _keys_at(marker):
            self._by_key.setdefault(key, _References()).place(place)

    def _fitting(self, marker: str) -> Iterable[_References]:
        return (kin for key in _keys_at(marker) if (kin := self._by_key.get(key)) is not None)


def _keys_of(reference: Reference) -> tuple[_Key, ...]:
    """Return the keys of a reference: its text, its pair of numbers, its number."""
    if reference.matched_text:
        return (reference.matched_text,)
    keys: list[_Key] = []
    if reference.file_index is not None:
        keys.append(reference.file_index)
    if reference.index is not None:
        # A marker with two numbers takes the first as an index only where the pair is unknown.
        keys.append(
            reference.index if reference.file_index is None else ("single", reference.index)
        )
    return tuple(keys)


def _keys_at(marker: str) -> tuple[_Key, ...]:
    """Return the keys under which a marker's references are stored."""
    numbers = NUMBERED.fullmatch(marker)
    if numbers is None:
        return (marker,)
    first = int(numbers[1])
    if numbers[2] is None:
        return marker, first, ("single", first)
    return marker, first, (first, int(numbers[2]))


def _urls(sources: tuple[Source, ...]) -> set[str]:
    return {source.url for source in sources if source.url}
