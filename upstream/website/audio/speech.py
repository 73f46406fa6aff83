"""Texts and stored answers as sound (protocol 6.7; implements `service.ports.Speech`).

The website reads aloud only what it has stored, so a text is first repeated by the model in a turn:

    text ──turn──▶ stored message ──GET synthesize──▶ sound, or JSON with a link to it
"""

import asyncio
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
from service.vocabulary.events import Delta
from service.vocabulary.requests import SpeechOrder, StoredMessage
from upstream.fetching.media_types import media_type
from upstream.http.backend import Backend
from upstream.http.bodies import chunks_within, json_object, read_limited
from upstream.slots.calls import AccountCalls
from upstream.website.files.transfers import Transfers

MAX_SOUND_BYTES = 64 * 1024 * 1024  # an hour of speech
MAX_LINK_BYTES = 64 * 1024
MIN_HEAD_BYTES = 12  # enough to tell the formats apart
_TAG = b"ID3"  # may stand before MP3 and before AAC
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
_CONTAINERS = {"video/mp4": "audio/mp4"}  # containers that hold only sound here
# Statuses of an upstream without speech, or without this message.
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
_WRONG = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class UpstreamSpeech:
    """Has texts repeated by the model, and stored messages read aloud.

    Args:
        turns: run the repetitions; not shared turns, since each needs a message of its own.
        calls: for messages that are stored already.
        backend: for errors.
        transfers: for the bytes.
        is_temporary: whether chats are temporary, so that no message is stored.
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
        """Open the sound of an order; see the port."""
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
        """Have the model repeat the text; while the turn is open, its chat is not hidden."""
        if self._is_temporary or order.chat is None:
            raise NotFoundError(
                "No text can be read aloud here: the upstream reads what it keeps, and the chats "
                "of this server are temporary (setting conversation.temporary)."
            )
        listening = _Listening()
        turn = asyncio.get_running_loop().create_task(
            self._turns.run(order.chat, credential, listening)
        )
        turn.add_done_callback(listening.stop)
        try:
            await listening.ended.wait()
            if turn.done():
                turn.result()
            yield _message_of(listening.said, order)
        finally:
            turn.cancel()
            await asyncio.wait({turn})

    @asynccontextmanager
    async def _reading(
        self, caller: Caller, message: StoredMessage, order: SpeechOrder
    ) -> AsyncGenerator[Sound, None]:
        """Open the sound of a message, which comes in the answer itself or behind a link."""
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


class _Listening:
    """A sink that keeps the text, and keeps the turn open after its end."""

    lane = None

    def __init__(self) -> None:
        self.said = Repetition()
        self.ended = asyncio.Event()

    def feed(self, batch: list[Delta]) -> None:
        self.said.feed_batch(batch)
        if self.said.ended is not None:
            self.ended.set()

    def is_ready(self) -> bool:
        return not self.ended.is_set()

    async def ready(self) -> None:
        if self.ended.is_set():
            await asyncio.get_running_loop().create_future()  # until the turn is cancelled

    def is_over(self) -> bool:
        return False

    def stop(self, turn: asyncio.Task[None]) -> None:
        del turn
        self.ended.set()


def _message_of(said: Repetition, order: SpeechOrder) -> StoredMessage:
    """Return the stored message with the repeated text, or raise the reason why there is none."""
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
    """Return a refusal as an error that says what can be done about it."""
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
    """Return the sound in a body, after its first bytes have shown the format."""
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
