"""The outermost layer: every request gets an id, one log line, and JSON errors (spec 11, 12)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import hdrs, web

from handlers.edge.admission import Handler, install_admission
from handlers.edge.cors import add_origin, is_preflight, preflight_response
from handlers.edge.dialects import (
    REQUEST_ID as MESSAGE_REQUEST_ID,
)
from handlers.edge.dialects import failed, is_of_another_dialect, speaks_messages
from handlers.edge.headers import request_id_of, secrets_in
from handlers.edge.links import api_base, is_admin_request
from handlers.edge.not_offered import is_socket, reason_for
from handlers.edge.record import RECORD, Record, close_record, route_of
from handlers.edge.slow_bodies import in_time
from handlers.reading.json_body import body_size_error
from handlers.reading.pending_bodies import PENDING_BODIES, PENDING_FORMS, PendingBodies
from service.connections.bad_http import REQUEST_ID
from service.connections.half_closed import ANSWER_TYPE
from service.keys import CONFIG, TRACING
from service.observing.faults import log_fault
from service.observing.tracing import request_span
from service.vocabulary.errors import (
    MethodNotAllowedError,
    NotFoundError,
    RequestError,
    ServiceError,
    UpgradeRequiredError,
)
from service.vocabulary.events import Failure, Outcome

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("gateway.faults")
_MAX_PATH_CHARS = 200  # of an unknown path that an error quotes


def install_edge(app: web.Application) -> None:
    """Install the middleware and the headers of every answer."""
    server, max_store_bytes = app[CONFIG].server, app[CONFIG].files.max_store_bytes
    app[PENDING_BODIES] = PendingBodies(server.max_pending_body_bytes, server.max_body_bytes)
    app[PENDING_FORMS] = PendingBodies(max_store_bytes, server.max_upload_bytes)
    app.middlewares.append(edge)
    install_admission(app)
    app.on_response_prepare.append(_add_headers)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's id and CORS headers, also to streams and stored files."""
    record, headers = request.get(RECORD), response.headers
    request[ANSWER_TYPE] = headers.get(hdrs.CONTENT_TYPE, "")
    if record is not None:
        headers[REQUEST_ID] = record.request_id
        if speaks_messages(request):
            headers[MESSAGE_REQUEST_ID] = record.request_id
    # A cache on the way must not serve one key's answer to the next; shared caches know the header
    # Authorization, but not api-key.
    headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if not is_admin_request(request):  # those are for pages of this origin only
        add_origin(request, response, request.app[CONFIG].server.cors_origins)


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request, whatever happens, and log it; a cancellation is logged and passed on."""
    received_at = asyncio.get_running_loop().time()
    request[RECORD] = record = Record(request_id_of(request), received_at)
    response: web.StreamResponse | None = None
    with request_span(request.app.get(TRACING), request.headers) as span:
        try:
            response = await _answer(request, handler)
        except asyncio.CancelledError:
            record.abandon()
            if record.outcome is not Outcome.ABANDONED:
                response = record.stream  # its answer was sent before the caller left
            raise
        finally:
            fields = close_record(request, response)
            if span is not None:
                route = route_of(request)
                span.describe(f"{request.method} {route}", {**fields, "route": route})
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if (early := _answered_at_once(request)) is not None:
        return early
    try:
        return await in_time(request, handler)
    except ServiceError as error:
        return failed(request, error.failure())
    except web.HTTPException as error:
        return _http_error(request, error)
    except (web.RequestPayloadError, ConnectionResetError):
        message = "The request body ended early, or is not encoded as its headers say."
        return failed(request, RequestError(message).failure())
    except Exception as error:  # noqa: BLE001 - the outermost edge: a bug is logged, the caller gets JSON
        log_fault(error, request[RECORD].request_id, secrets_in(request))
        return await _fault_response(request)


def _answered_at_once(request: web.Request) -> web.Response | None:
    """Answer what needs no key: a preflight, or a request for a WebSocket, which is not offered."""
    if is_preflight(request) and not is_admin_request(request):
        return preflight_response(request)
    if is_of_another_dialect(request):
        message = "Files are left here by OpenAI's API only; send them in the message itself."
        return failed(request, NotFoundError(message).failure())
    if request.method != hdrs.METH_GET:
        return None
    if not is_socket(request.path, api_base(request.app[CONFIG].server)):
        return None
    message = "There is no WebSocket here; send a POST, with `stream` for events."
    response = failed(request, UpgradeRequiredError(message).failure())
    response.headers[hdrs.UPGRADE], response.headers[hdrs.CONNECTION] = "websocket", "Upgrade"
    return response


async def _fault_response(request: web.Request) -> web.StreamResponse:
    """Report a bug: as JSON, or inside the stream whose head has been sent."""
    record = request[RECORD]
    failure = ServiceError(
        f"This server met an unexpected fault; its log has more about request {record.request_id}."
    ).failure()
    if record.stream is None:
        return failed(request, failure)
    with suppress(ConnectionResetError):
        await record.stream.write_eof(record.fail(failure))
    return record.stream


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    """Return aiohttp's own refusals as JSON."""
    path = request.rel_url.raw_path[:_MAX_PATH_CHARS]
    failure: Failure
    base = api_base(request.app[CONFIG].server)
    reason = reason_for(request.path, base)
    match error:
        case web.HTTPNotFound():
            message = (
                f"There is no {path} here: {reason}" if reason else f"There is nothing at {path}"
            )
            failure = NotFoundError(f"{message}.").failure()
        case web.HTTPMethodNotAllowed():
            message = f"{path} takes {', '.join(sorted(error.allowed_methods))} only"
            message += f": {reason}" if reason else ""
            failure = MethodNotAllowedError(f"{message}.").failure()
        case web.HTTPRequestEntityTooLarge():
            failure = body_size_error(request.app[CONFIG].server.max_body_bytes).failure()
        case _:
            failure = Failure(error.status, error.reason, RequestError.type, RequestError.code)
    response = failed(request, failure)
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response
