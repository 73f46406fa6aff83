"""Answers with the bytes of a stored file, wherever they are: ranges, tags and conditions.

From this machine's disk they are aiohttp's own `FileResponse`; from a store beyond it they are
streamed under the same rules, so that callers cannot tell one from the other.
"""

import logging
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path

from aiohttp import ETag, hdrs, web

from service.vocabulary.byte_source import Content, RemoteContent
from service.vocabulary.errors import NotFoundError, StorageError

_log = logging.getLogger("gateway.contents")
_ANY = "*"
_CHUNK_BYTES = 64 * 1024  # of which some are held for a caller that does not read on


async def content_response(
    request: web.Request, content: Content, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer the bytes, or the range of them that is asked for.

    Raises:
        NotFoundError: they are gone.
        StorageError: the store is out of order.
    """
    if isinstance(content, Path):
        return web.FileResponse(content, chunk_size=_CHUNK_BYTES, headers=headers)
    response = web.StreamResponse(headers=headers)
    span = _judge(request, response, content)
    if span and request.method == hdrs.METH_GET:
        await _send(request, response, content, span)
    return response


def nothing_there(request: web.Request) -> NotFoundError:
    """Return the error of a file that is not there, or never was, or is not the caller's."""
    return NotFoundError(f"There is nothing at {request.rel_url.raw_path[:200]}.")


def _judge(request: web.Request, response: web.StreamResponse, content: RemoteContent) -> range:
    """Fill the head in; return which bytes go with it."""
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
    span = _asked(request, size, made_at)
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
    """Return the status of a request whose condition does not hold, in the order of RFC 9110."""
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


def _asked(request: web.Request, size: int, made_at: int) -> range | None:
    """Return the range that is asked for, empty if there is no such one; None without one."""
    date = request.if_range
    if date is not None and made_at > date.timestamp():
        return None
    try:
        wanted = request.http_range
    except ValueError:
        return range(0)
    return None if wanted.start is None else range(size)[wanted]


async def _send(
    request: web.Request, response: web.StreamResponse, content: RemoteContent, span: range
) -> None:
    async with aclosing(content.read(span.start, span.stop)) as chunks:
        try:
            first = await anext(chunks, b"")  # ahead of the head: an error still has its status
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
                request.transport.abort()  # what arrived shall not look whole
        except ConnectionResetError:
            pass  # the caller left
