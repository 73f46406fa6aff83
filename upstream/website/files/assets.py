"""Pictures and files in an answer: found, fetched, stored and linked (protocol 6.2, 6.3, 6.6).

    AssetWanted -> a route that knows it -> its link -> our copy -> AssetReady

Implements `Assets`; `ResolvedAssets` is the sink that uses it.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from itertools import groupby
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct, structs

from service.observing.tracing import child_span
from service.ports import Assets, BlobStore
from service.sink import Sink, put
from service.upstream_errors.refusals import quoted
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import ServiceError, StorageError, UpstreamRefusedError
from service.vocabulary.events import AssetKind, AssetReady, AssetWanted, Delta
from service.vocabulary.requests import ChatRequest
from service.vocabulary.text import well_formed
from upstream.fetching.file_names import safe_name
from upstream.fetching.media_types import HEAD_BYTES, media_type
from upstream.fetching.pictures import PICTURE_TYPES, web_picture
from upstream.http.backend import Backend
from upstream.http.bodies import chunks_within
from upstream.website.files.transfers import MAX_DOWNLOAD_BYTES, Transfers

MAX_PICTURE_BYTES = 64 * 1024 * 1024  # a picture is in memory while it is converted for the web
_RETRY_SECONDS = 10.0  # of pauses in all, while a route answers `retry`
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 0.25, 2.0
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # in the head of every picture, and in no text
_OTHER_TYPE = "application/octet-stream"
_log = logging.getLogger("gateway.assets")

_EXPIRED = "The sandbox that held this file has expired."
_ABSENT = "The upstream does not have this file any more."
_PROBLEMS = {
    "ace_pod_expired": _EXPIRED,
    "file_not_found": _ABSENT,
    "file_expired": _ABSENT,
    "retry": "The upstream was not ready to give this file.",
}
_NO_LINK = "The upstream gave no link to this file."
_NO_PICTURE = "The upstream gave something else in the picture's place."


class Source(Struct, frozen=True):
    """A route of the upstream that may know a file."""

    path: str
    params: dict[str, str]


class Found(Struct, frozen=True):
    """A link to a file, and the upstream's name and type of it."""

    link: str
    name: str
    media_type: str


class UnavailableError(Exception):
    """A file cannot be fetched; the message is for the caller."""


