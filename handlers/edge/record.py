"""The record of one request, from which its log line and its metrics are made (spec 12)."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from http import HTTPStatus

from aiohttp import hdrs, web
from msgspec import structs

from service.keys import CALL_WRITER, CONFIG, KEY_BUDGETS, METRICS, UNKNOWN_EVENTS
from service.observing.metrics import Metrics
from service.observing.redaction import redact
from service.stages.encode.gathered import Gathered
from service.stages.render.bot_format import Render
from service.stages.render.guard import REMOVED
from service.vocabulary.credentials import Credential, UpstreamKind
from service.vocabulary.events import Failure, Outcome
from service.vocabulary.ledger.calls import Call, Dialect
from service.vocabulary.rendered import TokenCounts
from service.vocabulary.requests import ChatRequest
from service.vocabulary.text import well_formed
from service.vocabulary.wire import error_frame, to_json

CALLER_GONE = 499  # nginx's status for it; never sent
_MAX_MODEL_CHARS = 255  # of a name in the log of calls
_MAX_BODY_CHARS = 32 * 1024  # of the texts of a request, and of its answer
_ACCOUNT_CHARS = 16  # of an account's hash there
_UNKNOWN_CALLER = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
# The paths whose requests are calls, after the prefix of `server.api_prefix`.
_DIALECTS = {
    "/v1/chat/completions": Dialect.CHAT,
    "/v1/completions": Dialect.COMPLETIONS,
    "/v1/responses": Dialect.RESPONSES,
    "/v1/responses/compact": Dialect.RESPONSES,
    "/v1/messages": Dialect.MESSAGES,
    "/v1/images/generations": Dialect.IMAGES,
    "/v1/images/edits": Dialect.IMAGES,
    "/v1/images/variations": Dialect.IMAGES,
    "/v1/audio/speech": Dialect.SPEECH,
    "/v1/audio/transcriptions": Dialect.TRANSCRIPTIONS,
}

_log = logging.getLogger("gateway.access")
_LINE = {
    "name": _log.name,
    "levelno": logging.INFO,
    "levelname": logging.getLevelName(logging.INFO),
}


class Record:
    """One request as the log and the metrics see it; handlers fill in what they learn.

    Times are of the event loop's clock, in seconds. `gateway_key` is the id of the key. `stream` is
    the response whose head has been sent, and `fail` makes the event that ends it with a failure.
    `goes_on` tells that the turn goes on without the request, and has a record of its own.
    `gathered` is the answer so far, and `count` counts its tokens if it does not come to its end.
    """

    def __init__(self, request_id: str, received_at: float) -> None:
        self.request_id = request_id
        self.received_at = received_at
        self.goes_on = False
        self.gateway_key: str | None = None
        self.credential: Credential | None = None
        self.upstream: UpstreamKind | None = None
        self.chat: ChatRequest | None = None
        self.outcome: Outcome | None = None
        self.upstream_model: str | None = None
        self.usage: TokenCounts | None = None
        # Takes this record instead of holding it, so that both are freed with the request.
        self.count: Callable[[Record], Awaitable[TokenCounts | None]] | None = None
        self.gathered: Gathered | None = None
        self.first_text_at: float | None = None
        self.render: Render | None = None  # the stage that rendered the answer
        self.stream: web.StreamResponse | None = None
        self.fail: Callable[[Failure], bytes] = error_frame

    def learn(self, gathered: Gathered) -> None:
        """Take over the end of an answer."""
        self.upstream_model = gathered.facts.upstream_model
        if gathered.ended is not None:
            self.outcome = gathered.ended.outcome

    def abandon(self) -> None:
        """Note that the caller left, unless the answer had ended before."""
        if self.chat is not None and self.outcome is None:
            self.outcome = Outcome.ABANDONED


RECORD = web.RequestKey("RECORD", Record)


def route_of(request: web.Request) -> str:
    """Return the route's pattern, without the caller's values."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical


def close_record(request: web.Request, response: web.StreamResponse | None) -> Mapping[str, object]:
    """Count a request and log its line; without a response, the caller left.

    Returns:
        The fields of the line.
    """
    record = request[RECORD]
    seconds = asyncio.get_running_loop().time() - record.received_at
    status = CALLER_GONE if response is None else response.status
    app, size_bytes, route = request.app, _size(request, response), route_of(request)
    app[METRICS].requests_of(route, status).inc()
    _count_turn(app, record, seconds)
    dialect = _dialect_of(route)
    if dialect is not None and request.method == hdrs.METH_POST and not record.goes_on:
        _keep(app, record, _call_of(record, dialect, status, seconds, size_bytes))
    method, path = request.method, request.rel_url.raw_path
    fields = {
        "method": method,
        "path": path,
        "status": status,
        "bytes": size_bytes,
        **_about_turn(record, seconds),
    }
    return _log_line(fields, "%s %s %s", method, path, status)


def close_turn(app: web.Application, record: Record, message: str) -> None:
    """Count a response whose turn went on without its request, and log a line of its own."""
    seconds = asyncio.get_running_loop().time() - record.received_at
    _count_turn(app, record, seconds)
    _keep(app, record, _call_of(record, Dialect.RESPONSES, HTTPStatus.OK, seconds, 0))
    _log_line(_about_turn(record, seconds), message)


