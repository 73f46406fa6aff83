"""The record of one request, from which its log line and its metrics are made (spec 12)."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiohttp import web

from service.keys import METRICS, UNKNOWN_EVENTS
from service.observing.metrics import Metrics
from service.stages.encode.gathered import Gathered
from service.stages.render.bot_format import Render
from service.stages.render.guard import REMOVED
from service.vocabulary.credentials import UpstreamKind
from service.vocabulary.events import Failure, Outcome
from service.vocabulary.rendered import TokenCounts
from service.vocabulary.requests import ChatRequest
from service.vocabulary.wire import error_frame

CALLER_GONE = 499  # nginx's status for it; never sent

_log = logging.getLogger("gateway.access")


class Record:
    """One request as the log and the metrics see it; handlers fill in what they learn.

    Times are of the event loop's clock, in seconds. `gateway_key` is the id of the key. `stream` is
    the response whose head has been sent, and `fail` makes the event that ends it with a failure.
    """

    def __init__(self, request_id: str, received_at: float) -> None:
        self.request_id = request_id
        self.received_at = received_at
        self.gateway_key: str | None = None
        self.upstream: UpstreamKind | None = None
        self.chat: ChatRequest | None = None
        self.outcome: Outcome | None = None
        self.upstream_model: str | None = None
        self.usage: TokenCounts | None = None
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
    request.app[METRICS].requests.labels(route_of(request), str(status)).inc()
    _count_turn(request.app, record, seconds)
    fields = {
        "method": request.method,
        "path": request.rel_url.raw_path,
        "status": status,
        "bytes": _size(request, response),
        **_about_turn(record, seconds),
    }
    known = {name: value for name, value in fields.items() if value is not None}
    _log.info("%s %s %s", request.method, request.rel_url.raw_path, status, extra=known)
    return known


def close_turn(app: web.Application, record: Record, message: str) -> None:
    """Count a turn that went on without its request, and log a line of its own."""
    seconds = asyncio.get_running_loop().time() - record.received_at
    _count_turn(app, record, seconds)
    fields = _about_turn(record, seconds)
    known = {name: value for name, value in fields.items() if value is not None}
    _log.info(message, extra=known)


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
        metrics.outcomes.labels(record.outcome).inc()
        if record.upstream is not None:
            metrics.turns.labels(record.upstream).inc()
    if record.first_text_at is not None:
        metrics.first_token_seconds.observe(record.first_text_at - record.received_at)
    if record.render is not None and record.render.removed:
        app[UNKNOWN_EVENTS].note({REMOVED: record.render.removed}, {})
    if record.usage is not None:
        metrics.token_seconds.observe(seconds / max(1, record.usage.completion_tokens))


def _size(request: web.Request, response: web.StreamResponse | None) -> int:
    """Return the size of the answer in bytes; if it is not sent yet, that of its body."""
    if isinstance(response, web.Response):
        return response.content_length or 0
    return request.writer.output_size
