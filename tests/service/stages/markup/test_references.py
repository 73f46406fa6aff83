"""Protocol 5.3 and 5.4 as records."""

from typing import Any

import pytest

from service.stages.decode.messages import read_message
from service.stages.markup import references
from service.stages.markup.references import (
    MAX_REFERENCES,
    MAX_SOURCES,
    ReadReferences,
    Reference,
    changed_part,
)
from service.vocabulary.events import Message, Source
from tests.rows import each_row


def message(metadata: dict[str, Any]) -> Message:
    read = read_message({"id": "m", "author": {"role": "assistant"}, "metadata": metadata})
    assert read is not None
    return read


def read_references(metadata: dict[str, Any]) -> tuple[Reference, ...]:
    return next((each.references for each in ReadReferences().known(message(metadata))), ())


def citation(**fields: Any) -> dict[str, Any]:
    page = {"url": "https://e.org/", "title": "E", "extra": {"cited_message_idx": 4}}
    return {"start_ix": 7, "metadata": page, **fields}


def content(**fields: Any) -> dict[str, Any]:
    item = {"title": "E", "url": "https://e.org/"}
    return {"type": "grouped_webpages", "matched_text": "\ue200x\ue201", "items": [item], **fields}


def test_a_citation_is_known_by_its_index_and_place() -> None:
    (reference,) = read_references({"citations": [citation()]})
    assert (reference.index, reference.start, reference.matched_text) == (4, 7, "")
    assert reference.sources == (Source("https://e.org/", "E"),)
    assert reference.is_complete


def test_a_file_citation_has_a_pair_of_numbers_and_a_name() -> None:
    extra = {"retrieval_turn": 3, "retrieval_file_index": 0}
    file = {"type": "file", "name": "a.pdf", "extra": extra}
    (reference,) = read_references({"citations": [citation(metadata=file)]})
    assert reference.file_index == (3, 0)
    assert reference.sources == (Source("", "a.pdf"),)


def test_an_invalid_citation_is_left_out() -> None:
    assert read_references({"citations": [citation(invalid_reason="gone")]}) == ()


@each_row(
    ("fields", "text", "is_complete"),
    [
        ({"alt": "([E](https://e.org/))"}, "([E](https://e.org/))", True),
        ({"alt": "([E](https://e"}, "([E](https://e", False),
        ({}, "[E](https://e.org/)", True),
        ({"alt": "", "items": []}, "", False),
        ({"items": None, "fallback_items": [{"url": "u", "title": "F"}]}, "[F](u)", True),
        ({"items": [{"url": "u", "attribution": "A"}]}, "[A](u)", True),
        ({"items": [], "prompt_text": "P"}, "P", False),
        ({"items": [], "name": "N"}, "N", True),
        ({"type": "hidden", "alt": "x"}, "", True),
        ({"type": "optimistic_image_citation"}, "", True),
        ({"type": "webpage", "items": None, "url": "u", "title": "T"}, "[T](u)", True),
    ],
)
def test_a_content_reference_has_the_text_that_replaces_its_marker(
    fields: dict[str, Any], text: str, is_complete: bool
) -> None:
    (reference,) = read_references({"content_references": [content(**fields)]})
    assert (reference.text, reference.is_complete) == (text, is_complete)


def test_sources_are_named_once_each() -> None:
    items = [{"url": "a", "title": "A"}, {"url": "b"}, {"url": "a", "title": "again"}]
    (reference,) = read_references({"content_references": [content(items=items)]})
    assert reference.sources == (Source("a", "A"), Source("b", "b"))


