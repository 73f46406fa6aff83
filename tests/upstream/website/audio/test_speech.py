from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from service.settings.config import UpstreamConfig
from service.sink import put
from service.vocabulary.credentials import read_credential
from service.vocabulary.errors import (
    EmptyResponseError,
    NotFoundError,
    RequestError,
    ServiceError,
    UnmetDemandError,
    UpstreamCutError,
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import AnswerText, Failure, Outcome, TurnEnded, TurnFacts
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    Profile,
    SpeechOrder,
    StoredMessage,
    TextPart,
)
from tests.upstream.backends import CALLER
from upstream.slots.calls import AccountCalls
from upstream.slots.queueing import AccountQueues
from upstream.website.audio.speech import UpstreamSpeech
from upstream.website.files.transfers import Transfers

PATH = "/backend-api/synthesize"
CREDENTIAL = read_credential("Bearer a-refresh-token", None, None)
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x00"
MP3 = ID3 + bytes(100)
END = TurnEnded(Outcome.COMPLETE, "stop")
STORED = SpeechOrder(voice="cove", format="mp3", message=StoredMessage("c-1", "m&1"))


def repeated(text="Boats float.", kind="mp3"):
    message = ChatMessage("user", (TextPart(text),))
    chat = ChatRequest(
        request_id="r",
        model="gpt-4o",
        messages=(message,),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.RAW,
        public_url="",
        received_at=0.0,
    )
    return SpeechOrder(voice="cove", format=kind, text=text, chat=chat)


class Turns:
    """Turns with one answer, which know whether they are still open."""

    def __init__(self, *batches):
        self.batches = batches
        self.is_open = False

    async def run(self, _request, _credential, sink):
        self.is_open = True
        try:
            for batch in self.batches:
                await put(sink, batch)
        finally:
            self.is_open = False


class Tokens:
    async def caller(self, _credential):
        return CALLER


def speech(backend, turns=None, *, is_temporary=False):
    queues = AccountQueues(UpstreamConfig(), Gauge("w", "", registry=CollectorRegistry()), None)
    return UpstreamSpeech(
        turns or Turns(),
        AccountCalls(Tokens(), queues),
        backend,
        Transfers(backend),
        is_temporary=is_temporary,
    )


async def heard(made, order=STORED):
    async with made.speak(order, CREDENTIAL) as sound:
        return sound, b"".join([chunk async for chunk in sound.chunks])


def body(content, kind, **headers):
    async def step(_request):
        return web.Response(body=content, headers={"Content-Type": kind, **headers})

    return step


async def test_a_stored_message_is_asked_for_by_its_ids(upstream, backend):
    upstream.answers("GET", PATH, body(MP3, "audio/mpeg"))
    sound, content = await heard(speech(backend))
    assert (content, sound.media_type, sound.size_bytes) == (MP3, "audio/mpeg", len(MP3))
    request = upstream.requests[0]
    assert parse_qsl(request.query_string) == [
        ("message_id", "m&1"),
        ("conversation_id", "c-1"),
        ("voice", "cove"),
        ("format", "mp3"),
    ]
    assert request.headers["Authorization"] == f"Bearer {CALLER.access_token}"


async def test_a_text_is_read_while_its_turn_is_open(upstream, backend):
    said = [TurnFacts("c-2", "m-2"), AnswerText("Boats\nfloat.")]
    turns = Turns(said, [END])
    open_then = []

    async def step(request):
        open_then.append(turns.is_open)
        return await body(MP3, "audio/mpeg")(request)

    upstream.answers("GET", PATH, step)
    assert (await heard(speech(backend, turns), repeated()))[1] == MP3
    assert upstream.requests[0].query["message_id"] == "m-2"
    assert (open_then, turns.is_open) == ([True], False)


@pytest.mark.parametrize(
    ("batch", "kind", "words"),
    [
        ([TurnFacts("c", "m"), AnswerText("Sure! Boats float."), END], UnmetDemandError, "'?Sure!"),
        ([AnswerText("Boats float."), END], UpstreamProtocolError, "where it keeps"),
        (
            [TurnEnded(Outcome.REFUSED, None, Failure(429, "Slow.", "a", "b"))],
            UpstreamRefusedError,
            "Slow",
        ),
        ([], UnmetDemandError, "did not repeat"),
    ],
)
async def test_a_text_that_was_not_repeated_is_not_read(upstream, backend, batch, kind, words):
    with pytest.raises(kind, match=words):
        await heard(speech(backend, Turns(batch)), repeated())
    assert upstream.requests == []


