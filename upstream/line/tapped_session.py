"""A session of aiohttp whose answers have taps, by the `request_class` that aiohttp documents."""

from typing import Protocol

import aiohttp
from aiohttp.connector import Connection
from multidict import MultiMapping
from typing_extensions import override

from upstream.line.tap import LONG_READ_BYTES, Tap


class UpstreamAnswer(Protocol):
    """An answer whose head has come; `aiohttp.ClientResponse` is one."""

    status: int
    content: aiohttp.StreamReader

    @property
    def headers(self) -> MultiMapping[str]:
        """The fields of the head."""

    @property
    def connection(self) -> Connection | None:
        """The connection, None when it was given back."""

    def close(self) -> None:
        """Close the connection, unless it was given back."""


class TappedResponse(aiohttp.ClientResponse):
    """A response whose body may come through a tap."""

    tap: Tap | None = None


def tapped_session(session: aiohttp.ClientSession, proxy: str | None) -> aiohttp.ClientSession:
    """Return a session over the same connections, whose answers have taps.

    It needs no closing of its own, since the connections are the other session's.
    """
    view = memoryview(bytearray(LONG_READ_BYTES))

    class TappedRequest(aiohttp.ClientRequest):
        """A request that puts a tap on its connection before it goes out."""

        @override
        async def send(self, conn: Connection) -> aiohttp.ClientResponse:
            transport, protocol = conn.transport, conn.protocol
            tap = None
            if transport is not None and protocol is not None:
                tap = Tap(transport, protocol, view)
            response = await super().send(conn)
            if isinstance(response, TappedResponse):
                response.tap = tap
            return response

    return aiohttp.ClientSession(
        connector=session.connector,
        connector_owner=False,
        request_class=TappedRequest,
        response_class=TappedResponse,
        proxy=proxy,
        timeout=session.timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