class UpstreamAssets:
    """Fetches the files of answers and keeps copies.

    Args:
        backend: for the routes that give links.
        transfers: for the bytes.
        blobs: keeps the copies.
        hands_out_links: the setting `images.upstream_links`.
        sign: returns the signed end of a link for a copy's path.
    """

    def __init__(
        self,
        backend: Backend,
        transfers: Transfers,
        blobs: BlobStore,
        *,
        hands_out_links: bool = False,
        sign: Callable[[str], str] = str,
    ) -> None:
        self._backend = backend
        self._transfers = transfers
        self._blobs = blobs
        self._hands_out_links = hands_out_links
        self._sign = sign

    async def resolve(
        self, caller: Caller, wanted: AssetWanted, public_url: str, *, needs_copy: bool = False
    ) -> AssetReady:
        """Return the asset with its link, or with `problem`; never raises ServiceError."""
        is_copied = needs_copy or not self._hands_out_links or wanted.kind is AssetKind.FILE
        problems: list[str] = []
        for source in sources_of(wanted):
            try:
                found = await self._found(caller, source)
                if not is_copied:
                    url = self._transfers.address(found.link)
                    return AssetReady(wanted, url, found.name, found.media_type)
                return await self._linked(caller, wanted, found, public_url)
            except UnavailableError as error:
                problems.append(str(error))
            except StorageError as error:
                _log.error("A %s of an answer cannot be kept: %s", wanted.kind, error)
                return AssetReady(wanted, url="", problem=error.message, fault=error.failure())
            except ServiceError as error:
                problems.append(_problem_of(error))
        # "Unknown here" from one route says less than another problem from the next.
        problem = next((said for said in problems if said != _ABSENT), _ABSENT)
        _log.warning("A %s of an answer cannot be had: %s", wanted.kind, problem)
        return AssetReady(wanted, url="", problem=problem)

    async def _found(self, caller: Caller, source: Source) -> Found:
        """Ask a route for its link, and again while it answers `retry`."""
        pause, left = _FIRST_PAUSE_SECONDS, _RETRY_SECONDS
        while True:
            answer = await self._backend.call(caller, "GET", source.path, params=source.params)
            if answer.get("status") != "retry" or left < pause:
                return _link_in(answer)
            await asyncio.sleep(pause)
            left -= pause
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)

    async def _linked(
        self, caller: Caller, wanted: AssetWanted, found: Found, public_url: str
    ) -> AssetReady:
        if wanted.kind is AssetKind.FILE:
            return await self._linked_file(caller, wanted, found, public_url)
        async with (
            self._transfers.download(caller, found.link) as response,
            aclosing(chunks_within(response, MAX_PICTURE_BYTES)) as chunks,
        ):
            stored, kind = await self._store_picture(found.name, chunks, response.content_type)
        return AssetReady(wanted, f"{public_url}/{self._sign(f'images/{stored}')}", stored, kind)

    async def _store_picture(
        self, name: str, chunks: AsyncGenerator[bytes, None], claimed_type: str
    ) -> tuple[str, str]:
        """Store a picture, as a PNG if browsers cannot show it as it is; return name and type."""
        start = b""
        async for chunk in chunks:
            start += chunk
            if len(start) >= HEAD_BYTES:
                break
        kind = media_type(start, None, "")
        if kind in PICTURE_TYPES:
            return await self._blobs.save("images", name, kind, _after(start, chunks)), kind
        content = b"".join([piece async for piece in _after(start, chunks)])
        if _is_words(content):
            raise UnavailableError(_NO_PICTURE)
        content, kind = await asyncio.to_thread(web_picture, content, claimed_type)
        return await self._blobs.save("images", name, kind, _after(content)), kind

    async def _linked_file(
        self, caller: Caller, wanted: AssetWanted, found: Found, public_url: str
    ) -> AssetReady:
        async with self._transfers.download(caller, found.link) as response:
            kind = found.media_type or response.content_type
            name = safe_name(found.name or wanted.pointer, kind)
            async with aclosing(chunks_within(response, MAX_DOWNLOAD_BYTES)) as chunks:
                stored = await self._blobs.save("files", name, kind, chunks)
        return AssetReady(wanted, f"{public_url}/{self._sign(f'files/{stored}')}", name, kind)


def _is_words(content: bytes) -> bool:
    """Tell whether a body under status 200 is a text (an error, a page) or empty, so no picture."""
    start = content[:HEAD_BYTES]
    return not _BINARY.search(start) and b"<svg" not in start


def sources_of(wanted: AssetWanted) -> list[Source]:
    """Return the routes that may know the file, the likeliest first."""
    conversation = quote(well_formed(wanted.conversation_id), safe="")
    pointer = well_formed(wanted.pointer)
    if wanted.kind is AssetKind.FILE:
        path = f"conversation/{conversation}/interpreter/download"
        # A model may write a path as it is in the sandbox (`a b`) or escaped (`a%20b`).
        spellings = dict.fromkeys((pointer, unquote(pointer)))
        return [
            Source(path, {"message_id": wanted.message_id, "sandbox_path": spelling})
            for spelling in spellings
        ]
    scheme, _, rest = pointer.partition("://")
    file_id = quote(rest.partition("?")[0].partition("#")[0].strip("/"), safe="")
    params = {"conversation_id": wanted.conversation_id} if conversation else {}
    classic = Source(f"files/{file_id}/download", {})
    newer = Source(f"files/download/{file_id}", {**params, "inline": "false"})
    if scheme != "sediment":
        return [classic, newer]
    attachment = Source(f"conversation/{conversation}/attachment/{file_id}/download", {})
    return [attachment, newer, classic] if conversation else [newer, classic]


