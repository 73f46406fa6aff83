"""Files and pictures of a request, as they are sent to Codex's back end: in it (codex 2.3; spec 14.2).

A picture that the model drew earlier is one of ours, found in the store by its link; one that is
gone is left out, since a talk goes on without it.
"""

import asyncio
import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from service.ports import BlobStore
from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import RequestError, StorageError
from service.vocabulary.requests import ChatRequest, DrawnPart, FilePart, ResultPart
from upstream.codex.payload.items import InlineFile
from upstream.fetching.fetch import FetchedFile, Fetcher, part_error
from upstream.fetching.pictures import PICTURE_TYPES
from upstream.fetching.side_by_side import for_parts

_MIB = 1024 * 1024
MAX_FILE_BYTES = 20 * _MIB
MAX_REQUEST_BYTES = 50 * _MIB  # of all files together, before they are base64
_IMAGES = "/images/"
_RECORDINGS = ("audio/", "video/")
_log = logging.getLogger("gateway.files")


class InlineFiles:
    """Makes data URLs of what callers name, behind the guard of `upstream/fetching/fetch.py`.

    Args:
        fetcher: gets what callers name.
        blobs: has the pictures that were drawn earlier.
    """

    def __init__(self, fetcher: Fetcher, blobs: BlobStore) -> None:
        self._fetcher = fetcher
        self._blobs = blobs

    async def of(self, request: ChatRequest) -> dict[str, InlineFile]:
        """Return the files of a request by the paths of their parts.

        Raises:
            RequestError: a file cannot be had, is too large, or is a recording; names the part.
            StorageError: the disk is full or cannot be read.
        """
        parts = list(_parts(request))
        drawn = {part.path for part, is_drawn in parts if is_drawn}
        room = _Room()

        async def inline(part: FilePart) -> InlineFile | None:
            is_drawn = part.path in drawn
            ours = await self._ours(part, room) if is_drawn else None
            return ours or await self._fetched(part, room, is_drawn=is_drawn)

        found = await for_parts([part for part, _ in parts], inline)
        return {path: file for path, file in found.items() if file is not None}

    async def _fetched(self, part: FilePart, room: "_Room", *, is_drawn: bool) -> InlineFile | None:
        try:
            async with self._fetcher.open(part) as file:
                room.take(part, file.size_bytes)
                return await asyncio.to_thread(_inline, part, file)
        except RequestError as error:
            if not is_drawn or not part.url:
                raise
            _log.info("a picture of an earlier answer is left out: %s", error)
            return None

    async def _ours(self, part: FilePart, room: "_Room") -> InlineFile | None:
        """Return a picture of this gateway's store, whatever address its link has."""
        _, _, name = urlsplit(part.url).path.rpartition(_IMAGES)
        if not name:
            return None
        try:
            blob = await self._blobs.find("images", name)
            content = None if blob is None else await read_all(blob.content)
        except StorageError as error:
            _log.warning("a picture of an earlier answer cannot be read: %s", error)
            return None
        if blob is None or content is None:
            return None
        room.take(part, len(content))
        url = await asyncio.to_thread(_data_url, blob.media_type, content)
        return InlineFile(name, url, is_picture=True)


class _Room:
    """What is left of the space for files of one request."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, part: FilePart, size_bytes: int) -> None:
        """Take room for a part.

        Raises:
            RequestError: there is not as much.
        """
        if size_bytes > MAX_FILE_BYTES:
            limit = f"{MAX_FILE_BYTES // _MIB} MiB"
            raise part_error(part, f"is over the limit of {limit}; send a smaller file")
        self._taken += size_bytes
        if self._taken > MAX_REQUEST_BYTES:
            limit = f"{MAX_REQUEST_BYTES // _MIB} MiB"
            problem = f"is too much: the files of one request may have {limit} together"
            raise part_error(part, problem)


def _parts(request: ChatRequest) -> Iterator[tuple[FilePart, bool]]:
    """Yield each file of a request, and whether it is a picture that was drawn earlier."""
    for message in request.messages:
        for part in message.parts:
            match part:
                case FilePart():
                    yield part, False
                case DrawnPart(file):
                    yield file, True
                case ResultPart(content=content):
                    yield from ((each, False) for each in content if isinstance(each, FilePart))
                case _:
                    pass


def _inline(part: FilePart, file: FetchedFile) -> InlineFile:
    if file.media_type.startswith(_RECORDINGS):
        raise part_error(part, "is a recording, which Codex accounts take none of; leave it out")
    source = file.source
    content = source.read_bytes() if isinstance(source, Path) else source
    url = _data_url(file.media_type, content)
    return InlineFile(file.name, url, is_picture=file.media_type in PICTURE_TYPES)


def _data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
