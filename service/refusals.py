"""Upstream error bodies of every shape -> the one error that the caller sees (protocol 4.2, spec 11).

Our own sentence comes first and keeps to the phrases of openai-wire 3 and 11;
the upstream's words follow in quotes, unchanged but for length, control
characters and anything that looks like a token.
"""

import email.utils
import math
import re
import time
from collections.abc import Collection, Mapping
from typing import Any

import orjson
from msgspec import Struct, structs

from service.errors import UpstreamRefusedError
from service.events import Failure

MAX_WORDS_CHARS = 500  # a sentence or two; a page or a stack trace helps nobody
_PAGE_SCAN_BYTES = 64 * 1024  # the marks of a CDN's page stand near its top

NOT_FOUND_CODES = frozenset(
    {
        "history_disabled_conversation_not_found",
        "history_disabled_conversation_expired",
        "conversation_not_found",
        "conversation_inaccessible",
        "conversation_deleted",
        "model_not_found",
    }
)
DEAD_TOKEN_CODES = frozenset(
    {
        "token_expired",
        "token_invalidated",
        "token_revoked",
        "invalid_jwt",
        "invalid_api_key",
    }
)
OVERFLOW_CODES = frozenset({"message_length_exceeds_limit", "conversation_too_large"})
LIMIT_CODES = frozenset({"model_cap_exceeded", "work_usage_limit_exceeded"})
_CODE_STATUSES: dict[str, int] = {
    **dict.fromkeys(NOT_FOUND_CODES, 404),
    **dict.fromkeys(DEAD_TOKEN_CODES, 401),
    **dict.fromkeys(OVERFLOW_CODES, 413),
    **dict.fromkeys(LIMIT_CODES, 429),
    "flagged_by_moderation": 400,
}

# A 403 is the caller's only when it speaks of this account or model (spec 11); the
# suspicion of the anti-abuse system speaks of an account too, and passes.
_ABOUT_ACCOUNT = re.compile(
    r"account|workspace|subscri|\bplan\b|organi[sz]ation|\bteam\b|\bmodel\b|\bgpt-|\bgizmo", re.I
)
_SUSPICION = re.compile(r"unusual activity|suspicious", re.I)
_PAGE_MARKS = re.compile(
    rb"<!doctype html|<html[\s>]|cf-please-wait|challenges\.cloudflare\.com|cf_chl_opt", re.I
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_TOKEN = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]+)*|\b[fps]k-[\w-]{12,}|(?<=Bearer )[^\s\"',]{8,}", re.ASCII
)
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_UNAVAILABLE = "The upstream could not answer this request; please try again later."
_PAGE = (
    "The upstream's network answered with a web page in place of data; please try again later, "
    "and check upstream.base_url and upstream.api_prefixes if this stays."
)
_OVERFLOW = (
    "This model's maximum context length is smaller than your messages, "
    "whose length exceeds the context window (context_length_exceeded)."
)
_SENTENCES = {
    400: "The upstream did not accept this request; please change it.",
    401: "The upstream refused this API key: it has expired or is no longer valid.",
    403: "The upstream does not let this account do this.",
    404: "What this request names does not exist for this account upstream.",
    429: "The upstream's rate limit for this account is reached; please wait.",
    502: _UNAVAILABLE,
}
_MODEL_UNKNOWN = "The model does not exist upstream, or this account may not use it."
_CONVERSATION_UNKNOWN = "The conversation does not exist upstream; please start a new one."
_FLAGGED = "The upstream's moderation refused this request (content_policy_violation)."


class Fault(Struct, frozen=True):
    """What an error object of the upstream says, whatever its shape."""

    words: str
    code: str | None = None
    clears_in_seconds: float | None = None


def fault_of(obj: Mapping[str, Any]) -> Fault:
    """Return what an error object says: `detail` or `error` as string, object or array."""
    detail, error = obj.get("detail"), obj.get("error")
    inner = _at(error, "error")
    sources = (detail, error, inner, _at(detail, "error"), obj)
    code = next((c for source in sources if (c := _code_in(source))), None)
    words = next(
        (w for source in (*sources[:4], obj.get("message")) if (w := _words_in(source))), ""
    )
    clears = next(
        (s for source in sources if (s := seconds(_at(source, "clears_in"))) is not None), None
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
    """Return one entry of a validation list, `body.messages: field required`."""
    words, place = _words_in(item), _at(item, "loc")
    if words and isinstance(place, list):
        return f"{'.'.join(str(step) for step in place)}: {words}"
    return words


def seconds(value: object) -> float | None:
    """Return a number of seconds given as number or text, or None; never negative."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return max(0.0, float(value))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for: a number or an HTTP date."""
    value = next((v for name, v in headers.items() if name.lower() == "retry-after"), None)
    if value is None:
        return None
    if (wait := seconds(value)) is not None:
        return wait
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def quoted(words: str, secrets: Collection[str] = ()) -> str:
    """Return upstream words fit for an error: short, on one line, no token in them."""
    for secret in secrets:
        if secret:
            words = words.replace(secret, "***")
    words = _CONTROL.sub(" ", _TOKEN.sub("***", words)).strip()
    return words if len(words) <= MAX_WORDS_CHARS else words[: MAX_WORDS_CHARS - 1] + "…"


def refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Collection[str] = (),
) -> UpstreamRefusedError:
    """Return the error for an upstream answer that is not what was asked for.

    Args:
        status: as the upstream sent it; 200 for an error body under a good status.
        headers: of that answer; `Content-Type` and `Retry-After` are read.
        body: as much of it as was read.
        secrets: tokens that may not be quoted even if the upstream repeats them.
    """
    obj = _object_in(body)
    if obj is None and _is_page(headers, body):
        return _refused(_page_status(status), Fault(""), status, headers=headers, is_page=True)
    if obj is None:
        fault = Fault(body[: 4 * MAX_WORDS_CHARS].decode("utf-8", "replace"))
    else:
        fault = fault_of(obj)
    fault = Fault(quoted(fault.words, secrets), fault.code, fault.clears_in_seconds)
    mapped = mapped_status(status, fault, is_json=obj is not None)
    return _refused(mapped, fault, status, headers=headers)


