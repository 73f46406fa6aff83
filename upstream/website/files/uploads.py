"""Uploads callers' files in the upstream's three steps (protocol 6.1; spec 8).

    announce (POST files) -> put the bytes -> confirm (uploaded) -> wait for the index

A file that this account has uploaded before is only confirmed again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import msgspec

from service.observing.tracing import child_span
from service.ports import StateStore
from service.upstream_errors.refusals import quoted
from service.vocabulary.credentials import Caller, fingerprint
from service.vocabulary.errors import ServiceError, UpstreamError, UpstreamRefusedError
from service.vocabulary.requests import FilePart
from upstream.fetching.fetch import FetchedFile, Fetcher, UnusableFileError, part_error
from upstream.fetching.pictures import picture_size
from upstream.fetching.side_by_side import for_parts
from upstream.http.backend import Backend
from upstream.website.files.transfers import Transfers
from upstream.website.payload.attachments import PICTURE_USE_CASE, UploadedFile

_KEEP_SECONDS = 30 * 24 * 3600.0  # may be long: each use confirms that the file is still there
_INDEX_SECONDS = 60.0  # then the turn goes on without the index
_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS = 0.25, 2.0

DOCUMENT_USE_CASE, OTHER_USE_CASE = "my_files", "ace_upload"
# The documents that the upstream indexes: the seed's list, its misspellings included.
DOCUMENT_TYPES = frozenset(
    {
        "text/x-php",
        "application/msword",
        "text/x-c",
        "text/html",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/json",
        "text/javascript",
        "application/pdf",
        "text/x-java",
        "text/x-tex",
        "text/x-typescript",
        "text/x-sh",
        "text/x-csharp",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "text/x-c++",
        "application/x-latext",
        "text/markdown",
        "text/plain",
        "text/x-ruby",
        "text/x-script.python",
    }
)
_FAILED_STATES = frozenset({"failed", "error", "cancelled"})
_log = logging.getLogger("gateway.files")


class UpstreamUploads:
    """Uploads files for turns.

    Args:
        backend: for the steps.
        transfers: for the bytes.
        fetcher: fetches the files that callers name.
        state: remembers the files that an account has uploaded.
    """

    def __init__(
        self, backend: Backend, transfers: Transfers, fetcher: Fetcher, state: StateStore
    ) -> None:
        self._backend = backend
        self._transfers = transfers
        self._fetcher = fetcher
        self._state = state
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def upload_parts(
        self, caller: Caller, parts: Sequence[FilePart]
    ) -> dict[str, UploadedFile]:
        """Return the uploaded file of each part, by the part's path.

        Raises:
            RequestError: a file cannot be fetched or uploaded; names the part.
            UpstreamRefusedError: only when the upstream refuses the token or the
                account's number of calls, which no other file would change.
        """
        return await for_parts(parts, partial(self._uploaded, caller))

    async def _uploaded(self, caller: Caller, part: FilePart) -> UploadedFile:
        async with child_span("upload"), self._fetcher.open(part) as file:
            try:
                return await self._once(caller, await _described(file), file)
            except UpstreamRefusedError as error:
                if error.upstream_status in (
                    HTTPStatus.UNAUTHORIZED,
                    HTTPStatus.TOO_MANY_REQUESTS,
                ):
                    raise
                raise _upload_error(part, error) from error
            except UpstreamError as error:
                raise _upload_error(part, error) from error

    async def _once(self, caller: Caller, wanted: UploadedFile, file: FetchedFile) -> UploadedFile:
        """Upload a file unless this account has it already; equal files wait for each other."""
        account = fingerprint(caller.account)  # the name of earlier versions' entries
        key = f"upload:{account}:{file.sha256}:{wanted.use_case}:{wanted.media_type}"
        async with self._locked(key):
            if known := await self._known(caller, key):
                return msgspec.structs.replace(known, name=wanted.name)
            uploaded = await self._upload(caller, wanted, file)
            await self._state.set(key, msgspec.json.encode(uploaded), _KEEP_SECONDS)
            return uploaded

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncGenerator[None, None]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield

    async def _known(self, caller: Caller, key: str) -> UploadedFile | None:
        raw = await self._state.get(key)
        if raw is None:
            return None
        try:
            known = msgspec.json.decode(raw, type=UploadedFile)
            answer = await self._confirm(caller, known.file_id)
        except msgspec.MsgspecError:
            return None  # written by another version
        except UpstreamError as error:
            _log.info("A file is uploaded again, since it cannot be confirmed: %s", error)
            return None
        return known if _is_success(answer) else None

    async def _upload(
        self, caller: Caller, wanted: UploadedFile, file: FetchedFile
    ) -> UploadedFile:
        body: dict[str, Any] = {
            "file_name": wanted.name,
            "file_size": wanted.size_bytes,
            "use_case": wanted.use_case,
        }
        if wanted.width is not None:
            body |= {"width": wanted.width, "height": wanted.height}
        answer = await self._backend.call(caller, "POST", "files", body=body)
        link, file_id = answer.get("upload_url"), answer.get("file_id")
        if not isinstance(link, str) or not isinstance(file_id, str) or not file_id:
            raise UnusableFileError(f"was refused by the upstream{_reason(answer)}")
        try:
            await self._transfers.put(link, file.source, wanted.media_type)
        except UpstreamRefusedError as error:
            if error.upstream_status != HTTPStatus.UNAUTHORIZED:
                raise
            # No bearer was sent there, so the refusal does not concern the caller's key.
            raise UnusableFileError("was refused by the upstream's file store") from error
        uploaded = msgspec.structs.replace(wanted, file_id=file_id)
        return await self._confirmed(caller, uploaded)

    async def _confirmed(self, caller: Caller, uploaded: UploadedFile) -> UploadedFile:
        """Tell the upstream that the bytes are there, by the older call or else by that of 2026."""
        try:
            answer = await self._confirm(caller, uploaded.file_id)
            is_confirmed = _is_success(answer)
        except UpstreamRefusedError as error:
            if error.upstream_status == HTTPStatus.UNAUTHORIZED:
                raise
            answer, is_confirmed = {}, False
        if not is_confirmed:
            return await self._processed(caller, uploaded, _reason(answer))
        if uploaded.use_case == DOCUMENT_USE_CASE:
            return await self._indexed(caller, uploaded)
        return uploaded

    async def _confirm(self, caller: Caller, file_id: str) -> dict[str, Any]:
        path = f"files/{quote(file_id, safe='')}/uploaded"
        return await self._backend.call(caller, "POST", path, body={})

    async def _processed(self, caller: Caller, uploaded: UploadedFile, reason: str) -> UploadedFile:
        """Confirm and index a file in the one step of 2026."""
        body = {
            "file_id": uploaded.file_id,
            "file_name": uploaded.name,
            "use_case": uploaded.use_case,
            "index_for_retrieval": uploaded.use_case == DOCUMENT_USE_CASE,
            "entry_surface": "composer",
        }
        events = await self._backend.call_events(
            caller, "files/process_upload_stream", body, _INDEX_SECONDS
        )
        if not any(str(event.get("event")).endswith(".completed") for event in events):
            raise UnusableFileError(f"was not taken by the upstream{reason}")
        extras = [event["extra"] for event in events if isinstance(event.get("extra"), dict)]
        counts = [count for extra in extras if (count := extra.get("total_tokens")) is not None]
        return _with_tokens(uploaded, counts[-1] if counts else None)

    async def _indexed(self, caller: Caller, uploaded: UploadedFile) -> UploadedFile:
        """Wait until a document is searchable; after a minute it is used without its index."""
        path, pause = f"files/{quote(uploaded.file_id, safe='')}", _FIRST_POLL_SECONDS
        deadline = time.monotonic() + _INDEX_SECONDS
        while True:
            try:
                answer = await self._backend.call(caller, "GET", path)
            except UpstreamError as error:
                _log.warning("The index of a file cannot be waited for: %s", error)
                return uploaded
            status = answer.get("retrieval_index_status")
            if status == "success" or "retrieval_index_status" not in answer:
                return _with_tokens(uploaded, answer.get("file_token_size"))
            if status in _FAILED_STATES:
                raise UnusableFileError("was uploaded, but the upstream could not index it")
            if time.monotonic() + pause > deadline:
                _log.warning("The index of a file is late; the turn goes on")
                return uploaded
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_POLL_SECONDS)


async def _described(file: FetchedFile) -> UploadedFile:
    """Return the file as it will be announced, without its id."""
    size = await asyncio.to_thread(picture_size, file.source, file.media_type)
    if size is not None:
        use_case, kind = PICTURE_USE_CASE, file.media_type
    elif file.media_type in DOCUMENT_TYPES:
        use_case, kind = DOCUMENT_USE_CASE, file.media_type
    else:
        use_case, kind = OTHER_USE_CASE, ""  # the model's Python finds out the type itself
    return UploadedFile(
        file_id="",
        name=file.name,
        media_type=kind,
        size_bytes=file.size_bytes,
        use_case=use_case,
        width=size.width if size else None,
        height=size.height if size else None,
    )


def _with_tokens(uploaded: UploadedFile, count: object) -> UploadedFile:
    if isinstance(count, int) and not isinstance(count, bool):
        return msgspec.structs.replace(uploaded, token_count=count)
    return uploaded


def _is_success(answer: dict[str, Any]) -> bool:
    return bool(answer.get("status", "success") == "success")


def _reason(answer: dict[str, Any]) -> str:
    words = answer.get("error_message") or answer.get("error_code")
    return f": {quoted(words)}" if isinstance(words, str) and words else ""


def _upload_error(part: FilePart, error: UpstreamError) -> ServiceError:
    return part_error(part, f"could not be uploaded. {error.message.rstrip('.')}")
