"""Reads and writes HTTP headers safely, whatever characters their values hold."""

import math
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from aiohttp import hdrs, web

from service.connections.bad_http import REQUEST_ID, new_request_id
from service.vocabulary.credentials import Credential, read_credential
from service.vocabulary.errors import AuthError
from service.vocabulary.events import Failure
from service.vocabulary.gateway_keys import is_foreign_key, is_gateway_key

UPSTREAM_MODEL = "x-upstream-model"
IGNORED_FIELDS = "x-ignored-fields"
OVERHEAD = "x-gateway-overhead-ms"
ESTIMATED = "x-usage-estimated"  # for answers without a field for it
RETRY_AFTER = "Retry-After"
SHOULD_RETRY = "x-should-retry"
# Node's SDK sleeps for as long as it is told; above this it is told not to retry (openai-wire 1,
# rule 13).
MAX_RETRY_AFTER_SECONDS = 60

# The one that counts, where there are gateway keys: that of the key, or one that was sent.
CREDENTIAL = web.RequestKey("CREDENTIAL", Credential)

_API_KEYS = ("api-key", "x-api-key")  # the second is Anthropic's
_SECRET_HEADERS = (hdrs.AUTHORIZATION, *_API_KEYS)
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
    known = request.get(CREDENTIAL)
    return sent_credential(request) if known is None else known


def sent_credential(request: web.Request) -> Credential:
    """Return the credential as it was sent, the first of several.

    Raises:
        AuthError: missing or malformed.
    """
    return sent_credentials(request)[0]


def sent_credentials(request: web.Request) -> list[Credential]:
    """Return the credentials as they were sent, the bearer first; there is at least one.

    Some clients send a second key, meant for another service, in another header; it comes last.

    Raises:
        AuthError: missing, or the first is malformed and no other is valid.
    """
    account_id = request.headers.get(_ACCOUNT_ID)
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    keys = [key for name in _API_KEYS if (key := request.headers.get(name))]
    if not keys:
        return [read_credential(authorization, None, account_id)]
    given = [] if authorization is None else [(authorization, None)]
    found: list[Credential] = []
    problems: list[AuthError] = []
    for bearer, key in (*given, *((None, key) for key in keys)):
        try:
            found.append(read_credential(bearer, key, account_id))
        except AuthError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return sorted(
        found, key=lambda sent: is_foreign_key(sent.token) and not is_gateway_key(sent.token)
    )


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
