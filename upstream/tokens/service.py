"""One exchange of a refresh token for an access token with a token service (protocol 7).

There are two kinds of failure, which callers must tell apart: a refusal says that the token is
dead; anything else is a passing fault and is tried again. The differences between the services are
in `wire.py` and the modules of the providers.
"""

import asyncio
import logging
import math
import random
import re
import string
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import aiohttp_socks
import msgspec
from typing_extensions import override

from service.observing.throttled import Throttled
from service.version import VERSION
from service.vocabulary.credentials import claims_of
from service.vocabulary.errors import WRONG_KEY, AuthError, TokenServiceError
from upstream.http.bodies import read_start
from upstream.tokens.wire import Wire

logger = logging.getLogger(__name__)

RETRIES = 2
LONGEST_PAUSE_SECONDS = 5.0  # a longer wait is passed on to the caller
RETRY_AFTER_SECONDS = 5.0  # the wait that callers are told when the service names none
MAX_RETRY_AFTER_SECONDS = 86400.0
LIFE_SECONDS = 3600.0  # of an access token without an expiry (spec 4)
MAX_BODY_BYTES = 256 * 1024  # tokens take a few kilobytes; more is an HTML page
MAX_WORDS_CHARS = 500
MAX_WORDS_DEPTH = 3  # deeper than any known error body
_SHORT_CHARS = 8  # a shorter token may be part of ordinary words
_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=10)
# TimeoutError is an OSError; aiohttp-socks has errors of its own for a proxy.
_BROKEN_CALLS = (
    aiohttp.ClientError,
    OSError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyError,
    aiohttp_socks.ProxyTimeoutError,
)
_HEADERS = {"User-Agent": f"backend-to-v1/{VERSION}", "Accept": "application/json"}
_HEADER_SAFE = re.compile(r"[!-~]{1,16384}")
_JWT = re.compile(r"eyJ[\w-]{4,}+(?:\.[\w-]*+)*+")  # and the start of one
_RUN_LENGTH = 12  # long enough to be a piece of a token, not a word
_RUN = re.compile(rf"[\w.~+/=-]{{{_RUN_LENGTH},}}")
_RUN_CHARS = f"{string.ascii_letters}{string.digits}_.~+/=-"
_PLACES = ("error", "message", "error_description", "detail", "description", "reason", "msg")


class Grant(msgspec.Struct, frozen=True):
    """The tokens that the service gave; `expires_at` is in seconds since the epoch."""

    access_token: str
    expires_at: float
    refresh_token: str | None  # in place of the one that was sent

    @override
    def __repr__(self) -> str:
        """Never show a token."""
        return "Grant(…)"


class TokenRefusedError(AuthError):
    """The token service calls a token dead; it need not be asked again for `stands_seconds`."""

    def __init__(self, message: str, stands_seconds: float) -> None:
        super().__init__(message)
        self.stands_seconds = stands_seconds


