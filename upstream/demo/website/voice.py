"""Reading stored answers aloud, and writing recordings down (protocol 6.7).

No model listens: a recording that this demo made is written down as what it was made of, and
any other as what it is, so that a caller can see whether the bytes came through.

`/fault voice:NAME` in a message breaks its reading: `absent`, `busy`, `cut`, `empty`, `page`.
"""

import hashlib
from collections.abc import Iterator

from aiohttp import BodyPartReader, web

from upstream.demo.ground.delivery import ABORT, END, HEAD, Piece, deliver
from upstream.demo.ground.refusals import Refusal, busy, detail, not_found, page
from upstream.demo.ground.stats import STATS
from upstream.demo.ground.words import read_commands
from upstream.demo.scenes.files import FILES
from upstream.demo.scenes.questions import text_of
from upstream.demo.website.bodies import BODIES, answer
from upstream.demo.website.conversations import CONVERSATIONS
from upstream.demo.website.downloads import foreign_link
from upstream.demo.website.sounds import Sound, lyrics_of, speak
from upstream.demo.website.tokens import OWNER

VOICES = {one["voice"] for one in BODIES["voices"]["voices"]}
LINKED_FORMAT = "opus"
"""Some answers are a link to the bytes in place of the bytes."""
MAX_RECORDING_BYTES = 32 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
_STARTS = (
    *(b"ID3", b"OggS", b"RIFF", b"fLaC"),
    *(b"\x1a\x45\xdf\xa3", b"\xff\xf1", b"\xff\xf3", b"\xff\xfb"),
)
_BOX = b"ftyp"


async def get_speech(request: web.Request) -> web.StreamResponse:
    """Read a message of a stored conversation aloud."""
    stats = request.app[STATS]
    stats.counts["spoken"] += 1
    text = _text(request)
    found = read_commands(text).fault
    fault = found.variant if found.name == "voice" else ""
    if fault == "page":
        return page(503)
    if fault == "absent":
        raise Refusal(404, detail("Not Found"))
    if fault == "busy":
        raise busy("7")
    if request.query.get("voice") not in VOICES:
        raise _wrong("voice", "unknown voice")
    sound = speak(text, request.query.get("format", ""))
    if sound is None:
        raise _wrong("format", "unexpected value; permitted: 'aac', 'mp3', 'opus'")
    if request.query["format"] == LINKED_FORMAT:
        file_id = request.app[FILES].make(request[OWNER], "speech.ogg", b"".join(sound.pieces))
        return answer("spoken", url=foreign_link(request, file_id))
    response = web.StreamResponse(headers={"Content-Type": sound.media_type})
    await deliver(request, response, _pieces(sound, fault), stats.streams)
    return response


async def post_recording(request: web.Request) -> web.Response:
    """Write a recording down."""
    if not request.content_type.startswith("multipart/"):
        raise _wrong("file", "field required")
    content, kind, language = b"", "", ""
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "file":
            content, kind = await _bytes(part), part.headers.get("Content-Type", "")
        elif isinstance(part, BodyPartReader) and part.name == "language":
            language = await part.text()
    if not content:
        raise _wrong("file", "field required")
    request.app[STATS].counts["transcribed"] += 1
    if not content.startswith(_STARTS) and content[4:8] != _BOX:
        raise Refusal(400, detail("Unable to process the audio.", "invalid_audio"))
    digest = hashlib.sha256(content).hexdigest()[:16]
    told = f"Demo: {kind}, {len(content)} bytes, SHA-256 {digest}."
    told += f" Language {language}." * bool(language)
    return web.json_response({"text": lyrics_of(content) or told})


def _text(request: web.Request) -> str:
    """Return the text of an assistant's message, or refuse."""
    query = request.query
    conversation = request.app[CONVERSATIONS].open(request[OWNER], query.get("conversation_id", ""))
    message = conversation.mapping.get(query.get("message_id", ""), {}).get("message")
    if message is None or message["author"]["role"] != "assistant":
        raise not_found("message_not_found")
    return text_of(message)


def _pieces(sound: Sound, fault: str) -> Iterator[Piece]:
    """Yield a recording as it is sent; it is cut after its first piece."""
    yield HEAD
    for piece in () if fault == "empty" else sound.pieces:
        yield Piece(piece)
        yield ABORT if fault == "cut" else Piece(beats=1)
    yield END


async def _bytes(part: BodyPartReader) -> bytes:
    received = bytearray()
    while chunk := await part.read_chunk(CHUNK_BYTES):
        received += chunk
        if len(received) > MAX_RECORDING_BYTES:
            raise Refusal(413, detail("The recording is too large."))
    return bytes(received)


def _wrong(field: str, problem: str) -> Refusal:
    wrong = {"loc": ["query", field], "msg": problem, "type": "value_error"}
    return Refusal(422, {"detail": [wrong]})
