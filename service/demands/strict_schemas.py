"""The part of JSON Schema that OpenAI takes with `strict: true` (spec 14.2).

Its guide to structured outputs has the rules: a root that is an object, objects that name all their
properties as required and allow no others, some keywords that are none of it, and limits of size.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.demands.schema_errors import SchemaError

MAX_LEVELS = 10  # of objects and arrays within each other
MAX_PROPERTIES = 5_000
MAX_ENUM_VALUES = 1_000
MAX_NAME_CHARS = 120_000  # of properties, definitions and values of enumerations together
_NOT_PERMITTED = (
    *("allOf", "oneOf", "not", "if", "then", "else"),
    *("dependentRequired", "dependentSchemas", "patternProperties"),
)
_DEFINITIONS = ("$defs", "definitions")
_EXTRA = "additionalProperties"


def check_strict(schema: Mapping[str, Any]) -> None:
    """Check that a valid schema keeps to the rules of strict ones.

    Raises:
        SchemaError: it does not; says where.
    """
    if schema.get("type") != "object" or "anyOf" in schema:
        raise SchemaError("", "with strict, the root has to be an object and no anyOf")
    _Sizes().add(schema, "", 0)


class _Sizes:
    """What was counted of one schema."""

    def __init__(self) -> None:
        self._properties = 0
        self._values = 0
        self._chars = 0

    def add(self, schema: Mapping[str, Any], place: str, level: int) -> None:
        """Check a schema and all that are within it."""
        if level > MAX_LEVELS:
            raise SchemaError(place, f"with strict, over {MAX_LEVELS} levels are not permitted")
        for keyword in _NOT_PERMITTED:
            if keyword in schema:
                raise SchemaError(f"{place}.{keyword}", f"with strict, {keyword} is not permitted")
        if _is_object(schema):
            _check_object(schema, place)
        self._count(schema, place)
        for inner, where, levels in _inner(schema, place):
            self.add(inner, where, level + levels)

    def _count(self, schema: Mapping[str, Any], place: str) -> None:
        names = [
            name for key in ("properties", *_DEFINITIONS) for name in _mapping(schema.get(key))
        ]
        values = schema.get("enum")
        values = values if isinstance(values, list) else []
        self._properties += len(_mapping(schema.get("properties")))
        self._values += len(values)
        self._chars += sum(map(len, names)) + sum(len(str(value)) for value in values)
        limits = (
            (self._properties, MAX_PROPERTIES, "properties"),
            (self._values, MAX_ENUM_VALUES, "values of enumerations"),
            (self._chars, MAX_NAME_CHARS, "characters of names and values"),
        )
        for count, limit, what in limits:
            if count > limit:
                raise SchemaError(place, f"with strict, over {limit} {what} are not permitted")


def _is_object(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    named = kinds if isinstance(kinds, list) else [kinds]
    return "object" in named or "properties" in schema


def _check_object(schema: Mapping[str, Any], place: str) -> None:
    if schema.get(_EXTRA) is not False:
        raise SchemaError(f"{place}.{_EXTRA}", f"with strict, {_EXTRA} has to be false")
    required = schema.get("required")
    given = required if isinstance(required, list) else []
    missing = [name for name in _mapping(schema.get("properties")) if name not in given]
    if missing:
        problem = f"with strict, every property has to be in it; {missing[0]!r} is not"
        raise SchemaError(f"{place}.required", problem)


def _inner(schema: Mapping[str, Any], place: str) -> Iterator[tuple[Mapping[str, Any], str, int]]:
    """Yield the schemas within a schema, where each stands, and by how many levels it is deeper."""
    for key in ("properties", *_DEFINITIONS):
        for name, inner in _mapping(schema.get(key)).items():
            if isinstance(inner, Mapping):
                yield inner, f"{place}.{key}.{name}", 1 if key == "properties" else 0
    choices = schema.get("anyOf")
    for at, inner in enumerate(choices if isinstance(choices, Sequence) else ()):
        if isinstance(inner, Mapping):
            yield inner, f"{place}.anyOf[{at}]", 0
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield items, f"{place}.items", 1


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
