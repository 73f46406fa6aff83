"""Serves the bytes of stored files, with ranges, entity tags and conditions (RFC 9110).

Bytes are streamed from this machine's disk or from a remote store, and callers cannot tell the
difference. One range is served; a request for several ranges, or a malformed one, gets the whole
file.
"""

import asyncio
import logging
import os
import re
import stat
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path

from aiohttp import ETag, hdrs, web
from msgspec import Struct

from service.vocabulary.byte_source import Content, RemoteContent
from service.vocabulary.errors import NotFoundError, StorageError

_log = logging.getLogger("gateway.contents")
_ANY = "*"
_CHUNK_BYTES = 64 * 1024  # a few of these are buffered for a slow caller
_RANGE = re.compile(
    r"\s*bytes\s*=\s*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))\s*", re.IGNORECASE
)


class DiskContent(Struct, frozen=True):
    """A stored file on this machine's disk (see `RemoteContent`); its bytes never change."""

    path: Path
    size_bytes: int
    made_at: float

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` up to, but not including, `end`.

        Raises:
            FileNotFoundError: the file is gone.
            StorageError: it cannot be read.
        """
        try:
            # Opened and closed here, not in a thread: a cancellation there would leave it open.
            with self.path.open("rb", buffering=0) as file:
                while start < end:
                    size = min(_CHUNK_BYTES, end - start)
                    chunk = await asyncio.to_thread(os.pread, file.fileno(), size, start)
                    if not chunk:
                        raise StorageError("The stored file is shorter than it was.")
                    start += len(chunk)
                    yield chunk
        except FileNotFoundError:
            raise
        except OSError as error:
            message = f"The stored file cannot be read: {error.strerror}."
            raise StorageError(message) from error


async def content_response(
    request: web.Request, content: Content, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with the bytes, or with the range of them that the request asks for.

    Raises:
        NotFoundError: they are gone.
        StorageError: the store is out of order.
    """
    if isinstance(content, Path):
        found = await asyncio.to_thread(_on_disk, content)
        if found is None:
            raise nothing_there(request)
        content = found
    response = web.StreamResponse(headers=headers)
    span = _judge(request, response, content)
    if span and request.method == hdrs.METH_GET:
        await _send(request, response, content, span)
    return response


def _on_disk(path: Path) -> DiskContent | None:
    """Return the file, or None if there is none; blocks."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return DiskContent(path, status.st_size, status.st_mtime)


def nothing_there(request: web.Request) -> NotFoundError:
    """Return the error for a file that is missing, or that belongs to another caller."""
    return NotFoundError(f"There is nothing at {request.rel_url.raw_path[:200]}.")


def _judge(request: web.Request, response: web.StreamResponse, content: RemoteContent) -> range:
    """Set status and headers; return the range of bytes to send."""
    made_at, size = int(content.made_at), content.size_bytes  # HTTP's dates are whole seconds
    etag = f"{made_at:x}-{size:x}"
    status = _by_condition(request, etag, made_at)
    if status is HTTPStatus.PRECONDITION_FAILED:
        response.set_status(status)
        response.content_length = 0
        return range(0)
    response.etag, response.last_modified = etag, made_at
    if status is not None:
        response.set_status(status)
        return range(0)
    response.headers[hdrs.ACCEPT_RANGES] = "bytes"
    span = _asked(request, size, etag, made_at)
    if span is None:
        span = range(size)
    elif span:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {span.start}-{span.stop - 1}/{size}"
    else:
        response.set_status(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
    response.content_length = len(span)
    return span


def _by_condition(request: web.Request, etag: str, made_at: int) -> HTTPStatus | None:
    """Return the status if a condition of the request fails, in the order of RFC 9110, else None."""
    if (wanted := request.if_match) is not None:
        if not _is_among(etag, (one for one in wanted if not one.is_weak)):
            return HTTPStatus.PRECONDITION_FAILED
    elif (since := request.if_unmodified_since) is not None and made_at > since.timestamp():
        return HTTPStatus.PRECONDITION_FAILED
    if (known := request.if_none_match) is not None:
        return HTTPStatus.NOT_MODIFIED if _is_among(etag, known) else None
    if (since := request.if_modified_since) is not None and made_at <= since.timestamp():
        return HTTPStatus.NOT_MODIFIED
    return None


def _is_among(etag: str, tags: Iterable[ETag]) -> bool:
    return any(tag.value in (etag, _ANY) for tag in tags)


def _asked(request: web.Request, size: int, etag: str, made_at: int) -> range | None:
    """Return the range asked for, empty if it is outside the file; None for the whole file."""
    found = _RANGE.fullmatch(request.headers.get(hdrs.RANGE, ""))
    if found is None or not _is_same(request, etag, made_at):
        return None
    first, last, length = found.groups()
    if length is not None:  # `bytes=-7`: the last seven
        return range(max(0, size - int(length)), size)
    end = int(last) + 1 if last else size
    if end <= int(first) and last:
        return None
    return range(min(int(first), size), min(end, size))


def _is_same(request: web.Request, etag: str, made_at: int) -> bool:
    """Tell whether the caller's part, named by `If-Range`, is of this very file."""
    known = request.headers.get(hdrs.IF_RANGE, "").strip()
    if not known:
        return True
    if (date := request.if_range) is not None:
        return int(date.timestamp()) == made_at
    return known == f'"{etag}"'  # not a weak tag, by which parts must not be joined


async def _send(
    request: web.Request, response: web.StreamResponse, content: RemoteContent, span: range
) -> None:
    async with aclosing(content.read(span.start, span.stop)) as chunks:
        try:
            first = await anext(chunks, b"")  # before the head: an error still has its status
        except FileNotFoundError:
            raise nothing_there(request) from None
        await response.prepare(request)
        try:
            await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
        except (StorageError, FileNotFoundError) as error:
            _log.warning("a stored file broke off while it was sent: %s", error)
            if request.transport is not None:
                request.transport.abort()  # so that the part that arrived does not look complete
        except ConnectionResetError:
            pass  # the caller left
