import json
from typing import Any

import pytest

from service.stages.function_calls.call_shapes import (
    ShapeError,
    WrittenCall,
    calls_in,
    decode,
    is_call,
)
from tests.rows import each_row

ADD = {"name": "add", "arguments": {"a": 1}}
WRITTEN = WrittenCall("add", '{"a":1}')


@each_row(
    "value",
    [
        ADD,
        [ADD],
        {"name": "functions.add", "parameters": {"a": 1}},
        {"tool": "add", "args": {"a": 1}},
        {"function": "add", "input": {"a": 1}},
        {"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"function_call": {"name": "add", "arguments": '{"a":1}'}, "content": None},
        {"tool_call": ADD},
        {"tool_calls": [{"id": "x", "type": "function", "function": ADD}]},
        {"tool_uses": [{"recipient_name": "functions.add", "parameters": {"a": 1}}]},
    ],
)
def test_every_shape_is_the_same_call(value: Any) -> None:
    assert calls_in(value) == [WRITTEN]
    assert is_call(value, {"add"})


@each_row(
    "value",
    [
        *(1, "add", None, [], {}, {"name": "sub", "arguments": {}}, {"name": "add"}, [ADD, 1]),
        {"name": "add", "description": "Adds.", "parameters": {}},
        {"name": "add", "parameters": {"type": "object", "properties": {}}},
    ],
)
def test_other_json_by_itself_is_no_call(value: Any) -> None:
    assert not is_call(value, {"add"})


@each_row(
    ("value", "problem"),
    [
        (1, "no object"),
        ([], "names no function"),
        ({"arguments": {}}, '"name" is missing'),
        ({"name": "add", "arguments": [1]}, "not a JSON object"),
        ({"name": "add", "arguments": "one"}, "cannot be read"),
        ({"name": "add", "arguments": {"a": float("inf")}}, "out of range"),
    ],
)
def test_what_is_no_call_says_why(value: Any, problem: str) -> None:
    with pytest.raises(ShapeError, match=problem):
        calls_in(value)


def test_absent_arguments_are_none() -> None:
    for value in ({"name": "now"}, {"name": "now", "arguments": None}, {"name": "now", "args": ""}):
        assert calls_in(value) == [WrittenCall("now", "{}")]


@each_row("text", ["{", "{'a': 1}", "NaN", '{"a": 1}}', "1" * 5_000])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ShapeError, match="cannot be read"):
        decode(text)


def test_depth_is_refused_and_no_crash() -> None:
    with pytest.raises(ShapeError, match="nested too deep"):
        decode("[" * 100_000)
    value: Any = {}
    for _ in range(900):
        value = [value]
    with pytest.raises(ShapeError):
        calls_in(json.loads(json.dumps({"name": "f", "arguments": value})))
