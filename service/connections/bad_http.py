"""JSON answers to what aiohttp refuses before the application sees a request (spec 11).

By itself aiohttp answers with plain text that quotes the bytes, tokens among them, and logs a
traceback for each. It also waits without a limit for the end of a request's head, unpacks the rest
of a compressed body that was refused, and takes a caller that closes its sending side for one that
has left.
"""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from aiohttp.streams import EmptyStreamReader, StreamReader
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from service.connections.half_closed import ANSWER_TYPE, HalfClosed, question_for
from service.random_ids import random_hex
from service.vocabulary.errors import RequestError, ServiceError
from service.vocabulary.wire import error_of, to_json

REQUEST_ID = "x-request-id"
HEAD_SECONDS = 30.0  # for a request's head, from its first byte or the opening
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (LineTooLong, "The address or a header of the request is too long."),
    (BadHttpMethod, "This is not an HTTP request; this server speaks no TLS of its own."),
    (InvalidURLError, "The address of the request is not valid."),
)
_HEAD_END = b"\r\n\r\n"  # ends a head, and also a chunked body
_OTHER_REASON = "The request is not valid HTTP."

_log = logging.getLogger("gateway.access")


def new_request_id() -> str:
    """Return a new id for a request whose caller sent none."""
    return f"req_{random_hex(16)}"


class JsonServer(web.Server):
    """A server of the same application that answers errors of HTTP itself in JSON.

    Args:
        server: the server that aiohttp made.
        on_answer: called with the status of each answer that bypasses the application.
    """

    def __init__(self, server: web.Server, on_answer: Callable[[int], None]) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001 - there is no other way to hand them on
            **server._kwargs,  # noqa: SLF001 - likewise
        )
        self.on_answer = on_answer

    @override
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """The connection of a caller."""

    __slots__ = (
        *("_has_begun", "_linger_seconds", "_newest", "_head_timer"),
        *("_half_closed", "_server", "_tail"),
    )

    def __init__(self, server: JsonServer, **settings: object) -> None:
        super().__init__(server, **settings)  # type: ignore[arg-type]  # as the base server does
        self._server = server
        self._linger_seconds = self._lingering_time
        self._head_timer: asyncio.TimerHandle | None = None
        self._half_closed: HalfClosed | None = None
        self._newest: tuple[RawRequestMessage, StreamReader] | None = None  # the latest request
        self._has_begun = False  # the head of another request, after that one
        self._tail = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_timer = self._loop.call_later(HEAD_SECONDS, self._give_up)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        if self._half_closed is not None:
            self._half_closed.end()
        super().connection_lost(exc)

    @override
    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's always closes
        """Let a caller that has closed its sending side still receive its answers."""
        is_asking = bool(self._request_in_progress or self._messages)
        if self._newest is None or not is_asking or not self._newest[1].is_eof():
            return False
        message = self._newest[0]
        if message.version < HttpVersion11 or self.transport is None:
            return False  # whether it is still there cannot be checked
        if self._half_closed is None:
            self._half_closed = HalfClosed(self.transport, self._question)
        return True

    def _question(self) -> bytes | None:
        request = self._current_request
        if request is None:
            return None
        return question_for(request.writer, request.version, request.get(ANSWER_TYPE, ""))

    @override
    def data_received(self, data: bytes) -> None:
        number = self._request_count
        was_whole = self._newest is not None and self._newest[1].is_eof()
        super().data_received(data)
        is_new = self._request_count > number and bool(self._messages)
        is_between = was_whole and not is_new
        if is_new:
            message, payload = self._messages[-1]
            # An unreadable head arrives as a message of another kind, and ends the connection.
            self._newest = (message, payload) if isinstance(message, RawRequestMessage) else None
        end = data[-len(_HEAD_END) :]
        self._tail = (self._tail + end)[-len(_HEAD_END) :]
        self._has_begun = self._begins(data, is_between=is_between)
        if self._messages or self._request_in_progress:
            self._stop_head_timer()
        elif self._head_timer is None and self.transport is not None:
            self._head_timer = self._loop.call_later(HEAD_SECONDS, self._give_up)

    def _begins(self, data: bytes, *, is_between: bool) -> bool:
        """Tell whether the latest request is complete and bytes of another one have followed."""
        if self._newest is None or not self._newest[1].is_eof():
            return False
        message, payload = self._newest
        if is_between:
            return self._has_begun or bool(data.strip(b"\r\n"))
        if message.chunked or isinstance(payload, EmptyStreamReader):
            return self._tail != _HEAD_END
        # The last piece of a body is still in its buffer, since no task has run since.
        pieces = payload._buffer  # noqa: SLF001 - it does not tell otherwise
        return bool(pieces) and not message.compression and not data.endswith(pieces[-1])

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        """Close a connection whose request began but did not arrive in full."""
        self._server.on_answer(HTTPStatus.REQUEST_TIMEOUT)
        _log.info("no request of the application: its head did not arrive in time")
        self.force_close()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to bytes that are no request, or to a fault outside of the application."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("a fault outside of the application", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("An answer is on its way; there cannot be another one.")
        reason = next((text for kind, text in _REASONS if isinstance(exc, kind)), _OTHER_REASON)
        return self._answer(status, reason)

    @override
    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):  # raised by aiohttp itself, such as for `Expect`
            resp = self._answer(resp.status, f"{resp.reason}.")
        if request.method == hdrs.METH_CONNECT:
            resp.force_close()  # what follows was meant for a tunnel; it is no request
        # aiohttp reads and drops the rest of a refused body; of a compressed one, that may be
        # gigabytes.
        is_left = hdrs.CONTENT_ENCODING in request.headers and not request.content.is_eof()
        self._lingering_time = 0.0 if is_left else self._linger_seconds
        if is_left or (self._half_closed is not None and not self._messages):
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if self._has_begun and not self._messages and self._head_timer is None:
            self._head_timer = self._loop.call_later(HEAD_SECONDS, self._give_up)
        return finished

    def _answer(self, status: int, reason: str) -> web.Response:
        is_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        error = ServiceError("This server met an unexpected fault.") if is_fault else None
        request_id = new_request_id()
        self._server.on_answer(status)
        extra = {"request_id": request_id, "status": status}
        _log.info("no request of the application: %s", reason, extra=extra)
        response = web.Response(
            status=status,
            body=to_json(error_of((error or RequestError(reason)).failure())),
            content_type="application/json",
            headers={REQUEST_ID: request_id},
        )
        response.force_close()
        return response