class TokenService:
    """Exchanges tokens with the service that a `Wire` names.

    Args:
        session: for the calls; its proxy settings hold.
        clock: seconds since the epoch.
        pause_seconds: before the first retry; doubled for the second.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Callable[[], float],
        pause_seconds: float,
    ) -> None:
        self._session = session
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._throttled = Throttled()

    async def exchange(self, wire: Wire, refresh_token: str) -> Grant:
        """Return the tokens granted, after up to two retries.

        When it is cancelled, the service may have rotated the token and the new one is lost; run it
        in a task that is not cancelled.

        Raises:
            TokenRefusedError: the service calls the token dead, in its own words.
            TokenServiceError: any other failure.
        """
        for attempt in range(RETRIES):
            try:
                return await self._ask(wire, refresh_token)
            except TokenServiceError as exc:
                if self._throttled.is_due(exc.message):
                    logger.warning("token exchange failed, trying again: %s", exc)
                await asyncio.sleep(self._pause(attempt, exc.retry_after_seconds))
        return await self._ask(wire, refresh_token)

    def _pause(self, attempt: int, asked_seconds: float | None) -> float:
        jitter = random.uniform(0.75, 1.25)  # noqa: S311 - a pause, no secret
        own = self._pause_seconds * (1 << attempt) * jitter
        if asked_seconds is None or asked_seconds > LONGEST_PAUSE_SECONDS:
            return own
        return max(own, asked_seconds)

    async def _ask(self, wire: Wire, refresh_token: str) -> Grant:
        post = wire.post(refresh_token)
        try:
            # A redirect would send the token on to another host.
            async with self._session.post(
                post.url, **post.body, headers=_HEADERS, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                body = await read_start(response, MAX_BODY_BYTES)
        except _BROKEN_CALLS as exc:
            message = "The token service cannot be reached now. Try again later."
            raise TokenServiceError(message) from exc
        answer = _json(body)
        stands_seconds = wire.refused_seconds(response.status, answer)
        if stands_seconds is not None:
            words = redacted(words_of(answer), refresh_token)
            message = f"{WRONG_KEY} The token service refused this refresh token: {words}"
            raise TokenRefusedError(message, stands_seconds)
        grant = grant_in(answer, self._clock()) if _is_success(response.status) else None
        if grant is None:
            wait = retry_after(response.headers.get("Retry-After"), self._clock())
            raise TokenServiceError(_fault(response.status), retry_after_seconds=wait)
        return grant


def grant_in(answer: object, now: float) -> Grant | None:
    """Return the tokens of an answer that came at `now`, None if there is no access token in it."""
    if not isinstance(answer, dict):
        return None
    access_token = _token(answer.get("access_token"))
    if access_token is None:
        return None
    expires_at = read_expiry(access_token)
    if expires_at is None:
        expires_at = now + (_seconds(answer.get("expires_in")) or LIFE_SECONDS)
    return Grant(access_token, expires_at, _token(answer.get("refresh_token")))


def read_expiry(access_token: str) -> float | None:
    """Return the `exp` of a JWT in seconds since the epoch, or None if it cannot be read."""
    return _number(claims_of(access_token).get("exp"))


def retry_after(header: str | None, now: float) -> float | None:
    """Return the seconds of a `Retry-After` header, `120` or an HTTP date; else None."""
    if header is None:
        return None
    seconds = _seconds(header)
    if seconds is None:
        try:
            seconds = max(0.0, parsedate_to_datetime(header).timestamp() - now)
        except (ValueError, OverflowError):
            return None
    return min(seconds, MAX_RETRY_AFTER_SECONDS)


def words_of(answer: object) -> str:
    """Return the message of an error body, in any of the shapes of protocol 7.1.

    `{"error": {"message": "Bad token", "code": "x"}}` gives `Bad token (x)`.
    """
    words = _words(answer, depth=0)
    code = answer.get("code") if isinstance(answer, dict) else None
    if isinstance(code, str) and code not in words:
        words = f"{words} ({code})" if words else code
    return words or msgspec.json.encode(answer).decode()


def redacted(words: str, secret: str) -> str:
    """Return the words on one line, cut, without the secret, parts of it, or any JWT.

    The service chooses their length, so words that could not be shown anyway are cut off first.
    """
    forms = (secret, quote(secret, safe=""), quote(secret))
    words = _cut(words, MAX_WORDS_CHARS + max(map(len, forms)))
    edge = r"\b" if len(secret) < _SHORT_CHARS else ""
    for form in forms:
        words = re.sub(f"{edge}{re.escape(form)}{edge}", "[redacted]", words)
    words = _cut(words, 2 * MAX_WORDS_CHARS)
    words = _JWT.sub("[redacted]", words)
    words = _RUN.sub(lambda run: "[redacted]" if run[0] in secret else run[0], words)
    line = " ".join(words.split())
    return line if len(line) <= MAX_WORDS_CHARS else f"{line[: MAX_WORDS_CHARS - 1]}…"


def _cut(words: str, length: int) -> str:
    """Return the first `length` characters, without a token cut too short to be recognised."""
    if len(words) <= length:
        return words
    head = words[:length]
    begin = head.rstrip(_RUN_CHARS)
    return begin if len(head) - len(begin) < _RUN_LENGTH else head


def _words(answer: object, depth: int) -> str:
    if isinstance(answer, str):
        return answer
    if depth > MAX_WORDS_DEPTH:
        return ""
    if isinstance(answer, list):
        return "; ".join(filter(None, (_words(item, depth + 1) for item in answer[:5])))
    if not isinstance(answer, dict):
        return ""
    found = [_words(answer[place], depth + 1) for place in _PLACES if place in answer]
    code = answer.get("code")
    if depth and isinstance(code, str) and code not in ": ".join(found):
        found.append(f"({code})")
    return ": ".join(dict.fromkeys(filter(None, found))).replace(": (", " (")


def _fault(status: int) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:  # whose number clients take for a rate limit
        return "The token service is busy now. Try again later."
    if _is_success(status):
        return "The token service answered without an access token. Try again later."
    return f"The token service failed with status {status}. Try again later."


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _token(value: object) -> str | None:
    return value if isinstance(value, str) and _HEADER_SAFE.fullmatch(value) else None


def _seconds(value: object) -> float | None:
    """Return a JSON number, or a string of one, as seconds; None if it is none or negative."""
    seconds = _number(value)
    return seconds if seconds is not None and seconds >= 0 else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