def fault_failure(obj: Mapping[str, Any]) -> Failure:
    """Return the failure for an error object under status 200 (spec 11).

    Its code is the upstream's own where the status is left to be 502 (spec 6.4).
    """
    fault = fault_of(obj)
    fault = Fault(quoted(fault.words), fault.code, fault.clears_in_seconds)
    failure = _refused(mapped_status(200, fault), fault, 200, headers={}).failure()
    if failure.status == 502 and fault.code:
        return structs.replace(failure, code=fault.code)
    return failure


def is_route_fault(error: UpstreamRefusedError) -> bool:
    """Tell whether the route should cool down: a 5xx or a page, never another 4xx."""
    return error.is_page or error.upstream_status >= 500


def mapped_status(status: int, fault: Fault, *, is_json: bool = True) -> int:
    """Return our status; 413 stands for an overflow, which the caller sees as 400.

    A known code decides whatever the status, since permanent failures must not
    be retried and limits must; then the status does.
    """
    if fault.clears_in_seconds is not None:
        return 429
    if status not in (401, 429) and (fault.code or "") in _CODE_STATUSES:
        return _CODE_STATUSES[fault.code or ""]
    if status == 403:
        return 403 if is_json and _is_about_account(fault) else 502
    if status in (401, 413, 429):
        return status
    if status in (404, 410):
        # Without JSON it is not the backend that answers: a wrong base or prefix.
        return 404 if is_json else 502
    is_passing = status in (407, 408, 425)  # of the connection, not of the request
    return 400 if 400 <= status < 500 and not is_passing else 502


def _is_about_account(fault: Fault) -> bool:
    said = f"{(fault.code or '').replace('_', ' ')} {fault.words}"
    return bool(_ABOUT_ACCOUNT.search(said)) and not _SUSPICION.search(said)


def _object_in(body: bytes) -> dict[str, Any] | None:
    try:
        obj = orjson.loads(body.removeprefix(b"\xef\xbb\xbf").strip())
    except orjson.JSONDecodeError:
        return None
    if isinstance(obj, str):
        obj = {"detail": obj}
    return obj if isinstance(obj, dict) else None


def _is_page(headers: Mapping[str, str], body: bytes) -> bool:
    kind = next((v for name, v in headers.items() if name.lower() == "content-type"), "")
    return "html" in kind.lower() or bool(_PAGE_MARKS.search(body[:_PAGE_SCAN_BYTES]))


def _page_status(status: int) -> int:
    """Only limits keep their meaning on a page: all else is said by the network, not the account."""
    return status if status in (413, 429) else 502


def _refused(
    mapped: int,
    fault: Fault,
    status: int,
    *,
    headers: Mapping[str, str],
    is_page: bool = False,
) -> UpstreamRefusedError:
    wait = fault.clears_in_seconds
    if wait is None and (mapped == 429 or status >= 500):
        wait = retry_after(headers)
    kind, code = _kind_and_code(mapped, fault)
    sentence = _PAGE if is_page and mapped == 502 else _sentence(mapped, fault)
    message = f"{sentence} The upstream said: {fault.words}" if fault.words else sentence
    failure = Failure(
        status=400 if mapped == 413 else mapped,
        message=message,
        type=kind,
        code=code,
        param="model" if fault.code == "model_not_found" else None,
        retry_after_seconds=wait,
    )
    return UpstreamRefusedError(failure, status, is_page=is_page)


def _kind_and_code(mapped: int, fault: Fault) -> tuple[str, str]:
    if mapped == 404:
        return "invalid_request_error", fault.code or "not_found"
    if mapped == 400:
        is_flagged = fault.code == "flagged_by_moderation"
        code = "content_policy_violation" if is_flagged else fault.code or "invalid_request"
        return "invalid_request_error", code
    return {
        401: ("invalid_request_error", "invalid_api_key"),
        403: ("permission_error", "permission_error"),
        413: ("invalid_request_error", "context_length_exceeded"),
        429: ("rate_limit_error", "rate_limit_exceeded"),
    }.get(mapped, ("upstream_error", "upstream_error"))


def _sentence(mapped: int, fault: Fault) -> str:
    if mapped == 413:
        return _OVERFLOW
    if fault.code == "flagged_by_moderation":
        return _FLAGGED
    if mapped == 404 and fault.code in NOT_FOUND_CODES:
        return _MODEL_UNKNOWN if fault.code == "model_not_found" else _CONVERSATION_UNKNOWN
    return _SENTENCES[mapped]
