import asyncio
import hashlib

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import read_credential
from service.vocabulary.errors import (
    NotFoundError,
    RequestError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefusedError,
)
from service.vocabulary.requests import LocalFile
from tests.upstream.backends import CALLER
from upstream.slots.calls import AccountCalls
from upstream.slots.queueing import AccountQueues
from upstream.website.audio.transcriptions import UpstreamTranscriptions

PATH = "/backend-api/transcribe"
CREDENTIAL = read_credential("Bearer a-refresh-token", None, None)
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(200_000)


class Tokens:
    async def caller(self, _credential):
        return CALLER


@pytest.fixture
def recording(tmp_path):
    def make(content=WAV, name="Mémo 1.mp3"):
        path = tmp_path / "recording"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return LocalFile(path, name, "audio/mpeg", len(content), digest)

    return make


@pytest.fixture
def transcriptions(backend):
    queues = AccountQueues(UpstreamConfig(), Gauge("w", "", registry=CollectorRegistry()), None)
    return UpstreamTranscriptions(backend, AccountCalls(Tokens(), queues))


async def parts_of(request, raw):
    """Return the parts of a body that was already read."""
    boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
    parts = [part.strip(b"\r\n").partition(b"\r\n\r\n") for part in raw.split(b"--" + boundary)]
    return [(head.decode(), content) for head, _, content in parts if head and head != b"--"]


async def test_the_recording_goes_up_under_a_name_of_ours(upstream, transcriptions, recording):
    upstream.answers("POST", PATH, {"text": "Boats float."})
    assert await transcriptions.transcribe(recording(), "de", CREDENTIAL) == "Boats float."
    request = upstream.requests[0]
    assert request.headers["Authorization"] == f"Bearer {CALLER.access_token}"
    language, file = await parts_of(request, upstream.bodies[0])
    assert ('name="language"' in language[0], language[1]) == (True, b"de")
    assert 'name="file"; filename="audio.wav"' in file[0]
    assert "Content-Type: audio/wav" in file[0]
    assert file[1] == WAV
    assert "Content-Length" in request.headers


async def test_no_language_is_no_field(upstream, transcriptions, recording):
    upstream.answers("POST", PATH, {"text": ""})
    assert await transcriptions.transcribe(recording(), None, CREDENTIAL) == ""
    assert len(await parts_of(upstream.requests[0], upstream.bodies[0])) == 1


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"ID3\x04" + bytes(99), "audio.mp3"),
        (b"\xff\xfb\x90\x00" + bytes(99), "audio.mp3"),
        (b"\xff\xf1\x50\x80" + bytes(99), "audio.aac"),
        (b"OggS" + bytes(99), "audio.ogg"),
        (b"fLaC" + bytes(99), "audio.flac"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "audio.webm"),
        (b"\x00\x00\x00\x18ftypM4A " + bytes(99), "audio.m4a"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(99), "audio.mp4"),
        (b"\x00\x00\x01\xba" + bytes(99), "audio.mpeg"),
    ],
)
async def test_the_bytes_decide_the_name(upstream, transcriptions, recording, content, name):
    upstream.answers("POST", PATH, {"text": "x"})
    await transcriptions.transcribe(recording(content), None, CREDENTIAL)
    (head, got), *_ = await parts_of(upstream.requests[0], upstream.bodies[0])
    assert f'filename="{name}"' in head
    assert got == content


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"words", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04"])
async def test_what_is_no_recording_is_refused_here(upstream, transcriptions, recording, content):
    with pytest.raises(RequestError, match="send flac, m4a") as caught:
        await transcriptions.transcribe(recording(content), None, CREDENTIAL)
    assert (caught.value.param, caught.value.code) == ("file", "invalid_attachment")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ((404, {"detail": "Not Found"}), (NotFoundError, "writes no recordings down")),
        ((501, {"detail": "Not Implemented"}), (NotFoundError, "writes no recordings down")),
        ((429, {"detail": "Too many."}), (UpstreamRefusedError, "rate limit")),
        ((400, {"detail": "Unable to process."}), (UpstreamRefusedError, "Unable to process")),
        ({"words": "Boats."}, (UpstreamProtocolError, "no text")),
        ({"text": None}, (UpstreamProtocolError, "no text")),
        ((200, b"Boats float."), (UpstreamError, "could not answer")),
    ],
)
async def test_an_answer_without_a_text_is_an_error(
    upstream, transcriptions, recording, step, error
):
    kind, words = error
    upstream.answers("POST", PATH, step)
    with pytest.raises(kind, match=words):
        await transcriptions.transcribe(recording(), None, CREDENTIAL)


async def test_a_passing_fault_sends_the_whole_file_again(upstream, transcriptions, recording):
    async def breaks(request):
        request.transport.abort()
        await asyncio.sleep(0)
        return web.Response()

    upstream.answers("POST", PATH, (503, {"detail": "x"}), breaks, {"text": "Boats."})
    assert await transcriptions.transcribe(recording(), None, CREDENTIAL) == "Boats."
    contents = [
        (await parts_of(request, raw))[0][1]
        for request, raw in zip(upstream.requests, upstream.bodies, strict=True)
    ]
    assert contents == [WAV] * 3
