"""Translates upstream error bodies into the one error that the caller sees (protocol 4.2, spec 11).

The gateway's own sentence comes first and keeps to the phrases of openai-wire 3 and 11. The
upstream's words follow, unchanged except for length, control characters and anything that looks
like a token.
"""

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from msgspec import Struct, structs

from service.upstream_errors.error_bodies import Fault, fault_of, retry_after
from service.vocabulary.errors import UpstreamRefusedError
from service.vocabulary.events import Failure

MAX_WORDS_CHARS = 500  # a sentence or two; a whole page or stack trace helps no caller
_MIN_PIECE_CHARS = 8  # of a secret; fewer characters may be the end of an ordinary word
_PAGE_SCAN_BYTES = 64 * 1024  # the marks of a CDN's page stand near its top


class RefusalVerdict(Struct, frozen=True):
    """How one kind of refusal is told to the caller; `code` None means the upstream's own."""

    status: int
    type: str
    code: str | None
    sentence: str


_INVALID, _BROKE = "invalid_request_error", "upstream_error"
_CHANGE = RefusalVerdict(
    400, _INVALID, None, "The upstream did not accept this request; please change it."
)
_FLAGGED = RefusalVerdict(
    400,
    _INVALID,
    "content_policy_violation",
    "The upstream's moderation refused this request (content_policy_violation).",
)
_OVERFLOW = RefusalVerdict(
    400,
    _INVALID,
    "context_length_exceeded",
    "This model's maximum context length is smaller than your messages, "
    "whose length exceeds the context window (context_length_exceeded).",
)
_DEAD_TOKEN = RefusalVerdict(
    401,
    _INVALID,
    "invalid_api_key",
    "The upstream refused this API key: it has expired or is no longer valid.",
)
_FORBIDDEN = RefusalVerdict(
    403,
    "permission_error",
    "permission_error",
    "The upstream does not let this account do this.",
)
_ABSENT = RefusalVerdict(
    404, _INVALID, None, "What this request names does not exist for this account upstream."
)
_NO_MODEL = RefusalVerdict(
    404, _INVALID, None, "The model does not exist upstream, or this account may not use it."
)
_NO_CONVERSATION = RefusalVerdict(
    404, _INVALID, None, "The conversation does not exist upstream; please start a new one."
)
_LIMITED = RefusalVerdict(
    429,
    "rate_limit_error",
    "rate_limit_exceeded",
    "The upstream's rate limit for this account is reached; please wait.",
)
_BROKEN = RefusalVerdict(
    502, _BROKE, _BROKE, "The upstream could not answer this request; please try again later."
)
PAGE_SENTENCE = (
    "The upstream's network answered with a web page in place of data; please try again later, "
    "and check upstream.base_url and upstream.api_prefixes if this stays."
)
_PAGE = RefusalVerdict(502, _BROKE, _BROKE, PAGE_SENTENCE)

# Codes that decide whatever the status: clients must not retry permanent failures, and must retry
# limits.
_BY_CODE = {
    "model_not_found": _NO_MODEL,
    "conversation_not_found": _NO_CONVERSATION,
    "conversation_inaccessible": _NO_CONVERSATION,
    "conversation_deleted": _NO_CONVERSATION,
    "history_disabled_conversation_not_found": _NO_CONVERSATION,
    "history_disabled_conversation_expired": _NO_CONVERSATION,
    "token_expired": _DEAD_TOKEN,
    "token_invalidated": _DEAD_TOKEN,
    "token_revoked": _DEAD_TOKEN,
    "invalid_jwt": _DEAD_TOKEN,
    "invalid_api_key": _DEAD_TOKEN,
    "message_length_exceeds_limit": _OVERFLOW,
    "conversation_too_large": _OVERFLOW,
    "model_cap_exceeded": _LIMITED,
    "work_usage_limit_exceeded": _LIMITED,
    "flagged_by_moderation": _FLAGGED,
}
_BY_STATUS: dict[int, RefusalVerdict] = {
    HTTPStatus.UNAUTHORIZED: _DEAD_TOKEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _OVERFLOW,
    HTTPStatus.TOO_MANY_REQUESTS: _LIMITED,
}
_OWN_CODES = {400: "invalid_request", 404: "not_found"}  # where the upstream gave no code
_BY_JSON_STATUS: dict[int, RefusalVerdict] = {
    # A 404 without JSON does not come from the backend, but from something in front of it.
    HTTPStatus.NOT_FOUND: _ABSENT,
    HTTPStatus.GONE: _ABSENT,
}
_PASSING = frozenset(
    {
        # These statuses concern the connection, not the request.
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
    }
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ue200-\ue206]+")
_TOKEN = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]+)*|\b[fps]k-[\w-]{12,}|(?<=Bearer )[^\s\"',]{8,}", re.ASCII
)
# A 403 is the caller's fault only when it names this account or model (spec 11). The anti-abuse
# system's suspicion names an account too, but passes.
_ABOUT_ACCOUNT = re.compile(
    r"account|workspace|subscri|\bplan\b|organi[sz]ation|\bteam\b|\bmodel\b|\bgpt-|\bgizmo",
    re.IGNORECASE,
)
_SUSPICION = re.compile(r"unusual activity|suspicious", re.IGNORECASE)
_PAGE_MARKS = re.compile(
    rb"<!doctype html|<html[\s>]|cf-please-wait|challenges\.cloudflare\.com|cf_chl_opt",
    re.IGNORECASE,
)


