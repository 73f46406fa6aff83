from typing import Any

from jsonschema import Draft202012Validator

from tests.rows import each_row
from upstream.demo.ground.samples import Sampler

SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "boolean"},
    {"type": ["null", "integer"]},
    {"type": "integer", "minimum": 5, "maximum": 6},
    {"type": "number", "maximum": 0.5},
    {"type": "string", "minLength": 9, "maxLength": 10},
    {"type": "string", "format": "date"},
    {"enum": ["b", "a"]},
    {"const": 7},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]},
    {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "array", "items": {}}}},
    {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    {"oneOf": [{"type": "object", "properties": {"k": {"const": 1}}, "required": ["k"]}]},
    {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "integer"}}}]},
]


@each_row("schema", SCHEMAS, ids=str)
def test_a_value_fits_its_schema(schema: dict[str, Any]) -> None:
    value = Sampler(schema, "Go to Paris for 3 days").value()
    assert list(Draft202012Validator(schema).iter_errors(value)) == []


def test_words_and_numbers_come_from_the_question() -> None:
    schema = {"properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    assert Sampler(schema, "Go to Paris for 3 days").value() == {"city": "Paris", "days": 3}


def test_a_schema_of_itself_has_an_end() -> None:
    schema = {"properties": {"inner": {"$ref": "#"}}}
    assert isinstance(Sampler(schema, "").value(), dict)
