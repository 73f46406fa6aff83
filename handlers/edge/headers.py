"""Reads and writes HTTP headers safely, whatever characters their values hold."""

import math
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from aiohttp import web

from service.observing.bad_http import REQUEST_ID, new_request_id
from service.vocabulary.credentials import Credential, read_credential
from service.vocabulary.events import Failure

UPSTREAM_MODEL = "x-upstream-model"
IGNORED_FIELDS = "x-ignored-fields"
OVERHEAD = "x-gateway-overhead-ms"
RETRY_AFTER = "Retry-After"
SHOULD_RETRY = "x-should-retry"
# Node's SDK sleeps for as long as it is told; above this it is told not to retry (openai-wire 1,
# rule 13).
MAX_RETRY_AFTER_SECONDS = 60

CREDENTIAL = web.RequestKey("CREDENTIAL", Credential)  # set for gateway keys only

_SECRET_HEADERS = ("Authorization", "api-key")
_ACCOUNT_ID = "ChatGPT-Account-ID"
_SEPARATORS = re.compile(r"[\s,]+")
_MAX_WORD_CHARS = 6  # the length of `Bearer`; shorter words are no secrets

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MAX_MODEL_CHARS = 255  # as of a requested name; clients refuse an answer with a longer header
_UNSAFE = re.compile(r"[^\x20-\x7e]")


def request_id_of(request: web.Request) -> str:
    """Return the caller's own id of this request if it is valid, else a new one."""
    given = request.headers.get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else new_request_id()


def credential_of(request: web.Request) -> Credential:
    """Return the caller's credential, or the one that its gateway key stands for.

    Raises:
        AuthError: missing or malformed.
    """
    granted = request.get(CREDENTIAL)
    return sent_credential(request) if granted is None else granted


def sent_credential(request: web.Request) -> Credential:
    """Return the credential as it was sent.

    Raises:
        AuthError: missing or malformed.
    """
    authorization, api_key = (request.headers.get(name) for name in _SECRET_HEADERS)
    return read_credential(authorization, api_key, request.headers.get(_ACCOUNT_ID))


def secrets_in(request: web.Request) -> list[str]:
    """Return the secrets that a request was sent with, for redaction, the longest first."""
    given = [request.headers.get(name, "") for name in (*_SECRET_HEADERS, _ACCOUNT_ID)]
    granted = request.get(CREDENTIAL)
    if granted is not None:
        given += [granted.token, granted.account_id or ""]
    # Also the token without its scheme and account id, and the account id by itself.
    parts = {part for text in given for part in (text, *_SEPARATORS.split(text))}
    return sorted((part for part in parts if len(part) > _MAX_WORD_CHARS), key=len, reverse=True)


def reply_headers(
    *, ignored_fields: Iterable[str] = (), upstream_model: str | None = None
) -> dict[str, str]:
    """Return the headers about an answer, without those that would be empty."""
    model = (upstream_model or "")[:_MAX_MODEL_CHARS]
    found = {IGNORED_FIELDS: ", ".join(ignored_fields), UPSTREAM_MODEL: model}
    return {name: _UNSAFE.sub("", value) for name, value in found.items() if value}


def retry_headers(failure: Failure) -> Mapping[str, str]:
    """Return the headers that tell when a refused request may be retried.

    Clients retry any 5xx; on a full disk each retry would draw and discard one more picture.
    """
    if failure.status == HTTPStatus.INSUFFICIENT_STORAGE:
        return {SHOULD_RETRY: "false"}
    vain = {SHOULD_RETRY: "false"}
    if failure.retry_after_seconds is None:
        return vain if failure.is_final else {}
    seconds = math.ceil(max(0.0, failure.retry_after_seconds))
    is_vain = failure.is_final or seconds > MAX_RETRY_AFTER_SECONDS
    return {RETRY_AFTER: str(seconds), **(vain if is_vain else {})}
