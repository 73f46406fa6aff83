"""Reading stored answers aloud, and writing recordings down (protocol 6.7).

No model listens: a recording that this demo made is written down as what it was made of, and
any other as what it is, so that a caller can see whether the bytes came through.

`/fault voice:NAME` in a message breaks its reading: `absent`, `busy`, `cut`, `empty`, `page`.
"""

import asyncio
import hashlib

import msgspec
from aiohttp import BodyPartReader, web

from upstream.demo.ground.files import FILES
from upstream.demo.ground.options import OPTIONS
from upstream.demo.ground.questions import FAULT, text_of
from upstream.demo.ground.refusals import Refusal, detail, not_found, page
from upstream.demo.ground.stats import STATS
from upstream.demo.scenes.sounds import Sound, lyrics_of, speak
from upstream.demo.website.conversations import CONVERSATIONS
from upstream.demo.website.downloads import foreign_origin
from upstream.demo.website.tokens import OWNER

VOICES = ("arbor", "breeze", "cove", "ember", "juniper", "maple", "sol", "spruce", "vale")
LINKED_FORMAT = "opus"
"""Some answers are a link to the bytes in place of the bytes."""
MAX_RECORDING_BYTES = 32 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
_STARTS = (
    b"ID3",
    b"OggS",
    b"RIFF",
    b"fLaC",
    b"\x1a\x45\xdf\xa3",
    b"\xff\xf1",
    b"\xff\xf3",
    b"\xff\xfb",
)
_BOX = b"ftyp"


class Recording(msgspec.Struct, frozen=True):
    """What came in a form."""

    content: bytes
    media_type: str
    language: str


async def get_speech(request: web.Request) -> web.StreamResponse:
    """Read a message of a stored conversation aloud."""
    request.app[STATS].counts["spoken"] += 1
    text = _text(request)
    found = FAULT.search(text)
    name, _, variant = found["name"].partition(":") if found else ("", "", "")
    fault = variant if name == "voice" else ""
    if fault == "page":
        return page(503)
    if fault == "absent":
        raise Refusal(404, detail("Not Found"))
    if fault == "busy":
        raise Refusal(429, detail("Too many requests, please slow down."), {"Retry-After": "7"})
    if request.query.get("voice") not in VOICES:
        raise Refusal(422, _wrong("voice", "unknown voice"))
    sound = speak(text, request.query.get("format", ""))
    if sound is None:
        raise Refusal(422, _wrong("format", "unexpected value; permitted: 'aac', 'mp3', 'opus'"))
    if request.query["format"] == LINKED_FORMAT:
        return _linked(request, sound)
    return await _sent(request, sound, fault)


async def get_voices(_request: web.Request) -> web.Response:
    """List the voices."""
    voices = [{"voice": name, "name": name.capitalize()} for name in VOICES]
    return web.json_response({"voices": voices, "selected": "cove"})


async def post_recording(request: web.Request) -> web.Response:
    """Write a recording down."""
    recording = await _recording(request)
    request.app[STATS].counts["transcribed"] += 1
    content = recording.content
    if not content.startswith(_STARTS) and content[4:8] != _BOX:
        raise Refusal(400, detail("Unable to process the audio.", "invalid_audio"))
    text = lyrics_of(content)
    if not text:
        digest = hashlib.sha256(content).hexdigest()[:16]
        text = f"Demo: {recording.media_type}, {len(content)} bytes, SHA-256 {digest}."
        if recording.language:
            text += f" Language {recording.language}."
    return web.json_response({"text": text})


def _text(request: web.Request) -> str:
    """Return what a message says, or refuse."""
    query = request.query
    conversation = request.app[CONVERSATIONS].open(request[OWNER], query.get("conversation_id", ""))
    message = conversation.messages.get(query.get("message_id", ""))
    if message is None or message["author"]["role"] != "assistant":
        raise not_found("message_not_found")
    return text_of(message)


def _linked(request: web.Request, sound: Sound) -> web.Response:
    file_id = request.app[FILES].make(request[OWNER], "speech.ogg", b"".join(sound.pieces))
    link = f"{foreign_origin(request)}/blob/{file_id}?se=2030&sig=demo"
    return web.json_response({"status": "success", "download_url": link})


async def _sent(request: web.Request, sound: Sound, fault: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": sound.media_type})
    await response.prepare(request)
    for piece in () if fault == "empty" else sound.pieces:
        await response.write(piece)
        await asyncio.sleep(request.app[OPTIONS].delay_seconds)
        if fault == "cut" and request.transport is not None:
            request.transport.abort()
            return response
    await response.write_eof()
    return response


async def _recording(request: web.Request) -> Recording:
    """Return the recording of a form, or refuse."""
    if not request.content_type.startswith("multipart/"):
        raise Refusal(422, _wrong("file", "field required"))
    content, kind, language = b"", "", ""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.name == "file":
            content = await _bytes(part)
            kind = part.headers.get("Content-Type", "")
        elif part.name == "language":
            language = await part.text()
    if not content:
        raise Refusal(422, _wrong("file", "field required"))
    return Recording(content, kind, language)


async def _bytes(part: BodyPartReader) -> bytes:
    received = bytearray()
    while chunk := await part.read_chunk(CHUNK_BYTES):
        received += chunk
        if len(received) > MAX_RECORDING_BYTES:
            raise Refusal(413, detail("The recording is too large."))
    return bytes(received)


def _wrong(field: str, problem: str) -> dict[str, object]:
    return {"detail": [{"loc": ["query", field], "msg": problem, "type": "value_error"}]}