async def test_temporary_chats_have_nothing_to_read(upstream, backend):
    turns = Turns([UpstreamCutError("x")])
    with pytest.raises(NotFoundError, match="temporary"):
        await heard(speech(backend, turns, is_temporary=True), repeated())
    assert upstream.requests == []


async def test_a_link_is_followed(upstream, backend):
    link = {"status": "success", "download_url": f"{upstream.base}/signed?sig=1"}
    upstream.answers("GET", PATH, link)
    upstream.answers("GET", "/signed", body(MP3, "application/octet-stream"))
    sound, content = await heard(speech(backend))
    assert (content, sound.media_type) == (MP3, "audio/mpeg")


@pytest.mark.parametrize(
    ("content", "types", "asked"),
    [
        (b"\xff\xf3\x44\xc4" + bytes(92), ("application/octet-stream", "audio/mpeg"), "mp3"),
        (b"\xff\xf1\x50\x80" + bytes(92), ("audio/x-aac", "audio/aac"), "aac"),
        (ID3 + b"\xff\xf1", ("audio/aac", "audio/aac"), "aac"),
        (b"\x00\x00\x00\x18ftypisom", ("video/mp4", "audio/mp4"), "aac"),
        (b"OggS" + bytes(90), ("audio/ogg", "audio/ogg"), "opus"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", ("audio/wav", "audio/wav"), "wav"),
        (b"\x00\x40" * 50, ("audio/L16", "audio/l16"), "pcm"),
    ],
)
async def test_the_bytes_decide_what_the_sound_is(upstream, backend, content, types, asked):
    claimed, kind = types
    upstream.answers("GET", PATH, body(content, claimed))
    order = SpeechOrder(voice="cove", format=asked, message=StoredMessage("c", "m"))
    sound, got = await heard(speech(backend), order)
    assert (sound.media_type, got) == (kind, content)


@pytest.mark.parametrize(
    ("step", "kind", "words"),
    [
        (body(b"OggS" + bytes(90), "audio/mpeg"), RequestError, "as 'opus', not as 'mp3'"),
        (body(b"", "audio/mpeg"), EmptyResponseError, "no sound"),
        (body(b"Just words, no sound.", "text/plain"), UpstreamProtocolError, "text/plain"),
        (body(b"<!doctype html><p>", "text/html"), UpstreamProtocolError, "text/html"),
        ((404, {"detail": "Not Found"}), NotFoundError, "has no speech"),
        ((405, {"detail": "Method Not Allowed"}), NotFoundError, "has no speech"),
        ((422, {"detail": "format?"}), RequestError, "'mp3', 'aac', 'opus'"),
        ((403, {"detail": "This account may not."}), UpstreamRefusedError, "account"),
        ({"status": "error", "detail": "It cannot be read."}, ServiceError, "cannot be read"),
        ({"status": "retry"}, ServiceError, "could not answer"),
    ],
)
async def test_what_is_no_sound_says_what_it_is(upstream, backend, step, kind, words):
    upstream.answers("GET", PATH, step)
    with pytest.raises(kind, match=words):
        await heard(speech(backend))


async def test_sound_that_breaks_off_is_an_error(upstream, backend):
    async def breaks(request):
        response = web.StreamResponse(headers={"Content-Type": "audio/mpeg"})
        response.content_length = 1000
        await response.prepare(request)
        await response.write(MP3)
        request.transport.abort()
        return response

    upstream.answers("GET", PATH, breaks)
    with pytest.raises(UpstreamUnreachableError):
        await heard(speech(backend))


async def test_a_passing_fault_is_tried_again(upstream, backend):
    upstream.answers("GET", PATH, (503, {"detail": "x"}), body(MP3, "audio/mpeg"))
    assert (await heard(speech(backend)))[1] == MP3


async def test_a_compressed_body_has_no_known_size(upstream, backend):
    async def step(_request):
        response = web.Response(body=MP3, headers={"Content-Type": "audio/mpeg"})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    upstream.answers("GET", PATH, step)
    sound, content = await heard(speech(backend))
    assert (content, sound.size_bytes) == (MP3, None)
