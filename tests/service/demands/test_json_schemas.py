"""Untrusted schemas: which are refused, which values match, and what a hostile one may cost."""

import json
from typing import Any

import pytest

from service.demands.json_schemas import (
    MAX_DEPTH,
    MAX_SCHEMA_BYTES,
    MAX_UNIQUE_ITEMS,
    check_schema,
    problem_with,
)
from service.demands.schema_errors import SchemaError
from tests.rows import each_row

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """A schema in which every level refers twice to the next."""
    steps = {f"a{at}": {"allOf": [{"$ref": f"#/$defs/a{at + 1}"}] * 2} for at in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{levels}": {}}}


@each_row(
    ("schema", "place"),
    [
        ({"type": "text"}, ".type"),
        ({"properties": {"x": {"type": 5}}}, ".properties.x.type"),
        ({"properties": {"x": 5}}, ".properties.x"),
        ({"properties": []}, ".properties"),
        ({"required": "x"}, ".required"),
        ({"anyOf": [{"type": "string"}, {"minLength": -1}]}, ".anyOf[1].minLength"),
        ({"properties": {"x": {"pattern": "("}}}, ".properties.x.pattern"),
        ({"patternProperties": {"[": {}}}, ".patternProperties"),
        ({"pattern": "a" * 1_001}, ".pattern"),
        ({"properties": {"x": {"$ref": "#/$defs/y"}}}, ".properties.x.$ref"),
        ({"$ref": "http://127.0.0.1:9/schema"}, ".$ref"),
        ({"items": {"$ref": "file:///etc/passwd"}}, ".items.$ref"),
        ({"$dynamicRef": "other.json#x"}, ".$dynamicRef"),
        ({"$ref": "#"}, ""),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#"}]}}}, ""),
        (nested(MAX_DEPTH), ""),
        (nested(2_000), ""),
        ({"description": "x" * MAX_SCHEMA_BYTES}, ""),
        ({"patternProperties": {}, "unevaluatedProperties": False}, ""),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, str) else None,
)
def test_what_is_no_usable_schema_is_refused_with_its_place(
    schema: dict[str, Any], place: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        check_schema(schema)
    assert caught.value.place == place
    assert caught.value.problem


@each_row(
    "schema",
    [
        {},
        CITY,
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"default": {"$ref": "http://nowhere/"}, "examples": [{"pattern": "("}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}},
        {"properties": {"next": {"$ref": "#"}}},
        {"$id": "http://x.example/a", "$ref": "#b", "$defs": {"b": {"$anchor": "b"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}},
        {"$schema": "http://nowhere.example/", "type": "object"},
        {"pattern": "(?=looks)around"},
        {"description": "\ud800"},
        nested(MAX_DEPTH - 1),
    ],
)
def test_a_valid_schema_passes(schema: dict[str, Any]) -> None:
    check_schema(schema)


@each_row(
    ("schema", "value", "problem"),
    [
        (CITY, {"city": "Paris"}, ""),
        (CITY, {}, "$: 'city' is a required property"),
        (CITY, {"city": 5}, "$.city: 5 is not of type 'string'"),
        ({"items": CITY}, [{"city": ""}, {"city": None}], "$[1].city: None is not of type"),
        ({"additionalProperties": False}, {"a": 1}, "$: the property 'a' is not allowed"),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, "$.a: 1 is not of type"),
        (
            {"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": False},
            {"a": 1},
            "$.a: 1 is not of type 'null'",
        ),
        ({"pattern": "^[a-z]+$"}, "abc", ""),
        ({"pattern": "^[a-z]+$"}, "ABC", "$: 'ABC' does not match"),
        ({"pattern": "^.$"}, "\ud800", ""),
        ({"pattern": "(?=looks)around"}, "not checked", ""),
        ({"uniqueItems": True}, [1, 1], "non-unique"),
        ({"anyOf": [CITY, {"type": "null"}]}, {"city": 1}, "$.city: 1 is not of type"),
        ({"properties": {"next": {"$ref": "#"}}, "type": "object"}, {"next": 1}, "$.next: 1"),
        ({"format": "date"}, "no date", ""),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told(schema: dict[str, Any], value: Any, problem: str) -> None:
    check_schema(schema)
    found = problem_with(value, schema)
    assert (problem in found) if problem else (found == "")


def test_problems_are_few_and_short() -> None:
    schema = {"items": {"type": "string"}}
    told = problem_with([{"x" * 1_000: at} for at in range(1_000)], schema)
    assert told.count(";") == 2
    assert len(told) < 2_000


@pytest.mark.whole
def test_references_that_multiply_are_given_up() -> None:
    check_schema(doubling(5))
    with pytest.raises(SchemaError, match="too long"):
        check_schema(doubling(60))


def test_a_value_that_is_nested_too_deep_is_an_error_and_no_crash() -> None:
    value = json.loads('{"n":' * 900 + "1" + "}" * 900)
    with pytest.raises(SchemaError, match="too deep"):
        problem_with(value, {"properties": {"n": {"$ref": "#"}}})


@each_row("pattern", ["^(a+)+$", "^(a|a)*$", "(a*)*b", "((a{1,50}){1,50}){1,50}$"])
def test_a_pattern_takes_no_time(pattern: str) -> None:
    text = "a" * 5_000 + "!"
    check_schema({"pattern": pattern})
    assert "does not match" in problem_with(text, {"pattern": pattern}) or "{" in pattern
    names = {"patternProperties": {pattern: {}}, "additionalProperties": False}
    problem_with({text: 1}, names)


def test_too_many_unique_items_are_an_error() -> None:
    schema = {"uniqueItems": True}
    with pytest.raises(SchemaError, match="too long"):
        problem_with(list(range(MAX_UNIQUE_ITEMS + 1)), schema)


@each_row("identifier", ["https://x.example/s#/$defs/a", "#a", "s#a"])
def test_an_id_with_a_fragment_is_no_error_of_the_schema(identifier: str) -> None:
    schema = {
        "$id": identifier,
        "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"const": {"$id": "#kept"}}},
        "$defs": {"a": {"$id": identifier, "type": "integer"}},
    }
    check_schema(schema)
    assert problem_with({"a": 1, "b": {"$id": "#kept"}}, schema) == ""
    assert "integer" in problem_with({"a": "x"}, schema)
    assert "was expected" in problem_with({"b": {}}, schema)
