"""Data URLs (RFC 2397) such as `data:image/png;base64,iVBORw0K…`, decoded strictly.

A damaged URL is an error and is never guessed at.
"""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct

SCHEME = "data:"
_MAX_HEAD_CHARS = 512  # media type and parameters
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+*-]+", re.ASCII)
_BLANKS = str.maketrans("", "", " \t\r\n")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BASE64_GROUP_CHARS, _BASE64_GROUP_BYTES = 4, 3


class DataUrlError(ValueError):
    """The URL is damaged or over the limit; the message says what to fix."""


class DataUrl(Struct, frozen=True):
    """The content of a data URL and the type that it claims, None if it claims no valid one."""

    content: bytes
    media_type: str | None


def decode(url: str, max_bytes: int) -> DataUrl:
    """Return the content and type of a data URL: `data:,a%20b` gives `b"a b"`.

    Raises:
        DataUrlError: it is no data URL, damaged, or holds more than `max_bytes`.
    """
    comma = url.find(",", 0, _MAX_HEAD_CHARS)
    if not is_data_url(url) or comma < 0:
        raise DataUrlError("is not a data URL of the form data:<type>;base64,<data>")
    head, body = url[len(SCHEME) : comma], comma + 1
    media_type, *parameters = (part.strip().lower() for part in head.split(";"))
    if "base64" in parameters:
        content = _from_base64(url[body:], max_bytes)
    else:
        content = _from_percents(url[body:], max_bytes)
    return DataUrl(content, media_type if _MEDIA_TYPE.fullmatch(media_type) else None)


def is_data_url(url: str) -> bool:
    """Tell whether a URL begins with `data:`, in any case."""
    return url[: len(SCHEME)].lower() == SCHEME


def _from_base64(text: str, max_bytes: int) -> bytes:
    text = text.translate(_BLANKS)
    if len(text) > (max_bytes // _BASE64_GROUP_BYTES + 1) * _BASE64_GROUP_CHARS:
        raise DataUrlError(_over(max_bytes))
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DataUrlError("is not valid base64; encode the whole file, padding included") from None
    if len(content) > max_bytes:
        raise DataUrlError(_over(max_bytes))
    return content


def _from_percents(text: str, max_bytes: int) -> bytes:
    if _BAD_ESCAPE.search(text):
        raise DataUrlError("has a '%' that is not followed by two hexadecimal digits")
    try:
        content = unquote_to_bytes(text)
    except UnicodeEncodeError:
        raise DataUrlError("holds half of a surrogate pair") from None
    if len(content) > max_bytes:
        raise DataUrlError(_over(max_bytes))
    return content


def _over(max_bytes: int) -> str:
    return f"is over the limit of {max_bytes} bytes; send a smaller file"
