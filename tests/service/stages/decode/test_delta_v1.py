"""Named cases of protocol 3.3 to 3.5; random documents are in test_properties."""

from typing import Any

import pytest

from service.stages.decode.changes import DocumentChanged
from service.stages.decode.delta_v1 import (
    MAX_PATCH_DEPTH,
    MAX_SEGMENTS,
    MISSING,
    DecodeDelta,
    apply,
    merge,
)
from service.vocabulary.errors import UpstreamProtocolError
from service.vocabulary.events import TextAppended
from tests.rows import each_row

ROOT = {"a": [1, 2], "s": "xy", "n": None, "o": {"k": 1}}


@each_row(
    ("path", "operation", "value", "expected"),
    [
        ("", "add", 1, 1),
        ("", "replace", {"x": 1}, {"x": 1}),
        ("", "append", {"s": "z"}, {**ROOT, "s": "z"}),
        ("", "remove", None, MISSING),
        ("/a/0", "add", 9, {**ROOT, "a": [9, 1, 2]}),
        ("/a/2", "add", 9, {**ROOT, "a": [1, 2, 9]}),
        ("/a/1", "replace", 9, {**ROOT, "a": [1, 9]}),
        ("/a/2", "replace", 9, {**ROOT, "a": [1, 2, 9]}),
        ("/a/0", "remove", None, {**ROOT, "a": [2]}),
        ("/a", "append", [3, 4], {**ROOT, "a": [1, 2, 3, 4]}),
        ("/a", "append", 3, {**ROOT, "a": [1, 2, 3]}),
        ("/a", "truncate", 1, {**ROOT, "a": [1]}),
        ("/s", "append", "z", {**ROOT, "s": "xyz"}),
        ("/s", "truncate", 1, {**ROOT, "s": "x"}),
        ("/n", "append", "z", {**ROOT, "n": "z"}),
        ("/o", "append", {"l": 2}, {**ROOT, "o": {"k": 1, "l": 2}}),
        ("/o/k", "remove", None, {**ROOT, "o": {}}),
        ("/o/none", "remove", None, ROOT),
        ("/new/0/k", "add", 1, {**ROOT, "new": [{"k": 1}]}),
        ("/n/k", "replace", 1, {**ROOT, "n": {"k": 1}}),
        ("o/a~1b~0c", "add", 1, {**ROOT, "o": {"k": 1, "a/b~c": 1}}),
        ("/o/3", "add", 1, {**ROOT, "o": {"k": 1, "3": 1}}),
        (
            "/o",
            "patch",
            [{"p": "/k", "o": "replace", "v": 2}, {"o": "append", "v": {"m": 3}}],
            {**ROOT, "o": {"k": 2, "m": 3}},
        ),
    ],
)
def test_an_operation_gives_the_document_of_the_table(
    path: str, operation: str, value: Any, expected: Any
) -> None:
    before = repr(ROOT)
    assert apply(ROOT, path, operation, value) == expected
    assert repr(ROOT) == before


@each_row(
    ("path", "operation", "value"),
    [
        ("/a/x", "add", 1),
        ("/a/-", "add", 1),
        ("/a/5", "add", 1),
        ("/a/2", "remove", None),
        ("/s/0", "add", 1),
        ("/s", "append", ["z"]),
        ("/s/0/x", "add", 1),
        ("/a", "truncate", "1"),
        ("/a", "truncate", -1),
        ("/a", "patch", {"p": ""}),
        ("/a", "patch", [{"p": "/0", "v": 1}]),
        ("/a", "patch", [{"p": 0, "o": "add", "v": 1}]),
        ("/a", "patch", [{"p": "", "o": "move", "v": 1}]),
        ("/x" * (MAX_SEGMENTS + 1), "add", 1),
    ],
)
def test_what_cannot_be_applied_is_a_protocol_error(path: str, operation: str, value: Any) -> None:
    with pytest.raises(UpstreamProtocolError):
        apply(ROOT, path, operation, value)


def test_patches_in_patches_are_applied_up_to_a_depth() -> None:
    def nested(depth: int) -> Any:
        value: Any = [{"p": "/s", "o": "append", "v": "z"}]
        for _ in range(depth - 1):
            value = [{"p": "", "o": "patch", "v": value}]
        return value

    assert apply(ROOT, "", "patch", nested(MAX_PATCH_DEPTH))["s"] == "xyz"
    with pytest.raises(UpstreamProtocolError):
        apply(ROOT, "", "patch", nested(MAX_PATCH_DEPTH + 1))


