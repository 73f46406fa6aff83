"""Translates error bodies of Codex's back end, and errors inside its streams (codex 3, 4).

An error inside a stream has its fields in `error` or beside its `type`; all shapes are read alike.
A code that is in no table here means the same as on the website.

    {"detail": "Unsupported parameter: seed"}
    {"error": {"type": "usage_limit_reached", "message": …, "resets_at": 1738888888}}
    {"type": "error", "code": "server_is_overloaded", "message": …}
"""

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from msgspec import Struct, structs

from service.upstream_errors.error_bodies import (
    MAX_WAIT_SECONDS,
    Fault,
    fault_of,
    retry_after,
    seconds,
    wait,
)
from service.upstream_errors.refusals import (
    MAX_WORDS_CHARS,
    RefusalVerdict,
    failure_of,
    is_page,
    is_server_error,
    object_in,
    verdict_on,
)
from service.vocabulary.errors import UpstreamRefusedError
from service.vocabulary.events import Failure

_INVALID, _BROKE, _LIMIT = "invalid_request_error", "upstream_error", "rate_limit_error"
USAGE_LIMIT = "usage_limit_reached"
_MAX_PARAM_CHARS = 64
UNSEALABLE = "invalid_encrypted_content"

_OVERFLOW = RefusalVerdict(
    400,
    _INVALID,
    "context_length_exceeded",
    "This model's maximum context length is smaller than your messages, "
    "whose length exceeds the context window (context_length_exceeded).",
)
_CHANGE = RefusalVerdict(
    400, _INVALID, None, "The upstream did not accept this request; please change it."
)
_SPENT = RefusalVerdict(
    429,
    _LIMIT,
    "rate_limit_exceeded",
    "Rate limit: this account's allowance at the upstream is used up.",
)
_NOT_IN_PLAN = RefusalVerdict(
    403, "permission_error", None, "This account's plan does not include Codex at the upstream."
)
_LIMITED = RefusalVerdict(
    429,
    _LIMIT,
    "rate_limit_exceeded",
    "The upstream's rate limit for this account is reached; please wait.",
)
_BUSY = RefusalVerdict(
    503, _BROKE, None, "The upstream is overloaded now; please try again shortly."
)
_BARRED = RefusalVerdict(
    403, "permission_error", "permission_error", "The upstream does not let this account do this."
)
_NO_MODEL = RefusalVerdict(
    404,
    _INVALID,
    "model_not_found",
    "The model does not exist upstream, or this account may not use it.",
)
_PAGE = RefusalVerdict(
    502,
    _BROKE,
    _BROKE,
    "The network before the upstream (Cloudflare) answered with a web page in place of data; please "
    "try again later, and go by another address (upstream.proxy) if this stays.",
)
_HIDDEN = RefusalVerdict(
    502,
    _BROKE,
    _BROKE,
    "The network before the upstream (Cloudflare) hides it from this machine, by an empty answer of "
    "status 404; please go by another address (upstream.proxy) if this stays.",
)

_BY_CODE = {
    "context_length_exceeded": _OVERFLOW,
    "invalid_prompt": _CHANGE,
    "cyber_policy": _CHANGE,
    UNSEALABLE: _CHANGE,
    "previous_response_not_found": _CHANGE,
    "image_generation_user_error": _CHANGE,
    "insufficient_quota": _SPENT,
    USAGE_LIMIT: _SPENT,
    "usage_not_included": _NOT_IN_PLAN,
    "rate_limit_exceeded": _LIMITED,
    "server_is_overloaded": _BUSY,
    "slow_down": _BUSY,
}
# For errors without a code, or with one that says less than the type beside it.
_BY_TYPE = {**_BY_CODE, "invalid_request_error": _CHANGE}
_BY_STATUS: dict[int, RefusalVerdict] = {
    HTTPStatus.PAYMENT_REQUIRED: _SPENT,
    HTTPStatus.FORBIDDEN: _BARRED,
    HTTPStatus.SERVICE_UNAVAILABLE: _BUSY,
}
_BY_WORDS = (
    (re.compile(r"\bis at capacity\b", re.IGNORECASE), _BUSY),
    (re.compile(r"\bmodel is not supported when using codex\b", re.IGNORECASE), _NO_MODEL),
)
# Too large, or too many: these mean the same from the back end and from a proxy before it.
_FROM_ANYBODY = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS)
_WAIT = re.compile(r"try again in (\d{1,7}(?:\.\d{1,9})?) ?(ms|s|m)", re.IGNORECASE)
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class UsageLimit(Struct, frozen=True):
    """An account's allowance is used up; `resets_at` in seconds since 1970, None if not told."""

    resets_at: float | None


class Judged(Struct, frozen=True):
    """An error as the caller sees it, and the account's limit if that was the reason.

    `upstream_param` is the field of the gateway's own request that the back end names.
    """

    failure: Failure
    limit: UsageLimit | None = None
    upstream_param: str = ""


class CodexRefusedError(UpstreamRefusedError):
    """Codex's back end refused; `limit` is set if the account's allowance was the reason.

    A model at capacity counts as an overload, whatever the status.
    """

    def __init__(self, judged: Judged, upstream_status: int, *, is_page: bool = False) -> None:
        is_busy = judged.failure.status == HTTPStatus.SERVICE_UNAVAILABLE
        status = judged.failure.status if is_busy else upstream_status
        super().__init__(judged.failure, status, is_page=is_page)
        self.limit = judged.limit
        self.upstream_param = judged.upstream_param

    def naming_field(self) -> "CodexRefusedError":
        """Return it with the field that the back end names, where that is the caller's own."""
        failure = self.failure()
        if failure.param or not self.upstream_param:
            return self
        named = structs.replace(failure, param=self.upstream_param)
        return CodexRefusedError(Judged(named, self.limit), self.upstream_status)


