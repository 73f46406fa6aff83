r"""Sends turns over aiohttp's connections, past its session, request and response.

aiohttp's connector makes the connections: names, TLS, limits of time, the pool and its end are its
own, as for every other call. What its session does for each request costs more than all else of
sending a short turn. So the request is written here in one piece, and a `Tap` reads the answer:

    post ──▶ connector.connect ──▶ transport.write(head + JSON)
    transport ──▶ DirectAnswer ── head: httptools ── body: ChunkedBody ──▶ on_bytes
                       └─ any other answer ─▶ aiohttp's protocol ──▶ content
    end of the body ──▶ the connector's pool

*What is read here* is what a `Tap` reads: status 200 in HTTP/1.1, chunked, without a content coding,
and no web page. Whatever else begins an answer, a head that httptools refuses among them, goes from
its first byte to aiohttp's protocol, which judges and reads it as ever. A head that differs from the
last one of its address in no more than the date is known, and not parsed.

*A kept connection* may have been closed by the other end while the turn was on its way. If it breaks
within `STALE_SECONDS` and before the first byte of an answer, the turn is sent once more, at once.

What is written:

    POST /backend-api/conversation HTTP/1.1\r\nHost: …\r\nAccept: …\r\nContent-Length: 2\r\n\r\n{}
"""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from weakref import WeakSet

import aiohttp
import httptools
import yarl
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping
from typing_extensions import override

from upstream.line.chunked import ChunkedBody
from upstream.line.tap import LONG_READ_BYTES, NOTHING, Tap, head_in

STALE_SECONDS = 2.0  # longer than the way to the upstream and back
MAX_HEAD_BYTES = 8190  # a longer head is left to aiohttp, whose limit for one line this is
OWN_HEADERS = frozenset(
    {"connection", "content-encoding", "content-length", "expect", "host", "transfer-encoding"}
)
"""Lower-case names of headers that say how a request is written: one with any is left to aiohttp."""
_OK = int(HTTPStatus.OK)  # a member is looked up by Python code
_DATE = re.compile(rb"\r\nDate: [\w ,:]{20,40}(?=\r\n)")
_NO_FIELDS = CIMultiDictProxy(CIMultiDict[str]())
_MAX_TARGETS = 64  # more than routes and paths together
_READ_AHEAD_BYTES = 256 * 1024  # of a body that aiohttp reads; its own default


_Plain = tuple[CIMultiDict[str], bool]
"""The fields of a head, and whether its connection can be kept."""


class _Target:
    """Where turns are sent: the request that names the connection, and the head's start."""

    def __init__(self, url: yarl.URL) -> None:
        self.request = aiohttp.ClientRequest("POST", url)
        path, host = self.request.url.raw_path_qs, self.request.headers["Host"]
        self.lines = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
        self._known = b""  # the last plain head, without its date
        self._plain: _Plain | None = None

    def plain(self, head: bytes) -> _Plain | None:
        """Return the parts of a head whose body is read here, None for another.

        A head like the last one, but for the date, is not parsed again.
        """
        undated = _DATE.sub(b"", head, count=1)
        if undated != self._known:
            plain = _plain_head(head)
            if plain is None:
                return None
            self._known, self._plain = undated, plain
        return self._plain


class _Head:
    """The head of an answer, as httptools reads it."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; httptools calls it."""
        self.fields.append((name, value))


