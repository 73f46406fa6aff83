"""Protocol 5.3 and 5.4 as records."""

from typing import Any

import pytest

from service.stages.decode.messages import read_message
from service.stages.markup.references import ReadReferences, Reference
from service.vocabulary.events import Message, Source


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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
    "odd", [None, {}, "x", [1, None], [{}], [{"metadata": 3, "start_ix": "1"}]]
)
def test_odd_shapes_never_raise(odd: Any) -> None:
    read_references({"citations": odd, "content_references": odd})