def _log_line(fields: Mapping[str, object], message: str, *values: object) -> Mapping[str, object]:
    """Log a message with those of the fields that are known, and return them.

    The record is made here, since `Logger.info` looks at each field for a name that it needs itself.
    """
    known = {name: value for name, value in fields.items() if value is not None}
    if _log.isEnabledFor(logging.INFO):
        _log.handle(logging.makeLogRecord({**_LINE, "msg": message, "args": values, **known}))
    return known


def _about_turn(record: Record, seconds: float) -> dict[str, object]:
    chat, first = record.chat, record.first_text_at
    return {
        "request_id": record.request_id,
        "key": record.gateway_key,
        "upstream": record.upstream,
        "outcome": record.outcome,
        "model": chat and chat.model,
        "upstream_model": record.upstream_model,
        "stream": chat and chat.is_stream,
        "profile": chat and chat.profile,
        "first_text_ms": None if first is None else round((first - record.received_at) * 1000),
        "total_ms": round(seconds * 1000),
        "prompt_tokens": record.usage and record.usage.prompt_tokens,
        "completion_tokens": record.usage and record.usage.completion_tokens,
    }


def _count_turn(app: web.Application, record: Record, seconds: float) -> None:
    metrics: Metrics = app[METRICS]
    if record.outcome is not None:
        metrics.outcomes_of(record.outcome).inc()
        if record.upstream is not None:
            metrics.turns_of(record.upstream).inc()
    if record.first_text_at is not None:
        metrics.first_token_seconds.observe(record.first_text_at - record.received_at)
    if record.render is not None and record.render.removed:
        app[UNKNOWN_EVENTS].note({REMOVED: record.render.removed}, {})
    if record.usage is not None:
        metrics.token_seconds.observe(seconds / max(1, record.usage.completion_tokens))


def _keep(app: web.Application, record: Record, call: Call) -> None:
    """Put a call into the log of calls, and its tokens on its key's budget."""
    known = record.gateway_key or (record.outcome and call.status not in _UNKNOWN_CALLER)
    counts, count = record.usage, None
    if counts is not None:
        _charge(app, record, counts)
    elif record.outcome is not None and record.count is not None:
        count = _charging(app, record, record.count)
    if app[CONFIG].calls.keep_bodies:
        call = structs.replace(call, bodies=_bodies_of(record))
    app[CALL_WRITER].note(call, count, is_known=bool(known))


def _call_of(
    record: Record, dialect: Dialect, status: int, seconds: float, size_bytes: int
) -> Call:
    chat, counts, first = record.chat, record.usage, record.first_text_at
    return Call(
        at_ms=int((time.time() - seconds) * 1000),
        request_id=record.request_id,
        dialect=dialect,
        status=status,
        total_ms=math.ceil(seconds * 1000),
        bytes=size_bytes,
        key=record.gateway_key,
        account=None if record.credential is None else record.credential.account[:_ACCOUNT_CHARS],
        model=None if chat is None else _name(chat.asked_model or chat.model),
        upstream_model=record.upstream_model and _name(record.upstream_model),
        upstream=record.upstream,
        outcome=record.outcome,
        first_token_ms=None if first is None else math.ceil((first - record.received_at) * 1000),
        prompt_tokens=None if counts is None else counts.prompt_tokens,
        completion_tokens=None if counts is None else counts.completion_tokens,
        cached_tokens=None if counts is None else counts.cached_tokens,
        reasoning_tokens=None if counts is None else counts.reasoning_tokens,
        is_estimated=counts is not None and counts.is_estimated,
    )


def _bodies_of(record: Record) -> str | None:
    """Return the texts of a request and its answer as JSON, without what looks like a secret.

    For example `{"request": [{"role": "user", "text": "Hi"}], "answer": "Hello!"}`.
    """
    if record.chat is None:
        return None
    left, asked = _MAX_BODY_CHARS, []
    for message in record.chat.messages:
        text = message.text[:left]
        left -= len(text)
        asked.append({"role": message.role, "text": redact(text)})
        if not left:
            break
    answer = record.gathered.content[:_MAX_BODY_CHARS] if record.gathered else ""
    return to_json({"request": asked, "answer": redact(answer)}).decode()


def _name(text: str) -> str:
    """Return a model's name as it is kept: of bounded length, and writable."""
    return well_formed(text[:_MAX_MODEL_CHARS])


def _charge(app: web.Application, record: Record, counts: TokenCounts) -> None:
    if record.credential is not None:
        once = record.chat.idempotency_key if record.chat else ""
        app[KEY_BUDGETS].charge(record.credential, counts.total_tokens, once)


def _charging(
    app: web.Application, record: Record, count: Callable[[Record], Awaitable[TokenCounts | None]]
) -> Callable[[], Awaitable[TokenCounts | None]]:
    """Return a count of tokens that also charges them."""

    async def counted() -> TokenCounts | None:
        counts = await count(record)
        if counts is not None:
            _charge(app, record, counts)
        return counts

    return counted


@cache
def _dialect_of(route: str) -> Dialect | None:
    """Return the API of a route, None for one whose requests are no calls."""
    _, found, rest = route.rpartition("/v1/")
    return _DIALECTS.get(found + rest)


def _size(request: web.Request, response: web.StreamResponse | None) -> int:
    """Return the size of the answer in bytes; if it is not sent yet, that of its body."""
    if isinstance(response, web.Response):
        return response.content_length or 0
    return request.writer.output_size
