"""Reads multipart/form-data: fields into memory, files onto disk (openai-wire 7, 9)."""

import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from aiofiles.threadpool import wrap
from aiofiles.threadpool.binary import AsyncBufferedIOBase
from aiohttp import BodyPartReader, MultipartReader, StreamReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct

from handlers.reading.json_body import quoted, refusal
from handlers.reading.pending_bodies import PENDING_BODY, PENDING_FORMS, PendingBody
from service.files.disk import on_disk
from service.files.file_names import shown_name
from service.vocabulary.errors import BodySizeError, RequestError
from service.vocabulary.requests import LocalFile

MAX_PARTS = 64  # an edit has 16 pictures and about 15 fields
MAX_FIELD_BYTES = 1024 * 1024  # of all fields together; the longest prompt takes a thirtieth of it
MAX_HEAD_BYTES = 64 * 1024  # of one header of a part, which contains the file's name
# Of the header that names a part: parsing time grows with the square of its parameters.
MAX_DISPOSITION_CHARS = 8 * 1024
MAX_DISPOSITION_PARAMS = 64
_CHUNK_BYTES = 256 * 1024
_PLAIN_ENCODINGS = frozenset({"", "binary", "7bit", "8bit"})
_MAX_TYPE_CHARS = 255
# The errors of aiohttp for a body that is not what its headers say.
_MALFORMED = (ValueError, RuntimeError, HttpProcessingError)


class Form(Struct, frozen=True):
    """The texts and files of a form by the name of their part, in order."""

    fields: Mapping[str, tuple[str, ...]]
    files: Mapping[str, tuple[LocalFile, ...]]

    def text(self, name: str) -> str | None:
        """Return the only value of a field, None when it was not sent.

        Raises:
            RequestError: there are several.
        """
        values = self.fields.get(name, ())
        if len(values) > 1:
            raise refusal(name, "this field was sent more than once")
        return values[0] if values else None

    def file(self, name: str) -> LocalFile:
        """Return the only file of a name.

        Raises:
            RequestError: there is none, or several; or it is empty.
        """
        found = self.files.get(name, ())
        if len(found) != 1:
            problem = "this file was sent more than once" if found else "this file is required"
            hint = "; send it with a file name" if name in self.fields else ""
            raise refusal(name, problem + hint)
        if not found[0].size_bytes:
            raise refusal(name, "this file is empty")
        return found[0]


@asynccontextmanager
async def open_form(
    request: web.Request, directory: Path, max_bytes: int
) -> AsyncGenerator[Form, None]:
    """Read a form; its files stay in `directory` until the context ends, unless moved away.

    Raises:
        RequestError: it is not a form, or malformed.
        BodySizeError: it is over the limit.
        OverloadedError: other forms left no room for it.
        StorageError: the disk is full or cannot be written.
    """
    if request.content_type != "multipart/form-data":
        message = "This endpoint takes a form: send the body as 'multipart/form-data'."
        raise RequestError(message, code="unsupported_media_type")
    if packing := request.headers.get(hdrs.CONTENT_ENCODING):
        # A megabyte unpacks to a gigabyte, and a form is searched byte by byte.
        message = f"A form cannot be read as {quoted(packing)}; send it without Content-Encoding."
        raise RequestError(message, code="unsupported_media_type")
    if (request.content_length or 0) > max_bytes:
        raise _over(max_bytes)
    reading = _Reading(request, directory, max_bytes)
    with _pending(request) as reading.pending:
        try:
            yield await reading.form()
        finally:
            for path in reading.paths:
                with suppress(OSError):
                    path.unlink(missing_ok=True)  # not in a thread: a cancellation would skip it


@contextmanager
def _pending(request: web.Request) -> Iterator[PendingBody | None]:
    """Hold room on the disk for a form that has not arrived with the head of its request."""
    body = request.get(PENDING_BODY)
    if body is None:
        yield None
        return
    with request.app[PENDING_FORMS].one_more(body.holders, body.end) as form:
        yield form


class _Part(BodyPartReader):
    """A part whose header is parsed only if that is cheap; aiohttp parses it on arrival."""

    def __init__(
        self,
        boundary: bytes,
        headers: Any,
        content: StreamReader,
        **settings: Any,
    ) -> None:
        head = headers.get(hdrs.CONTENT_DISPOSITION, "")
        if len(head) > MAX_DISPOSITION_CHARS or head.count(";") > MAX_DISPOSITION_PARAMS:
            raise ValueError("too much in a Content-Disposition")
        super().__init__(boundary, headers, content, **settings)


