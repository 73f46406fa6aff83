"""What `strict: true` takes of a schema, and where it says that something is wrong."""

from typing import Any

import pytest

from service.demands.schema_errors import SchemaError
from service.demands.strict_schemas import (
    MAX_ENUM_VALUES,
    MAX_LEVELS,
    MAX_NAME_CHARS,
    MAX_PROPERTIES,
    check_strict,
)
from tests.rows import each_row


def an_object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string"}
OPEN = {"type": "object", "properties": {}}


def nested(levels: int) -> dict[str, Any]:
    schema = TEXT
    for _ in range(levels):
        schema = an_object(a=schema)
    return schema


@each_row(
    "schema",
    [
        an_object(),
        an_object(a=TEXT, b={"type": ["string", "null"]}),
        an_object(a={"anyOf": [an_object(b=TEXT), {"type": "null"}]}),
        an_object(a={"type": "array", "items": an_object(b={"enum": ["x", 1]}), "minItems": 1}),
        {**an_object(a={"$ref": "#/$defs/it"}), "$defs": {"it": an_object(b={"$ref": "#"})}},
        an_object(a={"type": "string", "pattern": "^a", "format": "date", "description": "A."}),
        nested(MAX_LEVELS),
    ],
)
def test_what_the_guide_shows_is_taken(schema):
    check_strict(schema)


@each_row(
    ("schema", "place"),
    [
        (TEXT, ""),
        ({}, ""),
        ({**an_object(), "anyOf": [an_object()]}, ""),
        (OPEN, ".additionalProperties"),
        ({**an_object(a=TEXT), "required": []}, ".required"),
        (an_object(a=OPEN), ".properties.a.additionalProperties"),
        (an_object(a={"type": ["object", "null"]}), ".properties.a.additionalProperties"),
        (an_object(a={"properties": {}}), ".properties.a.additionalProperties"),
        (an_object(a={"type": "array", "items": OPEN}), ".properties.a.items.additionalProperties"),
        (an_object(a={"anyOf": [TEXT, OPEN]}), ".properties.a.anyOf[1].additionalProperties"),
        ({**an_object(), "$defs": {"it": OPEN}}, ".$defs.it.additionalProperties"),
        (an_object(a={"allOf": [TEXT]}), ".properties.a.allOf"),
        (an_object(a={"oneOf": [TEXT]}), ".properties.a.oneOf"),
        (an_object(a={"not": TEXT}), ".properties.a.not"),
        (nested(MAX_LEVELS + 1), ".properties.a" * (MAX_LEVELS + 1)),
        (an_object(**{f"p{n}": TEXT for n in range(MAX_PROPERTIES + 1)}), ""),
        (an_object(a={"enum": list(range(MAX_ENUM_VALUES + 1))}), ".properties.a"),
        (an_object(a={"enum": ["x" * MAX_NAME_CHARS]}), ".properties.a"),
    ],
)
def test_what_it_does_not_take_is_told_with_its_place(schema, place):
    with pytest.raises(SchemaError, match="with strict") as caught:
        check_strict(schema)
    assert caught.value.place == place
