"""Checks JSON Schemas that callers send, and values against them, within bounds.

Both the schema and the value come from outside. Nothing is fetched for a `$ref`; size and depth are
bounded; each keyword that is evaluated counts as a step, because a few lines of `$ref` can ask for
more steps than there are atoms; and patterns are matched in linear time. A check that takes too
long is an error, never a wait.

A pattern that cannot be matched in linear time, such as one with look-around or back references, is
not checked: refusing it would refuse all tools of some callers.

This module is imported with the first schema: the libraries take 3 MiB and a tenth of a second.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import islice
from typing import Any

import re2  # type: ignore[import-untyped]  # it has no stubs
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # no stubs
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from service.demands.schema_errors import SchemaError

MAX_SCHEMA_BYTES = 256 * 1024
MAX_DEPTH = 100  # of arrays and objects in a schema
MAX_PATTERN_CHARS = 1_000
MAX_STEPS = 100_000  # of one check: about a second; as many as a hundred ordinary answers take
MAX_UNIQUE_ITEMS = 2_000  # because each is compared with each
_SHOWN_PROBLEMS = 3
_MAX_PROBLEM_CHARS = 300
_KNOWN_SCHEMAS = 256  # remembered with their result: callers repeat their schemas
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = frozenset({"const", "enum", "default", "examples", "example"})  # hold values, not schemas
_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class _Budget(threading.local):
    """The steps that a check has left; each check runs within one thread."""

    steps = 0

    def reset(self) -> None:
        """Begin a check with all steps."""
        self.steps = MAX_STEPS

    def take_step(self) -> None:
        """Use up a step.

        Raises:
            SchemaError: there is none left.
        """
        self.steps -= 1
        if self.steps < 0:
            raise SchemaError("", "it takes too long to check")


_budget = _Budget()


def check_schema(schema: Mapping[str, Any]) -> None:
    """Check that a schema is valid and can be evaluated; blocks for up to a second.

    Raises:
        SchemaError: it is invalid, or too expensive.
    """
    try:
        encoded = json.dumps(schema, sort_keys=True)
    except RecursionError:
        raise SchemaError("", "it is nested too deep") from None
    if len(encoded) > MAX_SCHEMA_BYTES:
        raise SchemaError("", f"it is over {MAX_SCHEMA_BYTES} bytes long")
    if problem := _check(encoded):
        raise SchemaError(*problem)


def problem_with(value: Any, schema: Mapping[str, Any]) -> str:
    """Return the reason why a value does not match a schema, empty if it does; blocks likewise.

    Raises:
        SchemaError: the check takes too long.
    """
    _budget.reset()
    validator = _validator(_without_fragments(schema))
    try:
        errors = list(islice(validator.iter_errors(value), _SHOWN_PROBLEMS))
        return "; ".join(_told(error) for error in errors)
    except RecursionError:
        problem = "it leads round in a circle, or the value is nested too deep"
        raise SchemaError("", problem) from None
    except Unresolvable:
        raise SchemaError("", "a reference in it points to nothing") from None


@lru_cache(_KNOWN_SCHEMAS)
def _check(encoded: str) -> tuple[str, str] | None:
    """Return the place and the problem of a bad schema, None for a good one."""
    schema = json.loads(encoded)
    try:
        _check_depth(schema)
        schema = _without_fragments(schema)
        _budget.reset()
        _check_form(schema)
        _check_parts(schema)
        problem_with({}, schema)  # finds circular references, whatever the value
    except SchemaError as error:
        return error.place, error.problem
    return None


def _check_depth(schema: Any) -> None:
    level, depth = [schema], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise SchemaError("", f"it is nested over {MAX_DEPTH} levels deep")
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]


def _without_fragments(schema: Any) -> Any:
    """Return a schema without each `$id` that has a fragment, such as `https://a.example/s#/x`.

    Later drafts of JSON Schema forbid them, yet generators write them. Removing them is harmless:
    references here lead to places within the schema, never to an `$id`.
    """
    if isinstance(schema, list):
        return [_without_fragments(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key in _DATA else _without_fragments(value)
        for key, value in schema.items()
        if not (key == "$id" and isinstance(value, str) and value.partition("#")[2])
    }


def _check_form(schema: Mapping[str, Any]) -> None:
    kind = _kind(schema)
    error = best_match(_bounded(kind)(kind.META_SCHEMA, registry=REGISTRY).iter_errors(schema))
    if error is not None:
        raise SchemaError(_place(error.absolute_path), _shortened(error.message))


def _check_parts(schema: Mapping[str, Any]) -> None:
    """Check references and patterns, which are mere strings to the meta-schema."""
    resolver = REGISTRY.resolver_with_root(_resource(schema))
    keywords: set[str] = set()
    for place, node in _objects(schema):
        keywords |= node.keys() & {"patternProperties", "unevaluatedProperties"}
        _check_patterns(place, node)
        for key in [key for key in _REFERENCES if isinstance(node.get(key), str)]:
            try:
                resolver.lookup(node[key])
            except Unresolvable:
                problem = "it points to nothing within this schema, and nothing is fetched"
                raise SchemaError(f"{place}.{key}", problem) from None
    if len(keywords) > 1:
        problem = "'unevaluatedProperties' beside 'patternProperties' cannot be checked"
        raise SchemaError("", problem)


def _objects(schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each subschema with its place, but no objects that are data."""
    todo: list[tuple[str, Any]] = [("", schema)]
    while todo:
        place, node = todo.pop()
        if isinstance(node, list):
            todo += [(f"{place}[{at}]", inner) for at, inner in enumerate(node)]
        elif isinstance(node, dict):
            yield place, node
            todo += [(f"{place}.{key}", node[key]) for key in node.keys() - _DATA]


