"""Reads a request's JSON body into a typed record, or answers a 400 that names path and fix.

msgspec decodes. The standard library's decoder is used only for two things that msgspec refuses and
callers send all the same: escapes of lone surrogates, which front ends produce when they cut an
emoji in two, and integers with a decimal point (`5.0`), which languages with one kind of number
write.
"""

import asyncio
import json
import math
import re
from functools import cache
from typing import Any, NoReturn, TypeVar, cast

import msgspec
from aiohttp import hdrs, web

from handlers.reading.pending_bodies import PENDING_BODY, SMALL_BYTES
from service.vocabulary.errors import BodySizeError, RequestError
from service.vocabulary.json_values import counted

Shape = TypeVar("Shape")

COUNTED_BYTES = 1024 * 1024
MAX_VALUES = 200_000  # of a longer body; a history of ten thousand messages has half as many
_BOM = b"\xef\xbb\xbf"
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_REPORT = re.compile(r"(?s)(.*?)(?: - at `(?:.* in )?\$\.?(.*)`)?")
_EXPECTED = re.compile(r"Expected `([^`]*)`.*, got `([^`]*)`")
_OUT_OF_RANGE = re.compile(r"Expected `int` (>=|<=) (-?\d+)")
_FLOAT = "got `float`"
_MAX_EXACT = 2**53  # above it, a float is not exact
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_HINTS = {
    "model": "Send the name of a model, such as 'gpt-4o'.",
    "messages": "Send a list of {'role': …, 'content': …}.",
    "role": "Use 'system', 'developer', 'user', 'assistant', 'tool' or 'function'.",
    "content": "Send a string, or a list of parts.",
    "type": "Use 'text', 'image_url' or 'file'.",
}
MAX_QUOTED_CHARS = 80
_NOT_UTF_8 = "The request body is not UTF-8."
_NULL = msgspec.Raw(b"null")
_NAMED = msgspec.json.Decoder(dict[str, msgspec.Raw])


def body_size_error(max_bytes: int) -> BodySizeError:
    """Return the error for a JSON body over `server.max_body_bytes`."""
    message = f"The request body is over this server's limit of {max_bytes} bytes."
    return BodySizeError(message)


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """Return the body of a JSON request; may have to wait for room.

    A body that declares a size over the limit is refused unread; the server then reads and drops
    it, so that the caller gets to see the answer. The values of a long body are counted, so that
    decoding it cannot hold up the event loop.

    Raises:
        RequestError: it is a form, or holds too many values.
        BodySizeError: it is over the limit.
        OverloadedError: other bodies left no room for it.
    """
    if request.content_type.startswith("multipart/"):
        message = "This endpoint takes JSON: send the body with 'Content-Type: application/json'."
        raise RequestError(message, code="unsupported_media_type")
    if (request.content_length or 0) > max_bytes:
        raise body_size_error(max_bytes)
    body = await _received(request, max_bytes)
    if len(body) > COUNTED_BYTES:
        for count in counted(body):
            if count > MAX_VALUES:
                message = f"The request body holds over {MAX_VALUES} values; send fewer."
                raise RequestError(message)
            await asyncio.sleep(0)
    return body


async def _received(request: web.Request, max_bytes: int) -> bytes:
    """Return the body, without `request.read()`, which would keep it until the request is over."""
    pending = request.get(PENDING_BODY)
    declared = 0 if hdrs.CONTENT_ENCODING in request.headers else request.content_length or 0
    if pending is not None and declared > SMALL_BYTES:
        await pending.hold(declared)
    content, body = request.content, bytearray()
    while chunk := await content.readany():
        size = len(body) + len(chunk)
        if size > max_bytes:
            raise body_size_error(max_bytes)
        if pending is not None:
            await pending.hold_next(size, len(chunk))
        if not body and content.at_eof():
            return chunk  # nearly always, so that it is not copied
        body += chunk
    return bytes(body)


