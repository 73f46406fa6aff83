"""Reads bodies and queries of `/admin/…`; an unknown field is an error, since it is a mistake."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from handlers.reading.json_body import decode_json, quoted, read_body, refusal

MAX_BODY_BYTES = 64 * 1024
MAX_NAME_CHARS = 64
MAX_TEXT_CHARS = 255  # of a text in a query
MAX_SECONDS = 253_402_300_800  # the year 10000, in seconds since 1970
_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_FLAGS = {"": False, "false": False, "true": True}

Shape = TypeVar("Shape")
Word = TypeVar("Word", bound=StrEnum)


async def read_fields(
    request: web.Request, shape: type[Shape], absent: Shape | None = None
) -> Shape:
    """Return the fields of a body, or `absent` for a request without one.

    Raises:
        RequestError: it is not JSON, or not of this shape; `param` is the path.
        BodySizeError: it is too long.
    """
    body = await read_body(request, MAX_BODY_BYTES)
    if absent is not None and not body.strip():
        return absent
    return decode_json(body, shape)


def name_of(given: str) -> str:
    """Return the name of an account or key.

    Raises:
        RequestError: it cannot be one.
    """
    name = given.strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise refusal("name", f"expected a name of 1 to {MAX_NAME_CHARS} characters on one line")
    return name


def flag_in(query: Mapping[str, str], name: str) -> bool:
    """Return a flag of a query; absent means no.

    Raises:
        RequestError: it is neither `true` nor `false`.
    """
    given = query.get(name, "").lower()
    if given not in _FLAGS:
        raise refusal(name, f"{quoted(given)} is no flag; use 'true' or 'false'")
    return _FLAGS[given]


def whole_in(query: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    """Return a whole number of a query, None if it is absent.

    Raises:
        RequestError: it is none, or out of range.
    """
    given = query.get(name)
    if not given:
        return None
    if not _WHOLE.fullmatch(given) or not least <= int(given) <= most:
        raise refusal(name, f"expected a whole number from {least} to {most}, got {quoted(given)}")
    return int(given)


def word_in(query: Mapping[str, str], name: str, words: type[Word]) -> Word | None:
    """Return one of some words from a query, None if it is absent.

    Raises:
        RequestError: it is none of them.
    """
    given = query.get(name)
    if not given:
        return None
    if given not in list(words):
        raise refusal(name, f"{quoted(given)} is none of {', '.join(words)}")
    return words(given)


def text_in(query: Mapping[str, str], name: str) -> str | None:
    """Return a text of a query, None if it is absent.

    Raises:
        RequestError: it is too long for anything that is looked for.
    """
    given = query.get(name)
    if given and (len(given) > MAX_TEXT_CHARS or not given.isprintable()):
        raise refusal(name, f"expected up to {MAX_TEXT_CHARS} characters on one line")
    return given or None