class DirectAnswer(Tap):
    """An answer whose request was written past aiohttp.

    `status` and `headers` are known when `begun` returns. `content` has a body only if it does not
    come through here; `connection` is None when the body has ended or the answer is closed.
    """

    def __init__(
        self,
        connection: Connection,
        target: _Target,
        view: memoryview,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        transport, protocol = connection.transport, connection.protocol
        if transport is None or protocol is None:
            raise aiohttp.ServerDisconnectedError
        self.connection: Connection | None = connection
        self.status = 0
        self.headers: MultiMapping[str] = _NO_FIELDS
        self.content: aiohttp.StreamReader = EMPTY_PAYLOAD
        self.is_silent = True  # until the first byte
        self._handler = protocol
        self._target = target
        self._is_reusable = False
        self._head_came: asyncio.Future[None] = loop.create_future()
        super().__init__(transport, protocol, view)

    def write(self, head: bytes, data: bytes) -> None:
        """Write the request."""
        self._transport.writelines((head, data))

    async def begun(self) -> None:
        """Wait for the head of the answer.

        Raises:
            aiohttp.ClientError: the connection was lost, or no head came.
        """
        try:
            await self._head_came
            if not self.is_tapping:
                await self._read_head()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, unless it was given back."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._head_came.done():
            is_of_system = isinstance(exc, OSError)
            lost = aiohttp.ClientOSError if is_of_system else aiohttp.ServerDisconnectedError
            self._head_came.set_exception(lost(*(exc.args if exc else ())))

    @override
    def _take_head(self, data: bytes) -> memoryview:
        self.is_silent = False
        data = self._head + data
        self._head = b""
        start, size = head_in(data)
        data = data[start:]
        if not size and len(data) <= MAX_HEAD_BYTES:
            self._head = data
            return NOTHING
        if not self._head_came.done():
            self._head_came.set_result(None)
        head = self._target.plain(data[:size]) if 0 < size <= MAX_HEAD_BYTES else None
        if head is None:
            self._hand_over(data)
            return NOTHING
        self.status = _OK
        self.headers, self._is_reusable = head
        self._body = ChunkedBody()
        return memoryview(data)[size:]

    def _hand_over(self, data: bytes) -> None:
        """Let aiohttp read the answer, from its first byte on."""
        self._handler.set_response_params(read_until_eof=True, read_bufsize=_READ_AHEAD_BYTES)
        self._leave()
        self._handler.data_received(data)

    @override
    def _complete(self, rest: bytes) -> None:
        self._give_back(is_reusable=self._is_reusable and not rest)

    async def _read_head(self) -> None:
        """Take the head, and the body to come, from aiohttp."""
        # What aiohttp's parser in C gives as a head is no tuple, as it is declared to be; compiled
        # code would look.
        handler: Any = self._handler
        try:
            message, content = await handler.read()
            while _is_informational(message.code):
                message, content = await handler.read()
        except HttpProcessingError as error:
            raise aiohttp.ClientConnectionError("The answer is no HTTP.") from error
        self.status, self.headers, self.content = message.code, message.headers, content
        content.on_eof(lambda: self._give_back(is_reusable=True))

    def _give_back(self, *, is_reusable: bool) -> None:
        connection, self.connection = self.connection, None
        if connection is None:
            return
        transport = self._transport
        if not transport.is_closing() and transport.get_write_buffer_size():
            transport.abort()  # the rest of a request that has its answer
        if is_reusable and not transport.is_closing():
            connection.release()  # which looks whether aiohttp's protocol has objections
        else:
            connection.close()


class DirectPoster:
    """Posts turns over the connections of a session that has no proxy.

    Args:
        session: whose connector and limits of time are used.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        if session.connector is None:
            raise RuntimeError("The session is closed.")
        self._connector = session.connector
        self._loop = asyncio.get_running_loop()
        self._timeout = session.timeout
        self._view = memoryview(bytearray(LONG_READ_BYTES))
        self._targets: dict[str | yarl.URL, _Target] = {}
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def post(
        self, url: str | yarl.URL, data: bytes, headers: Mapping[str, str]
    ) -> DirectAnswer:
        """Post a body, and return the answer when its head has come.

        Raises:
            aiohttp.ClientError: no connection, or it was lost.
            ValueError: a header has a line end in it.
        """
        target = self._target(url)
        head = _request_head(target.lines, headers, len(data))
        sent_at = self._loop.time()
        answer, is_kept = await self._send(target, head, data)
        try:
            await answer.begun()
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            is_stale = is_kept and answer.is_silent and self._loop.time() - sent_at < STALE_SECONDS
            if not is_stale:
                raise
        else:
            return answer
        answer, _ = await self._send(target, head, data)
        await answer.begun()
        return answer

    async def _send(self, target: _Target, head: bytes, data: bytes) -> tuple[DirectAnswer, bool]:
        """Write a request, and return its answer to come and whether its connection is a kept one."""
        connection, is_kept = await self._connect(target)
        try:
            answer = DirectAnswer(connection, target, self._view, self._loop)
            answer.write(head, data)
        except BaseException:
            connection.close()
            raise
        return answer, is_kept

    async def _connect(self, target: _Target) -> tuple[Connection, bool]:
        """Return a connection, and whether a turn has been sent over it before."""
        while True:
            try:
                connection = await self._connector.connect(target.request, [], self._timeout)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError("Connecting took too long.") from error
            protocol = connection.protocol
            is_kept = protocol in self._used
            if protocol is not None and not protocol.should_close:
                if not is_kept:
                    self._used.add(protocol)
                return connection, is_kept
            connection.close()  # something came that no request had asked for
            if not is_kept:
                raise aiohttp.ServerDisconnectedError

    def _target(self, url: str | yarl.URL) -> _Target:
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) >= _MAX_TARGETS:
                self._targets.clear()
            target = self._targets[url] = _Target(yarl.URL(url))
        return target


def _request_head(lines: str, headers: Mapping[str, str], size: int) -> bytes:
    """Return the head of a request.

    Raises:
        ValueError: a header has a line end in it.
    """
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if fields.count("\r") != len(headers) or fields.count("\n") != len(headers) or "\0" in fields:
        raise ValueError("A header has a line end in it.")
    return f"{lines}{fields}Content-Length: {size}\r\n\r\n".encode()


def _plain_head(raw: bytes) -> _Plain | None:
    """Return the parts of a head whose body is read here, None for another."""
    head = _Head()
    parser = httptools.HttpResponseParser(head)
    try:
        parser.feed_data(raw)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if parser.get_status_code() != _OK or parser.get_http_version() != "1.1":
        return None
    fields = CIMultiDict(
        [
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in head.fields
        ]
    )
    return (fields, parser.should_keep_alive()) if _is_plain(fields) else None


def _is_plain(fields: CIMultiDict[str]) -> bool:
    """Tell whether a body is chunked and nothing else, and no web page."""
    codings = [coding.lower() for coding in fields.getall("Transfer-Encoding", [])]
    is_page = "html" in fields.get("Content-Type", "").lower()
    return codings == ["chunked"] and "Content-Encoding" not in fields and not is_page


def _is_informational(status: int) -> bool:
    """Tell whether another head follows one of this status."""
    is_switch = status == HTTPStatus.SWITCHING_PROTOCOLS
    return HTTPStatus.CONTINUE <= status < HTTPStatus.OK and not is_switch
