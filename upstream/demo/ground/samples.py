"""JSON invented for a JSON Schema, with words and numbers of the question where they fit."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 12
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NAME = re.compile(r"(?<=[^.!?\s]\s)[A-Z][a-z]+\b|[\u4e00-\u9fff]{2}(?=[的今明]|$)")
_FORMATS = {
    "date": "2024-05-01",
    "date-time": "2024-05-01T12:00:00Z",
    "time": "12:00:00Z",
    "email": "demo@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}
_DEFAULT_WORD = "demo"


class Sampler:
    """Invents values for one schema and one question."""

    def __init__(self, schema: dict[str, Any], question: str) -> None:
        self._schema = schema
        self._words: Iterator[str] = iter(_NAME.findall(question))
        self._numbers: Iterator[str] = iter(_NUMBER.findall(question))

    def value(self) -> Any:
        """Return a value that fits, as far as the demo can tell."""
        return self._of(self._schema, 0)

    def _of(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return None
        schema = self._merged(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("enum"):
            return schema["enum"][0]
        kind = schema.get("type") or ("object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        make = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
        }.get(kind)
        return make(schema, depth) if make else (True if kind == "boolean" else None)

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema with what it refers to, and the first of its choices."""
        for _ in range(MAX_DEPTH):
            inner: list[Any] = list(schema.get("allOf") or ())
            if reference := schema.get("$ref"):
                inner.append(self._resolved(str(reference)))
            for key in ("anyOf", "oneOf"):
                choices = [one for one in schema.get(key) or () if one != {"type": "null"}]
                inner += choices[:1]
            if not inner:
                return schema
            rest = {"allOf", "anyOf", "oneOf", "$ref"}
            schema = {key: value for key, value in schema.items() if key not in rest}
            for one in inner:
                schema = {**one, **schema} if isinstance(one, dict) else schema
        return schema

    def _resolved(self, reference: str) -> Any:
        node: Any = self._schema
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step and isinstance(node, dict):
                node = node.get(step.replace("~1", "/").replace("~0", "~"))
        return node

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        wanted = schema.get("required") or list(properties)
        return {name: self._of(properties.get(name, {}), depth + 1) for name in wanted}

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        count = max(int(schema.get("minItems", 1)), 1)
        return [self._of(schema.get("items", {}), depth + 1) for _ in range(min(count, 20))]

    def _string(self, schema: dict[str, Any], _: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        word = next(self._words, _DEFAULT_WORD)
        word = word.ljust(int(schema.get("minLength", 0)), "x")
        return word[: int(schema.get("maxLength", len(word)))]

    def _integer(self, schema: dict[str, Any], depth: int) -> int:
        return int(self._number(schema, depth))

    def _number(self, schema: dict[str, Any], _: int) -> float:
        found = next(itertools.chain(self._numbers, [schema.get("minimum", 1)]))
        value = float(found) if "." in str(found) else int(found)
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None:
            value = max(value, low)
        return value if high is None else min(value, high)