class ResolvedAssets:
    """A sink that replaces each AssetWanted by its AssetReady, and passes the rest on.

    A batch with one is held until `ready` has fetched it; what was before it in the batch goes out
    first. Neighbours, such as the pictures of one message, are fetched at the same time.
    """

    def __init__(
        self, sink: Sink[Delta], assets: Assets, caller: Caller, request: ChatRequest
    ) -> None:
        self.is_over = sink.is_over
        self._sink = sink
        self._resolver = _Resolver(assets, caller, request)
        self._held: list[Delta] = []

    def feed(self, batch: list[Delta]) -> None:
        """Pass a batch on, or hold it."""
        for delta in batch:
            if type(delta) is AssetWanted:
                self._held += batch
                return
        if self._held:
            self._held += batch
        else:
            self._sink.feed(batch)

    def is_ready(self) -> bool:
        """Tell whether nothing is held."""
        return not self._held and self._sink.is_ready()

    async def ready(self) -> None:
        """Fetch what is wanted, and pass on what is held."""
        if self._held:
            await self._pass_on()
        await self._sink.ready()

    async def _pass_on(self) -> None:
        waiting: list[Delta] = []
        held, self._held = self._held, []
        for is_wanted, run in groupby(held, key=lambda delta: isinstance(delta, AssetWanted)):
            if not is_wanted:
                waiting += run
                continue
            if waiting:
                await put(self._sink, waiting)
            wanted = [delta for delta in run if isinstance(delta, AssetWanted)]
            waiting = [*await self._resolver.all(wanted)]
        if waiting:
            await put(self._sink, waiting)


class _Resolver:
    """Resolves the assets of one turn; one that is named twice is fetched once."""

    def __init__(self, assets: Assets, caller: Caller, request: ChatRequest) -> None:
        self._assets = assets
        self._caller = caller
        self._request = request
        self._known: dict[tuple[str, str], AssetReady] = {}

    async def all(self, wanted: Sequence[AssetWanted]) -> list[AssetReady]:
        missing = {_key(one): one for one in wanted if _key(one) not in self._known}
        async with asyncio.TaskGroup() as group:
            tasks = {key: group.create_task(self._one(one)) for key, one in missing.items()}
        self._known |= {key: task.result() for key, task in tasks.items()}
        return [structs.replace(self._known[_key(one)], wanted=one) for one in wanted]

    async def _one(self, wanted: AssetWanted) -> AssetReady:
        request = self._request
        async with child_span("download"):
            return await self._assets.resolve(
                self._caller, wanted, request.public_url, needs_copy=request.needs_copies
            )


def _key(wanted: AssetWanted) -> tuple[str, str]:
    return wanted.message_id, wanted.pointer


async def _after(
    start: bytes, chunks: AsyncGenerator[bytes, None] | None = None
) -> AsyncIterator[bytes]:
    """Yield the start of a body, then the rest if there is any."""
    yield start
    if chunks is not None:
        async for chunk in chunks:
            yield chunk


def _link_in(answer: dict[str, Any]) -> Found:
    link, name, kind = (answer.get(key) for key in ("download_url", "file_name", "mime_type"))
    if answer.get("status", "success") == "success" and isinstance(link, str) and link:
        return Found(
            link, name if isinstance(name, str) else "", kind if isinstance(kind, str) else ""
        )
    code = answer.get("error_code") or answer.get("status")
    if code in _PROBLEMS:
        raise UnavailableError(_PROBLEMS[code])
    said = answer.get("error_message") or answer.get("error_code")
    raise UnavailableError(
        f"{_NO_LINK} It said: {quoted(said)}" if isinstance(said, str) else _NO_LINK
    )


def _problem_of(error: ServiceError) -> str:
    if error.code in _PROBLEMS:
        return _PROBLEMS[error.code]
    if isinstance(error, UpstreamRefusedError):
        if error.upstream_status == HTTPStatus.GONE:
            return _EXPIRED
        if error.upstream_status == HTTPStatus.NOT_FOUND:
            return _ABSENT
    return error.message