def codex_refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    secrets: Collection[str] = (),
) -> CodexRefusedError:
    """Return the error for an answer other than the expected one.

    Args:
        status: as the back end sent it; 200 for an error body under a good status.
        headers: of that answer; `Content-Type` and `Retry-After` are read.
        body: as much of it as was read.
        now: seconds since 1970.
        secrets: tokens that may not be quoted even if the back end repeats them.
    """
    obj = object_in(body)
    if obj is not None:
        judged = judge(obj, now, status=status, secrets=secrets)
        if judged.failure.retry_after_seconds is None and _may_pass(judged.failure):
            failure = structs.replace(judged.failure, retry_after_seconds=retry_after(headers))
            judged = structs.replace(judged, failure=failure)
        return CodexRefusedError(judged, status)
    if is_page(headers, body) and status not in _FROM_ANYBODY:
        return CodexRefusedError(Judged(failure_of(_PAGE, Fault(""))), status, is_page=True)
    said = b"" if is_page(headers, body) else body[: 4 * MAX_WORDS_CHARS]
    words = Fault(said.decode("utf-8", "replace").strip())
    if status == HTTPStatus.NOT_FOUND and not words.words:
        return CodexRefusedError(Judged(failure_of(_HIDDEN, words)), status, is_page=True)
    is_spent = status == HTTPStatus.PAYMENT_REQUIRED
    verdict = _SPENT if is_spent else verdict_on(status, words, is_json=False)
    failure = failure_of(verdict, words, secrets)
    failure = structs.replace(failure, retry_after_seconds=retry_after(headers), is_final=is_spent)
    return CodexRefusedError(Judged(failure), status)


def judge(
    obj: Mapping[str, Any],
    now: float,
    *,
    status: int = HTTPStatus.OK,
    secrets: Collection[str] = (),
) -> Judged:
    """Return the meaning of an error object, from a body or from inside a stream of status 200."""
    inner = obj.get("error")
    error = inner if isinstance(inner, dict) else obj
    fault = _fault(obj, error)
    if status == HTTPStatus.OK:
        status = _status_in(error) or _status_in(obj) or status
    verdict = _verdict(status, fault, error)
    failure = failure_of(verdict, fault, secrets)
    if verdict.code == _BROKE and fault.code:  # spec 6.4: a 502 carries the upstream's own code
        failure = structs.replace(failure, code=fault.code)
    resets_at = _resets_at(error, fault, now)
    waits = None if resets_at is None else max(0.0, resets_at - now)
    failure = structs.replace(
        failure,
        retry_after_seconds=waits if verdict.status in _WAITED_FOR else None,
        is_final=verdict in (_SPENT, _NOT_IN_PLAN),
        param="model" if verdict is _NO_MODEL else failure.param,
    )
    is_limit = verdict is _SPENT and fault.code == USAGE_LIMIT
    named = error.get("param")
    return Judged(
        failure,
        UsageLimit(resets_at) if is_limit else None,
        named[:_MAX_PARAM_CHARS] if isinstance(named, str) else "",
    )


_WAITED_FOR = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def _may_pass(failure: Failure) -> bool:
    return failure.status == HTTPStatus.TOO_MANY_REQUESTS or is_server_error(failure.status)


def _fault(obj: Mapping[str, Any], error: Mapping[str, Any]) -> Fault:
    """Return the words and the code of an error; a type that says more replaces the code."""
    fault, kind = fault_of(obj), error.get("type")
    is_told = isinstance(kind, str) and kind in _BY_CODE and fault.code not in _BY_CODE
    return structs.replace(fault, code=kind) if is_told else fault


def _verdict(status: int, fault: Fault, error: Mapping[str, Any]) -> RefusalVerdict:
    by_words = next((verdict for words, verdict in _BY_WORDS if words.search(fault.words)), None)
    known = _BY_CODE.get(fault.code or "") or by_words or _BY_STATUS.get(status)
    kind = error.get("type")
    if known is None and status == HTTPStatus.OK and isinstance(kind, str):
        known = _BY_TYPE.get(kind)
    return known or verdict_on(status, fault)


def _status_in(error: Mapping[str, Any]) -> int | None:
    """Return the status named by an error inside a 200, None if it names none."""
    for key in ("status", "status_code"):
        value = error.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and is_error(value):
            return value
    return None


def is_error(status: int) -> bool:
    """Tell whether a number is the HTTP status of an error."""
    return HTTPStatus.BAD_REQUEST <= status < 600  # noqa: PLR2004 - the end of the fifth hundred


def _resets_at(error: Mapping[str, Any], fault: Fault, now: float) -> float | None:
    """Return the time when a retry makes sense, in seconds since 1970."""
    if (at := seconds(error.get("resets_at"))) is not None:
        return at if at - now <= MAX_WAIT_SECONDS else None
    for key in ("resets_in_seconds", "retry_after_seconds", "retry_after"):
        if (told := wait(error.get(key))) is not None:
            return now + told
    if fault.clears_in_seconds is not None:
        return now + fault.clears_in_seconds
    if found := _WAIT.search(fault.words):
        return now + float(found[1]) * _UNIT_SECONDS[found[2].lower()]
    return None
