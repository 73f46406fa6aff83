"""References and their places (protocol 5.4)."""

import random

import pytest

from service.stages.markup import citations
from service.stages.markup.citations import MAX_PLACES, Citations, Place
from service.stages.markup.references import MAX_SOURCES, Reference
from service.vocabulary.events import CitationResolved, Source

CITE = "\ue200cite\ue202turn0search1\ue201"


def reference(start: int = 0, *urls: str, marker: str = CITE) -> Reference:
    sources = tuple(Source(url, "T") for url in urls or (f"https://e.org/{start}",))
    return Reference(marker, None, None, start, "", sources, is_complete=True)


def numbered(start: int, index: int | None, pair: tuple[int, int] | None = None) -> Reference:
    return Reference("", index, pair, start, "", (Source(f"u{start}", ""),), is_complete=True)


def place(number: int, start: int) -> Place:
    return Place(number, start, (), None)


def test_the_nearest_reference_is_found_whatever_the_order() -> None:
    chance = random.Random(1)
    starts = [chance.randrange(10_000) for _ in range(60)]
    known = Citations()
    list(known.learn(tuple(map(reference, starts))))
    for at in range(0, 10_000, 97):
        found = known.find(CITE, at)
        assert found is not None
        assert abs(found.start - at) == min(abs(start - at) for start in starts)
    assert known.find("\ue200cite\ue202other\ue201", 1) is None


def test_numbers_fit_by_their_pair_or_else_by_the_first() -> None:
    known = Citations()
    list(known.learn((numbered(1, 3), numbered(2, 3, (7, 0)), numbered(3, None, (3, 1)))))
    for marker, at, start in [
        ("【3†a】", 0, 1),
        ("【3†a】", 9, 2),
        ("【3:1†a】", 9, 3),
        ("【7:0†a】", 0, 2),
    ]:
        found = known.find(marker, at)
        assert found is not None
        assert found.start == start
    assert known.find("【4†a】", 0) is None


def test_a_reference_that_changes_takes_the_place_of_the_old_one() -> None:
    known = Citations()
    list(known.learn((reference(1), reference(50), reference(90))))
    list(known.learn((reference(1), reference(50, "https://new.org/"), reference(90))))
    found = known.find(CITE, 51)
    assert found is not None
    assert found.sources == (Source("https://new.org/", "T"),)
    list(known.learn((reference(90),)))
    assert known.find(CITE, 1) == reference(90)


def test_a_late_reference_reaches_the_places_that_it_is_nearest_to() -> None:
    known = Citations()
    for number, start in enumerate((10, 20, 100), 1):
        known.place(CITE, place(number, start))
    first, second = reference(12), reference(90)
    assert list(known.learn((first, second))) == [
        CitationResolved(1, first.sources),
        CitationResolved(2, first.sources),
        CitationResolved(3, second.sources),
    ]


def test_the_reference_that_stands_at_a_place_counts_even_after_another() -> None:
    known = Citations()
    known.place(CITE, place(1, 10))
    known.place(CITE, place(2, 20))
    assert len(list(known.learn((reference(10),)))) == 2
    exact = (reference(10), reference(20))
    assert list(known.learn(exact)) == [CitationResolved(2, exact[1].sources)]
    assert list(known.learn(exact)) == []


def test_a_reference_that_gets_more_pages_tells_all_that_use_it_up_to_a_number() -> None:
    known = Citations()
    known.place(CITE, place(1, 0))
    urls = [f"https://e.org/{number}" for number in range(MAX_SOURCES + 20)]
    told = [
        resolved
        for count in range(1, len(urls))
        for resolved in known.learn((reference(0, *urls[:count]),))
    ]
    assert len(told) == MAX_SOURCES


def test_places_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(citations, "MAX_PLACES", 2)
    known = Citations()
    for number in range(3):
        known.place(CITE, place(number, 10 * number))
    assert {each.slot for each in known.learn((reference(0),))} == {0, 1}
    assert MAX_PLACES > 400


def test_what_a_new_reference_costs_does_not_depend_on_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Issue 12: each new reference of 400 resolved all again."""

    def looked_at(count: int) -> int:
        known, seen = Citations(), []
        real = citations._keys_of
        monkeypatch.setattr(citations, "_keys_of", lambda ref: seen.append(ref) or real(ref))
        markers = [f"\ue200cite\ue202turn0search{number}\ue201" for number in range(count)]
        references = tuple(reference(n, marker=marker) for n, marker in enumerate(markers))
        for number, marker in enumerate(markers):
            known.place(marker, place(number, number))
        for number in range(count):
            assert len(list(known.learn(references[: number + 1]))) == 1
        monkeypatch.undo()
        return len(seen)

    assert [looked_at(count) for count in (100, 200, 400)] == [100, 200, 400]