class _Parts(MultipartReader):
    part_reader_cls = _Part


class _Reading:
    """The reading of one form. `paths` are the files created for it."""

    def __init__(self, request: web.Request, directory: Path, max_bytes: int) -> None:
        self.paths: list[Path] = []
        self.pending: PendingBody | None = None
        self._request = request
        self._directory = directory
        self._max_bytes = max_bytes
        self._field_bytes = 0
        self._fields: dict[str, list[str]] = {}
        self._files: dict[str, list[LocalFile]] = {}

    async def form(self) -> Form:
        """Read all parts."""
        if self.pending is not None:
            await self.pending.hold(self._request.content_length or 0)
        with _as_sent():
            reader = _Parts(
                self._request.headers, self._request.content, max_field_size=MAX_HEAD_BYTES
            )
        count = 0
        while (part := await self._next(reader)) is not None:
            count += 1
            if count > MAX_PARTS:
                message = f"The form has more than {MAX_PARTS} parts."
                raise RequestError(message)
            await self._take(part)
        return Form(
            {name: tuple(values) for name, values in self._fields.items()},
            {name: tuple(files) for name, files in self._files.items()},
        )

    async def _next(self, reader: MultipartReader) -> BodyPartReader | None:
        with _as_sent():
            part = await reader.next()
        if isinstance(part, MultipartReader):
            raise RequestError("The form has a form in it; send each file as a part of its own.")
        return part

    async def _take(self, part: BodyPartReader) -> None:
        with _as_sent():
            name, filename = part.name, part.filename
        if not name:
            raise RequestError("A part of the form has no name.")
        encoding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise refusal(name, f"{quoted(encoding)} cannot be read; send the bytes as they are")
        if filename is None:
            text = await self._text(name, part)
            self._fields.setdefault(name, []).append(text)
            return
        file = await self._file(part, filename)
        if filename or file.size_bytes:  # otherwise an empty file input of a page
            self._files.setdefault(name, []).append(file)

    async def _text(self, name: str, part: BodyPartReader) -> str:
        value = bytearray()
        while not part.at_eof():
            chunk = await self._chunk(part)
            value += chunk
            self._field_bytes += len(chunk)
            if self._field_bytes > MAX_FIELD_BYTES:
                message = f"The form's fields are over the limit of {MAX_FIELD_BYTES} bytes."
                raise BodySizeError(message, param=name)
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            problem = "this field is not UTF-8; a file is sent with a file name"
            raise refusal(name, problem) from None

    async def _file(self, part: BodyPartReader, filename: str) -> LocalFile:
        (path, file), size, digest = self._make_file(), 0, hashlib.sha256()
        try:
            while not part.at_eof():
                chunk = await self._chunk(part)
                size += len(chunk)
                digest.update(chunk)
                with on_disk():
                    await file.write(chunk)
            with on_disk():
                await file.close()  # writes what is buffered
        finally:
            with suppress(OSError):
                await file.close()
        return LocalFile(
            path,
            shown_name(filename),
            part.headers.get("Content-Type", "")[:_MAX_TYPE_CHARS],
            size,
            digest.hexdigest(),
        )

    def _make_file(self) -> tuple[Path, AsyncBufferedIOBase]:
        """Create a file, not in a thread: after a cancellation it would appear unnoticed."""
        with on_disk():
            self._directory.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="body-", dir=self._directory)
        path = Path(name)
        self.paths.append(path)
        return path, wrap(os.fdopen(handle, "wb"))

    async def _chunk(self, part: BodyPartReader) -> bytes:
        with _as_sent():
            chunk = await part.read_chunk(_CHUNK_BYTES)
        # Received bytes are counted between parts as well: a chunked body declares no length.
        if self._request.content.total_bytes > self._max_bytes:
            raise _over(self._max_bytes)
        if self.pending is not None:
            await self.pending.hold_next(self._request.content.total_bytes, len(chunk))
        return bytes(chunk)


def _over(max_bytes: int) -> BodySizeError:
    message = f"The form is over this server's limit of {max_bytes} bytes."
    return BodySizeError(message)


@contextmanager
def _as_sent() -> Iterator[None]:
    """Translate the errors of a body that is not what its headers say."""
    try:
        yield
    except _MALFORMED as error:
        raise RequestError("The form is malformed, or ends before its end.") from error
