"""Reads function calls from a model's JSON, in every shape that models use.

    {"name": "get_weather", "arguments": {"city": "Oslo"}}

That is the shape that models are asked for. Those trained on another one fall back to it: OpenAI's
own messages, old and new, and those of ChatGPT's tools.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from msgspec import Struct

# Keys for the arguments of a call. An object with one of them and a known name is a call.
_ARGUMENTS = ("arguments", "parameters", "args", "input")
# Keys that contain whole calls; only calls have them.
_ENVELOPES = ("tool_calls", "function_call", "tool_uses", "tool_call")
_NAMES = ("name", "recipient_name", "function", "tool")
NAMESPACE = "functions."  # precedes names in the calls of ChatGPT's own models


class WrittenCall(Struct, frozen=True):
    """A call as the model wrote it; `arguments` is the JSON text of an object."""

    name: str
    arguments: str


class ShapeError(ValueError):
    """The JSON is not a call; the message gives the reason, for the model."""


def decode(text: str) -> Any:
    """Return a JSON value; accepts raw line feeds in strings, which models forget to escape.

    Raises:
        ShapeError: it is not JSON.
    """
    try:
        return json.loads(text, strict=False, parse_constant=_no_constant)
    except RecursionError:
        raise ShapeError("the JSON is nested too deep") from None
    except ValueError as error:
        message = f"the JSON cannot be read: {error}"
        raise ShapeError(message) from None


def calls_in(value: Any) -> list[WrittenCall]:
    """Return the calls in a value.

    Raises:
        ShapeError: it contains none.
    """
    try:
        found = list(_calls(value))
    except RecursionError:
        raise ShapeError("the JSON is nested too deep") from None
    if not found:
        raise ShapeError("it names no function")
    return found


def is_call(value: Any, names: Collection[str]) -> bool:
    """Tell whether a JSON value in a text is meant as a call.

    A model may show JSON that has a `name`; it is a call only with one of these names, or with a
    key that only calls have.
    """
    match value:
        case list():
            return bool(value) and all(is_call(item, names) for item in value)
        case dict():
            if any(value.get(key) for key in _ENVELOPES):
                return True
            inner = value.get("function")
            if isinstance(inner, dict):
                return is_call(inner, names)
            is_offer = "description" in value or _is_schema(value.get("parameters"))
            has_arguments = any(key in value for key in _ARGUMENTS)
            return _name(value) in names and has_arguments and not is_offer
        case _:
            return False


def _is_schema(value: Any) -> bool:
    """Tell whether a value is a schema of arguments, which a model may quote, not arguments."""
    return isinstance(value, dict) and isinstance(value.get("properties"), dict)


def _calls(value: Any) -> Iterator[WrittenCall]:
    match value:
        case list():
            for item in value:
                yield from _calls(item)
        case dict():
            envelope = next((key for key in _ENVELOPES if value.get(key)), None)
            inner = value[envelope] if envelope else value.get("function")
            if isinstance(inner, dict | list):
                yield from _calls(inner)
            else:
                yield _call(value)
        case _:
            raise ShapeError('it is no object with "name" and "arguments"')


def _call(record: dict[str, Any]) -> WrittenCall:
    name = _name(record)
    if not name:
        raise ShapeError('"name" is missing: it names the function')
    given: Any = next((record[key] for key in _ARGUMENTS if key in record), {})
    if isinstance(given, str):  # OpenAI's own shape holds JSON text
        given = decode(given) if given.strip() else {}
    if given is None:
        given = {}
    if not isinstance(given, dict):
        message = f'the "arguments" of {name} are not a JSON object'
        raise ShapeError(message)
    return WrittenCall(name, _encode(given))


def _name(record: dict[str, Any]) -> str:
    name = next((record[key] for key in _NAMES if isinstance(record.get(key), str)), "")
    return name.removeprefix(NAMESPACE).strip()


def _encode(arguments: dict[str, Any]) -> str:
    """Return JSON text in OpenAI's style.

    Raises:
        ShapeError: a number in it is out of range.
    """
    try:
        return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise ShapeError("a number in the JSON is out of range") from None


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise ValueError(message)