@each_row(
    ("old", "value", "expected"),
    [(1, 2, 2), ("a", 1, "a1"), ("a", None, "anull"), ({}, "x", "x"), ([], {}, [{}])],
)
def test_merging_unlike_things_takes_the_new_one(old: Any, value: Any, expected: Any) -> None:
    assert merge(old, value) == expected


@each_row("bad", [{"c": "0"}, {"c": True}, {"p": 1}, {"o": "move"}, {"o": []}])
def test_a_delta_with_a_field_of_a_wrong_type_is_a_protocol_error(bad: dict[str, Any]) -> None:
    with pytest.raises(UpstreamProtocolError):
        DecodeDelta().feed(bad)


def message(text: str) -> dict[str, Any]:
    return {"message": {"id": "m", "content": {"parts": [text]}}}


def test_text_at_the_end_of_the_answer_is_told_apart_and_still_in_the_document() -> None:
    decoder = DecodeDelta()
    decoder.feed({"p": "", "o": "add", "v": message("")})
    assert decoder.feed({"p": "/message/content/parts/0", "o": "append", "v": "a"}) == TextAppended(
        "m", "a"
    )
    assert decoder.feed({"v": "b"}) == TextAppended("m", "b")
    changed = decoder.feed({"p": "/message/status", "o": "replace", "v": "finished_successfully"})
    assert changed.document["message"]["content"]["parts"] == ["ab"]
    assert decoder.feed({"p": "/message/content/parts/0", "o": "append", "v": "c"}).text == "c"


CODE = {"content_type": "code", "language": "python", "text": "x"}
THOUGHTS = {"content_type": "thoughts", "thoughts": [{"content": "a"}, {"content": "b"}]}


@each_row(
    ("content", "path", "grown"),
    [
        (CODE, "/message/content/text", {**CODE, "text": "x = 1"}),
        (
            THOUGHTS,
            "/message/content/thoughts/1/content",
            {**THOUGHTS, "thoughts": [{"content": "a"}, {"content": "b = 1"}]},
        ),
    ],
)
def test_text_at_the_end_of_code_and_of_the_last_thought_is_gathered_as_well(
    content: dict[str, Any], path: str, grown: dict[str, Any]
) -> None:
    decoder = DecodeDelta()
    decoder.feed({"v": {"message": {"id": "m", "content": content}}})
    assert decoder.feed({"p": path, "o": "append", "v": " ="}) == TextAppended("m", " =")
    assert decoder.feed({"v": " 1"}) == TextAppended("m", " 1")
    assert decoder.growing is None  # what is read faster is answers
    changed = decoder.feed({"p": "/message/status", "o": "replace", "v": "x"})
    assert changed.document["message"]["content"] == grown


@each_row(
    ("content", "path"),
    [
        ({**CODE, "content_type": "text"}, "/message/content/text"),
        (THOUGHTS, "/message/content/thoughts/0/content"),
        ({**THOUGHTS, "thoughts": [{"content": ""}]}, "/message/content/thoughts/0/content"),
        (THOUGHTS, "/message/content/thoughts/1/summary"),
        (THOUGHTS, "/message/content/thoughts/9/content"),
        ({"parts": ["a", "b"]}, "/message/content/parts/0"),
    ],
)
def test_text_at_another_place_changes_the_document(content: dict[str, Any], path: str) -> None:
    decoder = DecodeDelta()
    decoder.feed({"v": {"message": {"id": "m", "content": content}}})
    try:
        changed = decoder.feed({"p": path, "o": "append", "v": "z"})
    except UpstreamProtocolError:
        return
    assert isinstance(changed, DocumentChanged)


def test_text_that_goes_on_elsewhere_leaves_what_was_gathered_in_its_place() -> None:
    decoder = DecodeDelta()
    decoder.feed({"v": {"message": {"id": "m", "content": THOUGHTS}}})
    decoder.feed({"p": "/message/content/thoughts/1/content", "o": "append", "v": "1"})
    decoder.feed({"p": "/message/content/thoughts", "o": "append", "v": [{"content": "c"}]})
    decoder.feed({"p": "/message/content/thoughts/2/content", "o": "append", "v": "2"})
    changed = decoder.feed({"p": "/message/content/thoughts/1/content", "o": "append", "v": "3"})
    thoughts = changed.document["message"]["content"]["thoughts"]
    assert [each["content"] for each in thoughts] == ["a", "b13", "c2"]


