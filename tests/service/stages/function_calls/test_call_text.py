"""Calls in a model's text: named cases, every cut, and an oracle that reads the whole text."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.stages.function_calls.call_block import CallBlock, PlainText
from service.stages.function_calls.call_shapes import WrittenCall
from service.stages.function_calls.call_text import FindCalls
from tests.chance import examples
from tests.oracle import call_text as oracle
from tests.rows import each_row

NAMES = ("add", "get_weather")
ADD = WrittenCall("add", '{"a":1}')
PARIS = WrittenCall("get_weather", '{"city":"Paris"}')
ADD_JSON = '{"name": "add", "arguments": {"a": 1}}'
PARIS_JSON = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
ADD_TAG = f"<tool_call>\n{ADD_JSON}\n</tool_call>"
PARIS_TAG = f"<tool_call>{PARIS_JSON}</tool_call>"
OPENAI = (
    '{"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",'
    ' "function": {"name": "add", "arguments": "{\\"a\\": 1}"}}]}'
)

Found = tuple[str, list[WrittenCall], list[str]]


def found(chunks: Iterable[str]) -> Found:
    """Return the text for the caller, the calls, and the problems."""
    find = FindCalls(NAMES)
    pieces = [piece for chunk in chunks for piece in find.feed(chunk)]
    pieces += find.finish()
    blocks = [piece for piece in pieces if isinstance(piece, CallBlock)]
    return (
        "".join(piece.text for piece in pieces if isinstance(piece, PlainText)),
        [call for block in blocks for call in block.calls],
        [block.problem for block in blocks if block.problem],
    )


CASES: dict[str, tuple[str, str, list[WrittenCall]]] = {
    "only text": ("Just <b>text</b> {with} braces.\n", "Just <b>text</b> {with} braces.\n", []),
    "a call": (ADD_TAG, "", [ADD]),
    "two calls": (f"{ADD_TAG}\n{PARIS_TAG}\n", "", [ADD, PARIS]),
    "two calls without a break": (ADD_TAG + PARIS_TAG, "", [ADD, PARIS]),
    "two calls between two tags": (
        f"<tool_call>{ADD_JSON}\n{PARIS_JSON}</tool_call>",
        "",
        [ADD, PARIS],
    ),
    "a list of calls": (f"<tool_call>[{ADD_JSON}, {PARIS_JSON}]</tool_call>", "", [ADD, PARIS]),
    "text before": (f"Let me see.\n\n{ADD_TAG}", "Let me see.", [ADD]),
    "text after": (f"{ADD_TAG}\n\nDone.", "Done.", [ADD]),
    "text before and after": (f"See:\n{ADD_TAG}\n\nDone.", "See:\n\nDone.", [ADD]),
    "text in the same line": (f"See {ADD_TAG} there", "See there", [ADD]),
    "a fence around the tags": (f"```xml\n{ADD_TAG}\n```\nDone.", "Done.", [ADD]),
    "a fence around two calls": (f"```\n{ADD_TAG}\n{PARIS_TAG}\n```", "", [ADD, PARIS]),
    "a fence between the tags": (
        f"<tool_call>\n```json\n{ADD_JSON}\n```\n</tool_call>",
        "",
        [ADD],
    ),
    "a fence around the JSON": (f"So:\n```json\n{ADD_JSON}\n```\n", "So:", [ADD]),
    "two calls in one fence": (f"```json\n{ADD_JSON}\n{PARIS_JSON}\n```", "", [ADD, PARIS]),
    "the JSON alone": (ADD_JSON, "", [ADD]),
    "the JSON twice": (f"{ADD_JSON}\n{PARIS_JSON}", "", [ADD, PARIS]),
    "a list alone": (f"[{ADD_JSON},\n {PARIS_JSON}]", "", [ADD, PARIS]),
    "OpenAI's message": (OPENAI, "", [ADD]),
    "OpenAI's message in a fence": (f"```json\n{OPENAI}\n```", "", [ADD]),
    "OpenAI's call": (
        '{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}',
        "",
        [ADD],
    ),
    "OpenAI's old message": (
        '{"function_call": {"name": "add", "arguments": "{\\"a\\":1}"}}',
        "",
        [ADD],
    ),
    "ChatGPT's parallel tool": (
        '{"tool_uses": [{"recipient_name": "functions.add", "parameters": {"a": 1}}]}',
        "",
        [ADD],
    ),
    "parameters for arguments": ('{"name": "add", "parameters": {"a": 1}}', "", [ADD]),
    "no arguments": ('<tool_call>{"name": "add"}</tool_call>', "", [WrittenCall("add", "{}")]),
    "empty argument text": (
        '<tool_call>{"name": "add", "arguments": ""}</tool_call>',
        "",
        [WrittenCall("add", "{}")],
    ),
    "nested braces": (
        '<tool_call>{"name":"add","arguments":{"a":{"b":[{}, {"c":[]}]}}}</tool_call>',
        "",
        [WrittenCall("add", '{"a":{"b":[{},{"c":[]}]}}')],
    ),
    "braces, tags and fences in a string": (
        '<tool_call>{"name":"add","arguments":{"a":"}{ </tool_call> ``` <tool_call>"}}</tool_call>.',
        ".",
        [WrittenCall("add", '{"a":"}{ </tool_call> ``` <tool_call>"}')],
    ),
    "escapes": (
        r'<tool_call>{"name":"add","arguments":{"a":"\"\\\" } \u00e9\ud83d\ude00\n"}}</tool_call>',
        "",
        [WrittenCall("add", r'{"a":"\"\\\" } é😀\n"}')],
    ),
    "a raw line feed in a string": (
        '<tool_call>{"name":"add","arguments":{"a":"1\n2"}}</tool_call>',
        "",
        [WrittenCall("add", r'{"a":"1\n2"}')],
    ),
    "wide characters": (
        '你好 <tool_call>{"name":"add","arguments":{"a":"巴黎😀"}}</tool_call>！',
        "你好！",
        [WrittenCall("add", '{"a":"巴黎😀"}')],
    ),
    "no end tag": (f"<tool_call>{ADD_JSON}\n\nDone.", "Done.", [ADD]),
    "no end tag between texts": (f"See\n<tool_call>{ADD_JSON}\n\nDone.", "See\n\nDone.", [ADD]),
    "a brace too many": (f"<tool_call>{ADD_JSON}}}\n</tool_call>Done.", "Done.", [ADD]),
    "an unknown function between tags": (
        '<tool_call>{"name": "fly", "arguments": {}}</tool_call>',
        "",
        [WrittenCall("fly", "{}")],
    ),
    "JSON about somebody": (
        '{"name": "Ada", "arguments": []}\n',
        '{"name": "Ada", "arguments": []}\n',
        [],
    ),
    "JSON of another kind": ('{"city": "Paris"}', '{"city": "Paris"}', []),
    "a name without arguments": ('{"name": "add"}', '{"name": "add"}', []),
    "JSON within a line": (f"Write {ADD_JSON}", f"Write {ADD_JSON}", []),
    "code in a fence": ("```python\nprint({})\n```\n", "```python\nprint({})\n```\n", []),
    "JSON in a fence": ('```json\n{"name": "Ada"}\n```', '```json\n{"name": "Ada"}\n```', []),
    "a tag that is only mentioned": ("Write <tool_call> first.", "Write <tool_call> first.", []),
    "something like a tag": ("a <tool_callx> b <too", "a <tool_callx> b <too", []),
    "a list of words": ("[1] see\n[ ] do\n{x}", "[1] see\n[ ] do\n{x}", []),
    "JSON that never ends": (
        '{"name": "Ada", "b": [1,\nso\n',
        '{"name": "Ada", "b": [1,\nso\n',
        [],
    ),
    "a call behind JSON that never ends": (
        f'{{"name": "Ada", \n{ADD_TAG}',
        '{"name": "Ada",',
        [ADD],
    ),
}
BROKEN = {
    "a brace too few": '<tool_call>{"name": "add", "arguments": {"a": 1}</tool_call>',
    "a comma too many": '<tool_call>{"name": "add", "arguments": {"a": 1,}}</tool_call>',
    "single quotes": "<tool_call>{'name': 'add'}</tool_call>",
    "an open string": '<tool_call>{"name": "add", "arguments": {"a": "1}}</tool_call>',
    "the text ended": '<tool_call>{"name": "add", "argu',
    "no JSON": '<tool_call>add(a=1, b="2")</tool_call>',
    "no name": '<tool_call>{"arguments": {}}</tool_call>',
    "no object": '<tool_call>{"name": "add", "arguments": [1]}</tool_call>',
    "words as arguments": '<tool_call>{"name": "add", "arguments": "one"}</tool_call>',
    "not a number": '<tool_call>{"name": "add", "arguments": {"a": NaN}}</tool_call>',
    "no range": '<tool_call>{"name": "add", "arguments": {"a": 1e999}}</tool_call>',
    "an empty list": "<tool_call>[]</tool_call>",
    "bare and broken": '{"name": "add", "arguments": {"a": 1,}}',
    "bare and cut": '{"name": "add", "arguments": {"a": ',
    "in a fence and broken": '```json\n{"name": "add", "arguments": {"a" 1}}\n```',
    "nested without end": '<tool_call>{"name":"add","arguments":' + '{"a":' * 5000,
}


@each_row("name", CASES)
def test_calls_are_told_from_text(name: str) -> None:
    text, plain, calls = CASES[name]
    assert found([text]) == (plain, calls, [])


@each_row("name", BROKEN)
def test_a_call_that_cannot_be_read_is_a_problem_and_no_text(name: str) -> None:
    plain, calls, problems = found([BROKEN[name]])
    assert (plain, calls, len(problems)) == ("", [], 1)


@each_row("name", [*CASES, *BROKEN])
def test_the_cuts_do_not_matter(name: str) -> None:
    text = CASES[name][0] if name in CASES else BROKEN[name][:200]
    whole = found([text])
    assert found(text) == whole
    for at in range(len(text)):
        assert found([text[:at], text[at:]]) == whole, (text[:at], text[at:])


def test_text_behind_a_broken_call_is_read_again() -> None:
    broken = '<tool_call>{"name": "add", "arguments": {"a": "1}}</tool_call>'
    plain, calls, problems = found([f"{broken}\nAnd:\n{PARIS_TAG}"])
    assert (plain, calls, len(problems)) == ("And:", [PARIS], 1)


def test_only_what_may_begin_a_call_is_held_back() -> None:
    find = FindCalls(NAMES)
    for text in ["Hello", " {world}", " and <b>", " more", "\n[1]", "\n``x", '\n{"city":', " 1}"]:
        assert "".join(piece.text for piece in find.feed(text)) == text
    assert find.feed(" \n") == []
    assert find.feed('{"na') == []
    assert find.feed('mes": 1}') == [PlainText(' \n{"names": 1}')]
    assert find.feed("<tool_") == []
    assert find.feed("box>") == [PlainText("<tool_box>")]


def test_json_that_is_no_call_goes_out_at_its_end() -> None:
    find = FindCalls(NAMES)
    assert find.feed('{"name": "Ada"') == []
    assert find.is_in_block
    assert find.feed("} is") == [PlainText('{"name": "Ada"} is')]


def test_a_long_call_in_small_pieces_is_read_in_one_pass() -> None:
    text = json.dumps({"name": "add", "arguments": {"a": '{"b": "c"}, ' * 20_000}})
    pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
    assert found(["<tool_call>", *pieces, "</tool_call>"])[1][0].arguments == json.dumps(
        json.loads(text)["arguments"], separators=(",", ":")
    )


def test_a_block_without_end_is_given_up() -> None:
    plain, _, problems = found(["<tool_call>{", *["x" * 100_000] * 12])
    assert len(problems) == 1
    assert 0 < len(plain) < 300_000


FRAGMENTS = st.sampled_from(
    [
        *("Hello", " ", "\n", "\n\n", "<", "{", "}", "[", "]", '"', "\\", "```", "```json\n", "`"),
        *("<tool_call>", "</tool_call>", "<tool_", "</tool_", ADD_JSON, PARIS_JSON, OPENAI, ","),
        *('{"name": "Ada"}', '{"name": "add", "arguments": {', '"arguments"', "你😀", "1e9"),
        *(ADD_TAG, PARIS_TAG, "x" * 600),
    ]
)


@pytest.mark.whole
@examples(300)
@given(st.lists(FRAGMENTS, max_size=12), st.data())
def test_no_cut_of_any_soup_matters(fragments: list[str], data: st.DataObject) -> None:
    text = "".join(fragments)
    whole = found([text])
    assert found(text) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    edges = zip([0, *cuts], [*cuts, len(text)], strict=True)
    assert found([text[start:end] for start, end in edges]) == whole


WORDS = st.text(st.characters(blacklist_characters="<`{}[]", codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
CALLS = st.tuples(
    st.sampled_from(NAMES),
    st.dictionaries(st.text(max_size=6), VALUES, max_size=3),
    st.sampled_from(["tag", "fenced tag", "tag of a fence", "bare", "fence", "openai"]),
    st.booleans(),
)


@pytest.mark.whole
@examples(300)
@given(st.lists(st.one_of(WORDS, CALLS), max_size=6))
def test_what_is_written_is_what_the_oracle_reads(
    parts: list[str | tuple[str, dict[str, object], str, bool]],
) -> None:
    text = "".join(part if isinstance(part, str) else oracle.written(*part) for part in parts)
    plain, calls, problems = found([text])
    told, expected = oracle.read(text, NAMES)
    assert problems == []
    assert [(call.name, json.loads(call.arguments)) for call in calls] == expected
    assert "".join(plain.split()) == "".join(told.split())
    meant = [(part[0], part[1]) for part in parts if not isinstance(part, str)]
    assert expected == meant