@each_row(
    ("url", "found"),
    [
        ("HTTPS://e.org/a_(b)?c=d:e#f", "HTTPS://e.org/a_(b)?c=d:e#f"),
        ("javascript:alert(1)", ""),
        (" \x01java\nscript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("file:///etc/passwd", ""),
        ("https://e.org/) [x](javascript:alert(1)", "https://e.org/%29%20[x]%28javascript:alert%281%29"),
        ("https://e.org/<b>\n", "https://e.org/%3Cb%3E"),
    ],
)  # fmt: skip
def test_only_an_address_of_the_web_is_one_and_it_ends_no_link(url: str, found: str) -> None:
    (reference,) = read_references({"content_references": [content(items=[{"url": url}])]})
    assert reference.sources == ((Source(found, reference.sources[0].title),) if found else ())
    page = {"url": url, "extra": {"cited_message_idx": 4}}
    (reference,) = read_references({"citations": [citation(metadata=page)]})
    assert reference.sources == ((Source(found, ""),) if found else ())


def test_a_title_ends_no_link() -> None:
    items = [{"url": "https://e.org/", "title": "a](javascript:alert(1)) [b"}]
    (reference,) = read_references({"content_references": [content(items=items)]})
    assert reference.text == "[a] (javascript:alert(1)) [b](https://e.org/)"


@each_row("odd", [None, {}, "x", [1, None], [{}], [{"metadata": 3, "start_ix": "1"}]])
def test_odd_shapes_never_raise(odd: Any) -> None:
    read_references({"citations": odd, "content_references": odd})


def test_pages_that_support_an_item_come_behind_it() -> None:
    more = [{"url": "b", "title": "B"}, {"url": "a"}, "x"]
    items = [{"url": "a", "title": "A|1", "supporting_websites": more}, {"url": "c"}]
    (reference,) = read_references({"content_references": [content(items=items)]})
    assert reference.sources == (Source("a", "A|1"), Source("b", "B"), Source("c", "c"))
    assert reference.text == "[A\\|1](a)"


def test_a_reference_has_a_limited_number_of_pages_and_a_message_of_references() -> None:
    items = [{"url": f"u{number}"} for number in range(MAX_SOURCES + 1)]
    known = read_references({"content_references": [content(items=items)] * (MAX_REFERENCES + 1)})
    assert len(known) == MAX_REFERENCES
    assert len(known[0].sources) == MAX_SOURCES


@each_row(
    ("fields", "text"),
    [
        ({"alt": "\ue200x\ue201"}, "[E](https://e.org/)"),
        ({"alt": "([a|b](https://e.org/))"}, "([a\\|b](https://e.org/))"),
        ({"alt": "([a\\|b](https://e.org/))"}, "([a\\|b](https://e.org/))"),
        ({"alt": "| a |\n|[b](u)|"}, "| a |\n|[b](u)|"),
        ({"items": [{"url": "u", "title": "a\n b"}]}, "[a b](u)"),
        ({"items": [{"url": "u\ue200", "title": "a"}]}, ""),
        ({"items": [], "prompt_text": "\ue200", "description": "D"}, "D"),
    ],
)
def test_a_text_holds_no_marker_and_ends_no_cell(fields: dict[str, Any], text: str) -> None:
    (reference,) = read_references({"content_references": [content(**fields)]})
    assert reference.text == text


def test_an_alt_that_is_a_link_names_its_page_where_nothing_else_does() -> None:
    fields = {"alt": "([e](https://e.org/))", "items": []}
    (reference,) = read_references({"content_references": [content(**fields)]})
    assert reference.sources == (Source("https://e.org/", "e"),)


def test_a_list_that_grows_is_read_once_for_each_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 12: of 400 references each new one had all read again."""
    read: list[dict[str, Any]] = []
    real = references._content
    monkeypatch.setattr(references, "_content", lambda raw: read.append(raw) or real(raw))
    raw = [content(matched_text=f"\ue200{number}\ue201") for number in range(200)]
    reading, told = ReadReferences(), []
    for count in range(1, 201):
        told += reading.known(message({"content_references": raw[:count]}))
    changed = [*raw[:50], content(matched_text="other"), *raw[51:]]
    told += reading.known(message({"content_references": changed}))
    assert len(read) == 201
    assert [len(each.references) for each in told] == [*range(1, 201), 200]
    assert told[-1].references[50].matched_text == "other"


def test_references_that_are_the_same_again_are_not_told() -> None:
    reading = ReadReferences()
    metadata = {"content_references": [content()]}
    assert len(list(reading.known(message(metadata)))) == 1
    assert list(reading.known(message(metadata))) == []
    assert list(reading.known(message({"content_references": [content()]}))) == []
    assert [each.references for each in reading.known(message({}))] == [()]


@each_row("old", [[], [1], [1, 2, 3, 4], [1, 1, 1]])
@each_row("new", [[], [1], [2, 3], [1, 2, 9, 4], [1, 2, 3, 4, 5], [1, 1], [0, 1, 2]])
def test_what_differs_of_two_lists_is_all_that_has_to_change(
    old: list[int], new: list[int]
) -> None:
    start, old_end, new_end = changed_part(old, new)
    assert [*old[:start], *new[start:new_end], *old[old_end:]] == new
    assert start == old_end == new_end or old != new
