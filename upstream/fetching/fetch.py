"""Files that a caller names by URL, sends as a data URL or has left here: the guard of spec 8.

Every host is resolved once, all its addresses are judged, and the connection is made to a judged
address: its number takes the place of the name in the URL, so the name is not looked up a second
time. Redirects are followed by hand in the same way. No credentials are sent.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import aiofiles
import aiohttp
import aiohttp_socks
import yarl
from msgspec import Struct

from service.files.disk import on_disk, write_body
from service.settings.config import FetchConfig, UpstreamConfig
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import FilePart, LocalFile, RemoteFile
from upstream.fetching.data_urls import DataUrlError, decode
from upstream.fetching.file_names import disposition_name, safe_name
from upstream.fetching.host_names import HostNames, UnansweredError, UnresolvedError
from upstream.fetching.media_types import media_type
from upstream.http.addresses import Address, is_public
from upstream.http.backend import USER_AGENT, is_good
from upstream.http.session import make_session, tls_context

MAX_REDIRECTS = 5
# Tells a client that the same request may work without the file.
_CODE = "invalid_attachment"
_NO_ADDRESS = "has an address that does not start with http:// or https://"
_MAX_ADDRESSES = 4  # of one host, tried in turn
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "*/*"}
_BROKEN = (
    aiohttp.ClientError,
    OSError,
    aiohttp_socks.ProxyError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyTimeoutError,
)


class FetchedFile(Struct, frozen=True):
    """A file of the caller: its content, or its path, which is valid until the context ends."""

    source: bytes | Path
    size_bytes: int
    sha256: str
    media_type: str
    name: str


class UnusableFileError(Exception):
    """A file cannot be fetched or used; the message continues "The file in <path>"."""


class _Received(Struct, frozen=True):
    """A body that was received: type and name from its headers, size and hash from its bytes."""

    claimed_type: str | None
    name: str
    size_bytes: int
    sha256: str


def part_error(part: FilePart, problem: str) -> RequestError:
    """Return the error for a part of the request whose file has a problem."""
    message = f"The file in {part.path} {problem} ({_CODE})."
    return RequestError(message, code=_CODE, param=part.path)


class Fetcher:
    """Fetches the files that callers name.

    Args:
        config: the limits.
        upstream: whose proxy is used.
        names: looks up hosts.
        directory: where bodies are kept until the context ends.
    """

    def __init__(
        self,
        config: FetchConfig,
        upstream: UpstreamConfig,
        names: HostNames,
        directory: Path | None = None,
    ) -> None:
        self._config = config
        self._upstream = upstream
        self._names = names
        self._directory = directory or Path(tempfile.gettempdir())

    @asynccontextmanager
    async def open(self, part: FilePart) -> AsyncGenerator[FetchedFile, None]:
        """Hold the file of a part for as long as the context lasts.

        Raises:
            RequestError: the file cannot be used; says which part and what to change.
            StorageError: the disk is full or cannot be written.
        """
        path: Path | None = None
        try:
            if part.url:
                path = await asyncio.to_thread(self._make_file)
                fetched = await self._fetched(part, path)
            elif part.remote is not None:
                path = await asyncio.to_thread(self._make_file)
                fetched = await _copied(part.remote, part.filename, path)
            elif part.local is not None:
                fetched = await asyncio.to_thread(_described, part.local, part.filename)
            else:
                fetched = await asyncio.to_thread(self._decoded, part)
            yield _with_content(fetched)
        except FileNotFoundError as error:  # a left file, deleted by its owner
            raise part_error(part, "was deleted while it was used") from error
        except UnusableFileError as error:
            raise part_error(part, str(error)) from error
        finally:
            if path is not None:
                await asyncio.to_thread(path.unlink, missing_ok=True)

    def _make_file(self) -> Path:
        with on_disk():
            handle, name = tempfile.mkstemp(prefix="fetch-", dir=self._directory)
            os.close(handle)
        return Path(name)

    def _decoded(self, part: FilePart) -> FetchedFile:
        if part.file_id:
            raise UnusableFileError("has an id that is unknown here; upload it to /v1/files first")
        try:
            data = decode(part.data_url, self._config.max_bytes)
        except DataUrlError as error:
            raise UnusableFileError(str(error)) from None
        kind = media_type(data.content, data.media_type, part.filename)
        return FetchedFile(
            data.content,
            len(data.content),
            hashlib.sha256(data.content).hexdigest(),
            kind,
            safe_name(part.filename, kind),
        )

    async def _fetched(self, part: FilePart, path: Path) -> FetchedFile:
        seconds = self._config.seconds
        try:
            async with asyncio.timeout(seconds), make_session(self._upstream) as session:
                received = await self._received(session, part.url, path)
        except TimeoutError as error:
            problem = f"could not be read within {seconds:g} seconds; send it as a data URL"
            raise UnusableFileError(problem) from error
        except _BROKEN as error:
            raise UnusableFileError(
                "could not be read from its address; check the address"
            ) from error
        name = part.filename or received.name
        kind = await asyncio.to_thread(media_type, path, received.claimed_type, name)
        return FetchedFile(path, received.size_bytes, received.sha256, kind, safe_name(name, kind))

    async def _received(self, session: aiohttp.ClientSession, link: str, path: Path) -> _Received:
        url = _parsed(link)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(session, url)
            async with response:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    url = _parsed(location, url)
                    continue
                if not is_good(response.status):
                    raise UnusableFileError(
                        f"could not be read: its server answered {_status_words(response.status)}"
                    )
                return await self._stored(response, url, path)
        raise UnusableFileError("has an address that redirects too often")

    async def _stored(
        self, response: aiohttp.ClientResponse, url: yarl.URL, path: Path
    ) -> _Received:
        limit, size, digest = self._config.max_bytes, 0, hashlib.sha256()
        with on_disk():
            file = await aiofiles.open(path, "wb")
        try:
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise UnusableFileError(
                        f"is over the limit of {limit} bytes; send a smaller file"
                    )
                digest.update(chunk)
                with on_disk():
                    await file.write(chunk)
            with on_disk():
                await file.close()  # writes the rest of the buffer
        finally:
            with suppress(OSError):
                await file.close()
        name = disposition_name(response.headers.get("Content-Disposition")) or url.name
        return _Received(response.headers.get("Content-Type"), name, size, digest.hexdigest())

    async def _get(self, session: aiohttp.ClientSession, url: yarl.URL) -> aiohttp.ClientResponse:
        """Return the response of the first judged address that answers, its body unread."""
        problem: Exception | None = None
        host = url.raw_host or ""
        for address in await self._judged(url):
            try:
                return await session.get(
                    url.with_host(str(address)),
                    headers=_HEADERS | {"Host": url.raw_authority},
                    server_hostname=host.rstrip(".") if url.scheme == "https" else None,
                    ssl=await tls_context(self._upstream, host),
                    allow_redirects=False,
                )
            except (*_BROKEN, TimeoutError) as error:
                problem = error
        raise UnusableFileError(
            "could not be read from its address; check the address"
        ) from problem

    async def _judged(self, url: yarl.URL) -> list[Address]:
        host, port = (url.raw_host or "").lower().rstrip("."), url.port or 0
        allowed = self._config.allow_hosts
        if allowed and host not in allowed and f"{host}:{port}" not in allowed:
            raise UnusableFileError("is on a host that this gateway does not fetch from")
        try:
            addresses = await self._names.addresses(url.raw_host or "", port)
        except UnansweredError:
            problem = "is on a host that no name server knows of in time; send it as a data URL"
            raise UnusableFileError(problem) from None
        except UnresolvedError:
            raise UnusableFileError("is on a host whose name leads nowhere; check it") from None
        if not self._config.allow_private and not all(map(is_public, addresses)):
            raise UnusableFileError(
                "is not on a public host; send its content as a data URL in place of the address"
            )
        return addresses[:_MAX_ADDRESSES]


async def _copied(file: RemoteFile, filename: str, path: Path) -> FetchedFile:
    """Copy a file that was left here from the bucket to the disk, for this request."""
    upload = file.upload
    async with aclosing(file.content.read(0, upload.size_bytes)) as chunks:
        await write_body(path, chunks)
    local = LocalFile(path, upload.name, upload.media_type, upload.size_bytes, upload.sha256)
    return await asyncio.to_thread(_described, local, filename)


def _described(file: LocalFile, filename: str) -> FetchedFile:
    kind = media_type(file.path, file.media_type, file.name)
    name = safe_name(filename or file.name, kind)
    return FetchedFile(file.path, file.size_bytes, file.sha256, kind, name)


def _with_content(fetched: FetchedFile) -> FetchedFile:
    if not fetched.size_bytes:
        raise UnusableFileError("is empty")
    return fetched


def _parsed(link: str, base: yarl.URL | None = None) -> yarl.URL:
    try:
        url = yarl.URL(link.strip())
        url = base.join(url) if base is not None else url
        is_web = url.scheme in ("http", "https") and bool(url.raw_host) and bool(url.port)
    except ValueError as error:
        raise UnusableFileError(_NO_ADDRESS) from error
    if not is_web:
        raise UnusableFileError(_NO_ADDRESS)
    if url.raw_user is not None or url.raw_password is not None:
        raise UnusableFileError("has an address with a user name in it; leave that out")
    return url.with_fragment(None)


def _status_words(status: int) -> str:
    """Return a status in words, since clients take a bare number for this gateway's own status."""
    return {
        401: "that one has to sign in",
        403: "that it is not open to everyone",
        404: "that it is not there",
        429: "that it is asked too often",
    }.get(status, f"with status {status}")
