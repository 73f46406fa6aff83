"""Reads the upstream's error objects, whatever their shape, into one record (protocol 4.2)."""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

MAX_WAIT_SECONDS = (
    40 * 86_400.0
)  # longer than any window of an account; more is no time that was meant
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Fault(Struct, frozen=True):
    """The content of an error object of the upstream."""

    words: str
    code: str | None = None
    clears_in_seconds: float | None = None


def fault_of(obj: Mapping[str, Any]) -> Fault:
    """Read an error object: `detail` or `error` as a string, an object or an array."""
    detail, error = obj.get("detail"), obj.get("error")
    inner = _at(error, "error")
    sources = (detail, error, inner, _at(detail, "error"), obj)
    code = next((c for source in sources if (c := _code_in(source))), None)
    words = next(
        (w for source in (*sources[:4], obj.get("message")) if (w := _words_in(source))), ""
    )
    clears = next(
        (s for source in sources if (s := wait(_at(source, "clears_in"))) is not None), None
    )
    return Fault(words, code, clears)


def _at(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _code_in(source: object) -> str | None:
    for key in ("code", "error_code"):
        code = _at(source, key)
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return None


def _words_in(source: object) -> str:
    if isinstance(source, str):
        return source.strip()
    if isinstance(source, list):
        return "; ".join(words for item in source[:10] if (words := _validation_words(item)))
    for key in ("message", "description", "error_description", "error_message", "msg"):
        words = _at(source, key)
        if isinstance(words, str) and words.strip():
            return words.strip()
    return ""


def _validation_words(item: object) -> str:
    """Return one entry of a validation list as text, such as `body.messages: field required`."""
    words, place = _words_in(item), _at(item, "loc")
    if words and isinstance(place, list):
        return f"{'.'.join(str(step) for step in place)}: {words}"
    return words


def seconds(value: object) -> float | None:
    """Read a number of seconds given as number or text; never negative, None if it is neither."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return max(0.0, float(value))


def wait(value: object) -> float | None:
    """Read a wait in seconds as `seconds` does; None for more than any that was meant."""
    told = seconds(value)
    return told if told is None or told <= MAX_WAIT_SECONDS else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`, which may be a number or an HTTP date."""
    value = next((v for name, v in headers.items() if name.lower() == "retry-after"), None)
    if value is None:
        return None
    if (told := seconds(value)) is not None:
        return wait(told)
    try:
        return wait(email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