def decode_json(body: bytes, shape: type[Shape]) -> Shape:
    """Return the body as a record.

    Raises:
        RequestError: it is not JSON, or not of this shape; `param` is the path.
    """
    body = body.removeprefix(_BOM)
    if not body.strip():
        raise RequestError("The request body is empty; send a JSON object.")
    try:
        record: Shape = _decoder(cast(Any, shape)).decode(body)
    except msgspec.ValidationError as error:
        if _FLOAT in str(error):
            return _decode_leniently(body, shape)
        _refuse_shape(error)
    except UnicodeDecodeError:
        raise RequestError(_NOT_UTF_8) from None
    except RecursionError:
        raise RequestError("The request body is nested too deep.") from None
    except msgspec.DecodeError as error:
        if _SURROGATE_ESCAPE.search(body):
            return _decode_leniently(body, shape)
        message = f"The request body is not valid JSON: {error}."
        raise RequestError(message) from None
    return record


def converted(value: object, shape: type[Shape], path: str) -> Shape:
    """Return a part of a decoded body as a record; `path` is its place.

    Raises:
        RequestError: it is not of this shape; `param` is the path.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        inner, problem = _problem(error)
        where = path + (inner if inner.startswith("[") else f".{inner}" if inner else "")
        raise refusal(where, problem) from None
    except UnicodeEncodeError:
        raise refusal(path, "the name of a field in it is half a character") from None


def refusal(path: str, problem: str, code: str | None = None) -> RequestError:
    """Return the error for the field at this path; the problem states the fix."""
    return RequestError(f"{path}: {problem}.", param=path, code=code)


def quoted(value: str) -> str:
    """Return a caller's own text as an error may quote it."""
    return repr(f"{value[:MAX_QUOTED_CHARS]}…" if len(value) > MAX_QUOTED_CHARS else value)


def given_names(body: bytes) -> list[str]:
    """Return the names of a JSON object's fields that are not null, in the given order.

    The body was decoded before, so it is a valid object; only names of unknown fields have not been
    checked yet.

    Raises:
        RequestError: a name is not UTF-8.
    """
    body = body.removeprefix(_BOM)
    try:
        fields = _NAMED.decode(body)
    except UnicodeDecodeError:
        raise RequestError(_NOT_UTF_8) from None
    except msgspec.DecodeError:
        loose: dict[str, Any] = json.loads(body)
        return [name for name, value in loose.items() if value is not None]
    return [name for name, value in fields.items() if value != _NULL]


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def _decode_leniently(body: bytes, shape: type[Shape]) -> Shape:
    try:
        loose = json.loads(body, parse_constant=_no_constant, parse_float=_number)
        return msgspec.convert(loose, shape)
    except msgspec.ValidationError as error:
        _refuse_shape(error)
    except RecursionError:
        raise RequestError("The request body is nested too deep.") from None
    except ValueError as error:  # from the JSON parser, from UTF-8, or from below
        message = f"The request body is not valid JSON: {error}."
        raise RequestError(message) from None


def _number(text: str) -> float:
    """Return an integer for a whole number, however it is written: 5 for `5.0`."""
    value = float(text)
    if math.isinf(value):
        message = "number out of range"
        raise ValueError(message)
    return int(value) if value.is_integer() and abs(value) <= _MAX_EXACT else value


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise ValueError(message)


def _refuse_shape(error: msgspec.ValidationError) -> NoReturn:
    """Raise msgspec's report as a RequestError, in the caller's terms."""
    path, problem = _problem(error)
    hint = _HINTS.get(path.rpartition(".")[2], "")
    message = f"{path or 'The request body'}: {problem}. {hint}".rstrip()
    raise RequestError(message, param=path or None) from None


def _problem(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the path of the fault, and the problem."""
    found = _REPORT.fullmatch(str(error))
    report, path = (found[1], found[2] or "") if found else (str(error), "")
    if missing := _MISSING.match(report):
        path = f"{path}.{missing[1]}".lstrip(".")
        problem = "this field is required"
    elif bound := _OUT_OF_RANGE.match(report):
        problem = (
            f"expected a whole number of {'at least' if bound[1] == '>=' else 'at most'} {bound[2]}"
        )
    elif expected := _EXPECTED.match(report):
        wanted = [_NAMES.get(name, name) for name in expected[1].split(" | ")]
        got = _NAMES.get(expected[2], expected[2])
        problem = f"expected {' or '.join(wanted)}, got {got}"
    else:
        problem = report[:1].lower() + report[1:]
        if len(problem) > MAX_QUOTED_CHARS:
            problem = f"{problem[:MAX_QUOTED_CHARS]}…"
    return path, problem
