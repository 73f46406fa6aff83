"""Downloads and uploads of file bodies, by links that the upstream gives (protocol 6.1, 6.2).

These links are trusted as the operator trusts the upstream: any address is allowed, with limits on
size and time. The bearer is sent to the upstream's own origin only, also through redirects.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import aiohttp
import yarl
from msgspec import Struct

from service.vocabulary.credentials import Caller
from service.vocabulary.errors import UpstreamError, UpstreamProtocolError
from upstream.http.backend import Backend, is_good, may_repeat, pause
from upstream.http.links import Links
from upstream.http.routing import Route

MAX_REDIRECTS = 5
MAX_DOWNLOAD_BYTES = 512 * 1024 * 1024  # the largest file that the web client can make or take
_TOTAL_SECONDS, _SILENT_SECONDS = 600.0, 60.0  # for one body
# Azure's blob service requires the first; the web client sends `x-ms-version`.
_BLOB_HEADERS = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2020-04-08"}


class _Hop(Struct, frozen=True):
    """One address on the way to a file."""

    link: str
    referrer: yarl.URL | None
    may_send_bearer: bool


class Transfers:
    """Downloads and uploads file bodies.

    Args:
        backend: whose session, routes and errors are used.
        host_rewrite: the setting `files.host_rewrite`.
    """

    def __init__(self, backend: Backend, host_rewrite: Mapping[str, str] | None = None) -> None:
        self._backend = backend
        self._timeout = aiohttp.ClientTimeout(
            total=_TOTAL_SECONDS,
            sock_connect=backend.connect_seconds,
            sock_read=_SILENT_SECONDS,
        )
        self._links = Links.of(backend.routes.base_url, host_rewrite)

    def address(self, link: str) -> str:
        """Return a link as an absolute URL for callers, without rewriting its host.

        Raises:
            UpstreamProtocolError: no usable link.
        """
        if link.startswith(("http://", "https://")):
            return link
        return str(self._links.locate(link, self._backend.routes.pick().root).url)

    @asynccontextmanager
    async def download(
        self, caller: Caller, link: str
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Open a file by its link; read its body inside the context, by `chunks_within`.

        Raises:
            UpstreamRefusedError: an error status.
            UpstreamProtocolError: no usable link, or too many redirects.
            UpstreamTimeoutError: too slow, here or while the body is read.
            UpstreamUnreachableError: no connection, or it broke.
        """
        response = await self._open(caller, link)
        try:
            async with self._backend.connecting():
                yield response
        finally:
            response.close()

    async def put(self, link: str, source: bytes | Path, media_type: str) -> None:
        """Send a file body to an address that the upstream gave, without `Authorization`.

        Raises:
            UpstreamRefusedError: an error status.
            UpstreamProtocolError: no usable address.
            UpstreamTimeoutError: too slow.
            UpstreamUnreachableError: no connection, or it broke.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await self._put_once(link, source, media_type)
            except UpstreamError as error:
                if tries > self._backend.retries or not may_repeat(error, is_safe=True):
                    raise
            await pause(tries)

    async def _put_once(self, link: str, source: bytes | Path, media_type: str) -> None:
        target = self._links.locate(link, self._backend.routes.pick().root)
        headers = self._backend.bare_headers(is_own=target.is_own)
        headers |= {"Content-Type": media_type, **_BLOB_HEADERS}
        body: BinaryIO = (
            io.BytesIO(source)
            if isinstance(source, bytes)
            else await asyncio.to_thread(source.open, "rb")
        )
        with body:
            async with (
                self._backend.connecting(),
                self._backend.session.put(
                    target.url,
                    data=body,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                ) as response,
            ):
                if is_good(response.status):
                    return
                raise await self._backend.refusal_of(response)

    async def _open(self, caller: Caller, link: str) -> aiohttp.ClientResponse:
        tried: list[Route] = []
        while True:
            route = self._backend.routes.pick(tried)
            tried.append(route)
            try:
                return await self._follow(caller, link, route)
            except UpstreamError as error:
                if len(tried) > self._backend.retries or not may_repeat(error, is_safe=True):
                    raise
            await pause(len(tried))

    async def _follow(self, caller: Caller, link: str, route: Route) -> aiohttp.ClientResponse:
        hop = _Hop(link, None, may_send_bearer=True)
        for _ in range(MAX_REDIRECTS + 1):
            response, is_own = await self._get(caller, hop, route)
            location = _location(response)
            if location is None:
                return response
            response.close()
            hop = _Hop(location, response.url, hop.may_send_bearer and is_own)
        raise UpstreamProtocolError("A download link of the upstream redirects without an end.")

    async def _get(
        self, caller: Caller, hop: _Hop, route: Route
    ) -> tuple[aiohttp.ClientResponse, bool]:
        backend = self._backend
        target = self._links.locate(hop.link, route.root, hop.referrer)
        if hop.may_send_bearer and target.is_own:
            headers = backend.headers_for(caller, accept="*/*")
        else:
            headers = backend.bare_headers(is_own=target.is_own)
        async with backend.connecting(route if target.is_own else None):
            response = await backend.session.get(
                target.url, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        if is_good(response.status) or _location(response):
            return response, target.is_own
        error = await backend.refusal_of(response, caller)
        if target.is_own:
            backend.note(route, error)
        raise error


def _location(response: aiohttp.ClientResponse) -> str | None:
    is_redirect = response.status in (301, 302, 303, 307, 308)
    return response.headers.get("Location") if is_redirect else None
