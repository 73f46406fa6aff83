"""Recordings turned into text (protocol 6.7; implements `service.ports.Transcriptions`)."""

import asyncio
from http import HTTPStatus

from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import (
    NotFoundError,
    RequestError,
    UpstreamProtocolError,
    UpstreamRefusedError,
)
from service.vocabulary.requests import LocalFile
from upstream.fetching.media_types import media_type
from upstream.http.backend import Backend, FileForm
from upstream.slots.calls import AccountCalls

_SECONDS = 300.0  # to send and transcribe a recording; the longest have some 25 MB
_TYPES = {
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/webm": "webm",
}
_FORMATS = "flac, m4a, mp3, mp4, mpeg, mpga, oga, ogg, wav or webm"
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class UpstreamTranscriptions:
    """Sends recordings to the upstream."""

    def __init__(self, backend: Backend, calls: AccountCalls) -> None:
        self._backend = backend
        self._calls = calls

    async def transcribe(
        self, recording: LocalFile, language: str | None, credential: Credential
    ) -> str:
        """Return the text of a recording; see the port."""
        form = await _form(recording, language)

        async def answer(caller: Caller) -> str:
            return await self._ask(caller, form)

        async with self._calls.slot(credential) as caller:
            return await self._calls.renewing(credential, caller, answer)

    async def _ask(self, caller: Caller, form: FileForm) -> str:
        try:
            answer = await self._backend.send_file(caller, "transcribe", form, _SECONDS)
        except UpstreamRefusedError as error:
            if error.upstream_status not in _ABSENT or error.is_page:
                raise
            message = f"The upstream writes no recordings down. {error.message}"
            raise NotFoundError(message) from error
        text = answer.get("text")
        if not isinstance(text, str):
            raise UpstreamProtocolError("The upstream's answer has no text of the recording.")
        return text


async def _form(recording: LocalFile, language: str | None) -> FileForm:
    """Return the form to send, with a file name of our own: the upstream reads its extension."""
    kind = await asyncio.to_thread(media_type, recording.path, None, "")
    ending = _TYPES.get(kind)
    if ending is None:
        message = f"file: this is no recording that can be read; send {_FORMATS}."
        raise RequestError(message, param="file", code="invalid_attachment")
    return FileForm(
        path=recording.path,
        name=f"audio.{ending}",
        media_type=kind,
        fields={"language": language} if language else {},
    )
