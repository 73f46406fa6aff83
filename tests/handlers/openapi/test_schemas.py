"""Requests are described by the records that their readers use."""

import json
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from msgspec import Struct

from handlers.openapi.forms import FORMS
from handlers.openapi.schemas import (
    REQUESTS,
    answer_components,
    reference,
    references_in,
    request_components,
    spelled_out,
)
from handlers.reading.json_body import decode_json
from tests.rows import each_row

COMPONENTS = request_components(REQUESTS)


def is_described(name: str, body: Any) -> bool:
    schema = {**reference(name), "components": {"schemas": {**COMPONENTS, **FORMS}}}
    return Draft202012Validator(schema).is_valid(body)


@each_row("name", REQUESTS)
def test_a_request_has_the_fields_of_its_reader(name: str) -> None:
    record, honoured = REQUESTS[name]
    properties = COMPONENTS[name]["properties"]
    assert list(properties) == [field.encode_name for field in msgspec.structs.fields(record)]
    ignored = {field for field, schema in properties.items() if schema.get("x-ignored")}
    assert ignored.isdisjoint(honoured)
    assert all(schema.get("description") for schema in properties.values())


def test_names_are_free_of_what_the_code_calls_its_parts() -> None:
    for name, schema in COMPONENTS.items():
        assert "_" not in name
        assert "Wire" not in name
        assert "." not in name
        assert set(references_in(schema)) <= set(COMPONENTS)


MESSAGE = {"role": "user", "content": "Hi"}
CASES: list[tuple[str, Any, bool]] = [
    ("ChatCompletionRequest", {"model": "m", "messages": [MESSAGE]}, True),
    ("ChatCompletionRequest", {"model": "m", "messages": [MESSAGE], "n": None}, True),
    ("ChatCompletionRequest", {"model": "m", "messages": [MESSAGE], "n": 2}, False),
    ("ChatCompletionRequest", {"model": "m", "messages": []}, False),
    ("ChatCompletionRequest", {"messages": [MESSAGE]}, False),
    ("ChatCompletionRequest", {"model": "m", "messages": [{"role": "pope"}]}, False),
    ("ChatCompletionRequest", {"model": "m", "messages": [{"role": "user"}]}, False),
    ("ChatCompletionRequest", {"model": "m", "messages": [{"role": "assistant"}]}, True),
    ("ChatCompletionRequest", {"model": "m", "messages": [MESSAGE], "stream": "yes"}, False),
    ("CompletionRequest", {"model": "m", "prompt": ["one"]}, True),
    ("CompletionRequest", {"model": "m", "prompt": ["one", "two"]}, False),
    ("ResponseRequest", {"model": "m", "input": "Hi"}, True),
    ("ResponseRequest", {"model": "m", "input": [MESSAGE]}, True),
    ("ResponseRequest", {"model": "m"}, False),
    ("ResponseRequest", {"input": "Hi", "previous_response_id": "resp_1"}, True),
    ("ResponseRequest", {"model": "m", "input": [{"type": "function_call"}]}, False),
    ("ImageRequest", {"prompt": "a boat", "n": 10}, True),
    ("ImageRequest", {"prompt": "a boat", "n": 11}, False),
    ("FileForm", {"file": "boats", "purpose": "user_data"}, True),
    ("FileForm", {"file": "boats", "purpose": "User Data"}, False),
    ("ImageEditForm", {"prompt": "a boat", "image": ["png"], "n": "10"}, True),
    ("ImageEditForm", {"prompt": "a boat", "image": ["png"], "n": "11"}, False),
    ("ImageEditForm", {"prompt": "a boat"}, False),
    ("ImageEditRequest", {"prompt": "a boat", "images": [{"file_id": "file-1"}]}, True),
    ("ImageEditRequest", {"prompt": "a boat", "images": [{}]}, False),
    ("ImageEditRequest", {"prompt": "a boat", "images": []}, False),
    ("ImageEditRequest", {"prompt": "a boat"}, False),
]


@each_row(("name", "body", "is_right"), CASES)
def test_what_a_reader_demands_is_in_the_description(name: str, body: Any, is_right: bool) -> None:
    assert is_described(name, body) is is_right


@each_row(
    ("name", "body"),
    [(name, body) for name, body, is_right in CASES if name in REQUESTS and is_right],
)
def test_what_is_described_is_taken_by_the_reader(name: str, body: Any) -> None:
    assert decode_json(json.dumps(body).encode(), REQUESTS[name][0])


def test_values_and_lists_are_spelled_out_for_programs_that_make_clients() -> None:
    assert spelled_out({"enum": [True]}) == {"type": "boolean", "const": True}
    assert spelled_out({"enum": ["a", "b"]}) == {"type": "string", "enum": ["a", "b"]}
    assert spelled_out({"enum": [None, 1]}) == {"type": ["null", "integer"], "enum": [None, 1]}
    assert spelled_out({"type": "array"}) == {"type": "array", "items": {}}
    assert spelled_out({"properties": {"type": {"type": ["string", "array"]}}}) == {
        "properties": {"type": {"type": ["string", "array"], "items": {}}}
    }
    nullable = {"anyOf": [{"type": "integer"}, {"type": "null"}], "enum": [None, 1]}
    assert spelled_out(nullable) == nullable


def test_an_answer_brings_its_parts() -> None:
    class Inner(Struct):
        size: int

    class Outer(Struct):
        inner: Inner | None

    found = answer_components([Outer])
    assert set(found) == {"Outer", "Inner"}
    assert list(references_in(found["Outer"])) == ["Inner"]