def quoted(words: str, secrets: Collection[str] = ()) -> str:
    """Return upstream words fit for an error: short, on one line, without tokens."""
    words = _TOKEN.sub("***", without_secrets(words, secrets))
    words = _CONTROL.sub(" ", words).strip()
    return words if len(words) <= MAX_WORDS_CHARS else words[: MAX_WORDS_CHARS - 1] + "…"


def without_secrets(words: str, secrets: Collection[str]) -> str:
    """Return the words without the secrets, and without the start of a secret at a cut end."""
    for secret in filter(None, secrets):
        words = words.replace(secret, "***")
        start = words.rfind(secret[:_MIN_PIECE_CHARS])
        if start >= 0 and secret.startswith(words[start:]):
            words = f"{words[:start]}***"
    return words


def refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Collection[str] = (),
) -> UpstreamRefusedError:
    """Return the error for an upstream answer other than the expected one.

    Args:
        status: as the upstream sent it; 200 for an error body under a good status.
        headers: of that answer; `Content-Type` and `Retry-After` are read.
        body: as much of it as was read.
        secrets: tokens that may not be quoted even if the upstream repeats them.
    """
    obj = object_in(body)
    was_page = obj is None and is_page(headers, body)
    if obj is not None:
        fault = fault_of(obj)
    else:
        fault = Fault("" if was_page else body[: 4 * MAX_WORDS_CHARS].decode("utf-8", "replace"))
    verdict = (
        _page_verdict(status) if was_page else verdict_on(status, fault, is_json=obj is not None)
    )
    failure = failure_of(verdict, fault, secrets)
    if failure.retry_after_seconds is None and (verdict is _LIMITED or is_server_error(status)):
        failure = structs.replace(failure, retry_after_seconds=retry_after(headers))
    return UpstreamRefusedError(failure, status, is_page=was_page)


def fault_failure(obj: Mapping[str, Any], secrets: Collection[str] = ()) -> Failure:
    """Return the failure for an error object under status 200 (spec 11).

    Where it becomes a 502, its code is the upstream's own (spec 6.4).
    """
    fault = fault_of(obj)
    verdict = verdict_on(HTTPStatus.OK, fault)
    failure = failure_of(verdict, fault, secrets)
    if verdict is _BROKEN and fault.code:
        return structs.replace(failure, code=fault.code)
    return failure


def failure_of(verdict: RefusalVerdict, fault: Fault, secrets: Collection[str] = ()) -> Failure:
    """Return the failure for the caller: the gateway's sentence, then the upstream's words."""
    words = quoted(fault.words, secrets)
    return Failure(
        status=verdict.status,
        message=f"{verdict.sentence} The upstream said: {words}" if words else verdict.sentence,
        type=verdict.type,
        code=verdict.code or fault.code or _OWN_CODES.get(verdict.status, _BROKE),
        param="model" if verdict is _NO_MODEL else None,
        retry_after_seconds=fault.clears_in_seconds,
    )


def is_server_error(status: int) -> bool:
    """Tell whether a status is a 5xx."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_route_fault(error: UpstreamRefusedError) -> bool:
    """Tell whether the route should cool down: a 5xx or a page, never another 4xx."""
    return error.is_page or is_server_error(error.upstream_status)


def verdict_on(status: int, fault: Fault, *, is_json: bool = True) -> RefusalVerdict:
    """Return the verdict for the caller on a refusal with this status and these words."""
    if fault.clears_in_seconds is not None:
        return _LIMITED
    is_status_plain = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)
    if not is_status_plain and (by_code := _BY_CODE.get(fault.code or "")):
        return by_code
    if status == HTTPStatus.FORBIDDEN:
        return _FORBIDDEN if is_json and _is_about_account(fault) else _BROKEN
    by_status = _BY_STATUS.get(status) or (_BY_JSON_STATUS.get(status) if is_json else None)
    if by_status:
        return by_status
    is_request_fault = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return _CHANGE if is_request_fault and status not in _PASSING else _BROKEN


def _is_about_account(fault: Fault) -> bool:
    said = f"{(fault.code or '').replace('_', ' ')} {fault.words}"
    return bool(_ABOUT_ACCOUNT.search(said)) and not _SUSPICION.search(said)


def _page_verdict(status: int) -> RefusalVerdict:
    """Return the verdict on a page; only limits keep their meaning, as the network sent it."""
    if status == HTTPStatus.UNAUTHORIZED:
        return _PAGE
    return _BY_STATUS.get(status, _PAGE)


def object_in(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object of an error body, None if there is none; bare text becomes `detail`."""
    try:
        obj = orjson.loads(body.removeprefix(b"\xef\xbb\xbf").strip())
    except orjson.JSONDecodeError:
        return None
    if isinstance(obj, str):
        obj = {"detail": obj}
    return obj if isinstance(obj, dict) else None


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether a body is a web page, by its type or its marks."""
    kind = next((v for name, v in headers.items() if name.lower() == "content-type"), "")
    return "html" in kind.lower() or bool(_PAGE_MARKS.search(body[:_PAGE_SCAN_BYTES]))
