"""Stored answers as sound (protocol 6.7; implements `service.ports.Speech`)."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from http import HTTPStatus
from urllib.parse import quote, urlencode

import aiohttp

from service.orders.speech import KNOWN_FORMATS, Repetition, is_same_speech
from service.ports import Sound, Turns
from service.upstream_errors.refusals import quoted
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import (
    EmptyResponseError,
    NotFoundError,
    RequestError,
    UnmetDemandError,
    UpstreamProtocolError,
    UpstreamRefusedError,
)
from service.vocabulary.requests import SpeechOrder, StoredMessage
from upstream.fetching.media_types import media_type
from upstream.http.backend import Backend
from upstream.http.bodies import chunks_within, json_object, read_limited
from upstream.slots.calls import AccountCalls
from upstream.website.files.transfers import Transfers

MAX_SOUND_BYTES = 64 * 1024 * 1024  # an hour of speech
MAX_LINK_BYTES = 64 * 1024
MIN_HEAD_BYTES = 12  # as much tells the formats apart
_TAG = b"ID3"  # stands before MP3, and before AAC as well
_AAC = "audio/aac"
_FORMAT_OF = {
    "audio/mpeg": "mp3",
    _AAC: "aac",
    "audio/mp4": "aac",
    "video/mp4": "aac",
    "audio/ogg": "opus",
    "audio/wav": "wav",
    "audio/flac": "flac",
}
_CONTAINERS = {"video/mp4": "audio/mp4"}  # which hold sound here
# Of an upstream that has no such thing, or not for this message.
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
_WRONG = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class UpstreamSpeech:
    """Has texts repeated, and answers read aloud.

    Args:
        turns: what has a text repeated; not those that join, since each reads its own message.
        calls: for answers that are there already.
        backend: for errors.
        transfers: for the bytes.
        is_temporary: whether turns leave nothing that could be read.
    """

    def __init__(
        self,
        turns: Turns,
        calls: AccountCalls,
        backend: Backend,
        transfers: Transfers,
        *,
        is_temporary: bool,
    ) -> None:
        self._turns = turns
        self._calls = calls
        self._backend = backend
        self._transfers = transfers
        self._is_temporary = is_temporary

    @asynccontextmanager
    async def speak(
        self, order: SpeechOrder, credential: Credential
    ) -> AsyncGenerator[Sound, None]:
        """Open the sound of what was ordered; see the port."""
        async with AsyncExitStack() as stack:
            if order.message is not None:
                caller = await stack.enter_async_context(self._calls.slot(credential))
                message = order.message
            else:
                message = await stack.enter_async_context(self._repeated(order, credential))
                caller = await self._calls.caller(credential)

            async def opened(caller: Caller) -> Sound:
                reading = self._reading(caller, message, order)
                return await stack.enter_async_context(reading)

            yield await self._calls.renewing(credential, caller, opened)

    @asynccontextmanager
    async def _repeated(
        self, order: SpeechOrder, credential: Credential
    ) -> AsyncGenerator[StoredMessage, None]:
        """Have the text repeated; the turn stays open, so that it is not hidden before it is read."""
        if self._is_temporary or order.chat is None:
            raise NotFoundError(
                "No text can be read aloud here: the upstream reads what it keeps, and the chats "
                "of this server are temporary (setting conversation.temporary)."
            )
        said = Repetition()
        async with aclosing(self._turns.run(order.chat, credential)) as batches:
            async for batch in batches:
                said.feed_batch(batch)
                if said.ended is not None:
                    break
            yield _message_of(said, order)

    @asynccontextmanager
    async def _reading(
        self, caller: Caller, message: StoredMessage, order: SpeechOrder
    ) -> AsyncGenerator[Sound, None]:
        """Open the sound of a message, behind a link or not."""
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(
                    self._transfers.download(caller, _address(message, order))
                )
            except UpstreamRefusedError as error:
                raise _explained(error, order) from error
            if response.content_type == "application/json":
                link = await self._link(response, caller)
                response = await stack.enter_async_context(self._transfers.download(caller, link))
            chunks = await stack.enter_async_context(
                aclosing(chunks_within(response, MAX_SOUND_BYTES))
            )
            yield await _sound(response, chunks, order)

    async def _link(self, response: aiohttp.ClientResponse, caller: Caller) -> str:
        raw = await read_limited(response, MAX_LINK_BYTES)
        answer = json_object(raw) or {}
        link = answer.get("download_url")
        if isinstance(link, str) and link:
            return link
        raise self._backend.refused(response.status, response.headers, raw, caller)


def _message_of(said: Repetition, order: SpeechOrder) -> StoredMessage:
    """Return the message that is to be read, or raise why there is none."""
    ended = said.ended
    if ended is not None and ended.failure is not None:
        raise UpstreamRefusedError(ended.failure, HTTPStatus.OK)
    if not is_same_speech(said.text, order.text):
        message = (
            "The model did not repeat the text word for word, so nothing was read aloud. "
            f"It said: {quoted(said.text)} Send a shorter or plainer text, or name another model."
        )
        raise UnmetDemandError(message, code="text_not_repeated", param="input")
    if said.message is None:
        raise UpstreamProtocolError("The upstream did not say where it keeps what it would read.")
    return said.message


def _address(message: StoredMessage, order: SpeechOrder) -> str:
    query = {
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
        "voice": order.voice,
        "format": order.format,
    }
    return f"/backend-api/synthesize?{urlencode(query, quote_via=quote)}"


def _explained(error: UpstreamRefusedError, order: SpeechOrder) -> Exception:
    """Return a refusal with what can be done about it."""
    if error.upstream_status in _ABSENT and not error.is_page:
        message = (
            "The upstream does not read this message aloud: it has no speech, or no such message "
            f"in a conversation of this account. {error.message}"
        )
        return NotFoundError(message)
    if error.upstream_status in _WRONG:
        known = ", ".join(f"'{name}'" for name in KNOWN_FORMATS)
        message = (
            f"The upstream does not read the voice '{order.voice}' as '{order.format}'; the "
            f"formats known to work are {known}. {error.message}"
        )
        return RequestError(message)
    return error


async def _sound(
    response: aiohttp.ClientResponse, chunks: AsyncGenerator[bytes, None], order: SpeechOrder
) -> Sound:
    """Return the sound of a body whose beginning shows what it is."""
    head = b""
    while len(head) < MIN_HEAD_BYTES and (chunk := await anext(chunks, b"")):
        head += chunk
    if not head:
        raise EmptyResponseError("The upstream sent no sound for this text; please try again.")
    kind = media_type(head, response.content_type, "")
    if head.startswith(_TAG) and response.content_type == _AAC:
        kind = _AAC
    if not kind.startswith("audio/") and kind not in _CONTAINERS:
        message = f"The upstream answered with {quoted(kind)} in place of sound."
        raise UpstreamProtocolError(message)
    got = _FORMAT_OF.get(kind)
    if got not in (None, order.format):
        message = (
            f"The upstream read the text as '{got}', not as '{order.format}'; "
            f"send 'response_format': '{got}'."
        )
        raise RequestError(message, param="response_format")
    is_plain = "Content-Encoding" not in response.headers
    return Sound(
        media_type=_CONTAINERS.get(kind, kind),
        size_bytes=response.content_length if is_plain else None,
        chunks=_from_head(head, chunks),
    )


async def _from_head(
    head: bytes, chunks: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    yield head
    async for chunk in chunks:
        yield chunk