def _check_patterns(place: str, node: dict[str, Any]) -> None:
    pattern, properties = node.get("pattern"), node.get("patternProperties")
    found = [(f"{place}.pattern", pattern)] if isinstance(pattern, str) else []
    if isinstance(properties, dict):
        found += [(f"{place}.patternProperties", each) for each in properties]
    for where, each in found:
        if len(each) > MAX_PATTERN_CHARS:
            raise SchemaError(where, f"a pattern is over {MAX_PATTERN_CHARS} characters long")
        try:
            if _linear(each) is None:
                re.compile(each)
        except (re.error, RecursionError, OverflowError) as error:
            problem = f"{_shortened(repr(each))} is no regular expression: {error}"
            raise SchemaError(where, problem) from None


def _kind(schema: Mapping[str, Any]) -> type[Validator]:
    kind: type[Validator] = validator_for(schema, default=Draft202012Validator)
    return kind


def _validator(schema: Mapping[str, Any]) -> Validator:
    """Return the validator of a schema; its registry holds the meta-schemas and nothing else."""
    validator: Validator = _bounded(_kind(schema))(schema, registry=REGISTRY)
    return validator


def _resource(schema: Mapping[str, Any]) -> Resource[Any]:
    identifier = _kind(schema).META_SCHEMA["$schema"]
    return specification_with(str(identifier)).create_resource(schema)


@cache
def _bounded(kind: type[Validator]) -> Any:
    """Return a validator class that counts each keyword as a step and matches patterns linearly."""
    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items(kind.VALIDATORS["uniqueItems"]),
    }
    keywords = {**kind.VALIDATORS, **{name: own[name] for name in own if name in kind.VALIDATORS}}
    counted = {name: _counted(keyword) for name, keyword in keywords.items()}
    return extend(kind, counted)  # type: ignore[no-untyped-call]  # its stubs leave it open


def _counted(keyword: _Keyword) -> _Keyword:
    def counted(validator: Any, wanted: Any, instance: Any, schema: Any) -> Any:
        _budget.take_step()
        return keyword(validator, wanted, instance, schema)

    return counted


@lru_cache(_KNOWN_SCHEMAS)
def _linear(pattern: str) -> Any:
    """Return a compiled pattern, or None if it cannot be matched in linear time."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(_encodable(pattern), options)
    except re2.error:
        return None


def _matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern is found in a text; a pattern that cannot be checked always matches."""
    _budget.take_step()
    compiled = _linear(pattern)
    return compiled is None or compiled.search(_encodable(text)) is not None


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: Any, _: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, inner in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name):
                    yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in known or any(_matches(pattern, name) for pattern in patterns):
            continue
        if isinstance(allowed, dict):
            yield from validator.descend(value, allowed, path=name)
        elif not allowed:
            yield ValidationError(f"the property {name!r} is not allowed")


def _unique_items(original: _Keyword) -> _Keyword:
    def unique(validator: Any, wanted: Any, instance: Any, schema: Any) -> Any:
        if wanted and validator.is_type(instance, "array") and len(instance) > MAX_UNIQUE_ITEMS:
            raise SchemaError("", f"over {MAX_UNIQUE_ITEMS} unique items take too long to check")
        return original(validator, wanted, instance, schema)

    return unique


def _told(error: ValidationError) -> str:
    best = best_match([error]) or error
    return f"{best.json_path[:_MAX_PROBLEM_CHARS]}: {_shortened(best.message)}"


def _place(path: Any) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _shortened(text: str) -> str:
    """Return both ends of a long text: a problem starts with the value and ends with the reason."""
    half = _MAX_PROBLEM_CHARS // 2
    return text if len(text) <= _MAX_PROBLEM_CHARS else f"{text[:half]}…{text[-half:]}"