def test_documents_given_out_before_do_not_change() -> None:
    decoder = DecodeDelta()
    first = decoder.feed({"v": message("a")}).document
    decoder.feed({"p": "/message/metadata/list", "o": "add", "v": [1]})
    second = decoder.feed({"p": "/message/metadata/list", "o": "append", "v": 2}).document
    decoder.feed({"p": "/message/metadata/list/0", "o": "replace", "v": 9})
    assert first == message("a")
    assert second["message"]["metadata"] == {"list": [1, 2]}


def test_each_channel_has_a_document_and_inheritance_is_across_them() -> None:
    decoder = DecodeDelta()
    decoder.feed({"p": "", "o": "add", "v": message("a"), "c": 0})
    assert decoder.feed({"v": {"message": {"id": "n"}}, "c": 1}).document["message"]["id"] == "n"
    grown = decoder.feed({"p": "/message/content/parts/0", "o": "append", "v": "b", "c": 0})
    assert grown == TextAppended("m", "b")


def test_a_failed_operation_leaves_the_document_as_it_was() -> None:
    decoder = DecodeDelta()
    decoder.feed({"v": message("a")})
    with pytest.raises(UpstreamProtocolError):
        decoder.feed({"p": "/message/content/parts/7/x", "o": "add", "v": 1})
    changed = decoder.feed({"p": "/message/status", "o": "add", "v": "x"})
    assert changed.document["message"]["content"] == {"parts": ["a"]}


@each_row("bad", [{"o": "splice"}, {"p": 1}, {"c": "x"}, {"o": ["add"]}])
def test_what_follows_a_bad_field_is_not_taken_for_what_was_before_it(bad: dict[str, Any]) -> None:
    decoder = DecodeDelta()
    decoder.feed({"p": "/s", "o": "append", "v": "a"})
    for delta in ({**bad, "v": "b"}, {"v": "c"}):
        with pytest.raises(UpstreamProtocolError):
            decoder.feed(delta)
    good = decoder.feed({"c": 0, "p": "/s", "o": "append", "v": "d"})
    assert good == DocumentChanged({"s": "ad"})


def test_a_number_that_is_no_place_in_any_list_is_a_name() -> None:
    number = "9" * 5_000  # Python refuses to read such a number
    changed = DecodeDelta().feed({"p": f"/{number}", "o": "add", "v": 1})
    assert changed == DocumentChanged({number: 1})
    with pytest.raises(UpstreamProtocolError):
        apply([1], f"/{number}", "add", 1)


@each_row("channel", [[], True, "0"])
def test_nothing_grows_in_what_is_no_channel(channel: Any) -> None:
    decoder = DecodeDelta()
    decoder.feed({"c": 1, "v": message("a")})
    decoder.feed({"p": "/message/content/parts/0", "o": "append", "v": "b"})
    assert decoder.growing == "m"
    with pytest.raises(UpstreamProtocolError):
        decoder.feed({"c": channel, "v": "c"})
    assert decoder.growing is None
    decoder.share("b")


def test_a_failed_operation_keeps_the_text_before_it() -> None:
    decoder = DecodeDelta()
    decoder.feed({"v": {"message": {"id": "m", "content": {"parts": [""]}}}})
    decoder.feed({"p": "/message/content/parts/0", "o": "append", "v": "One two."})
    with pytest.raises(UpstreamProtocolError):
        decoder.feed({"p": "", "o": "patch", "v": [{"p": "/message/status"}]})
    settled = decoder.feed({"v": []})
    assert settled.document["message"]["content"]["parts"] == ["One two."]


def test_a_number_of_any_size_is_appended_to_a_text() -> None:
    root = {"s": "n "}
    assert apply(root, "/s", "append", 10**30) == {"s": f"n {10**30}"}
    assert apply(root, "/s", "append", -3) == {"s": "n -3"}
    assert apply(root, "/s", "append", True) == {"s": "n true"}
