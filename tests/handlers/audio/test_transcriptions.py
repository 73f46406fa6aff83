import logging
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from handlers.audio import transcriptions as module
from service.vocabulary.errors import ServiceError, UpstreamTimeoutError
from service.vocabulary.requests import LocalFile
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings

# aiohttp rolls its own streams back with a method that it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

PATH = "/v1/audio/transcriptions"
SOUND = b"RIFF\x00\x00\x00\x00WAVEfmt "
TEXT = "Boats float. 船。"


@dataclass
class ScriptedTranscriptions:
    """Transcribes every recording alike, after reading it."""

    answer: str | ServiceError = TEXT
    asked: list[tuple[str, bytes, str | None]] = field(default_factory=list)

    async def transcribe(self, recording: LocalFile, language: str | None, _credential: Any) -> str:
        self.asked.append((recording.name, recording.path.read_bytes(), language))
        if isinstance(self.answer, ServiceError):
            raise self.answer
        return self.answer


@pytest.fixture
def transcriptions(around: Surroundings, tmp_path: Path) -> ScriptedTranscriptions:
    around.folder = tmp_path
    around.transcriptions = made = ScriptedTranscriptions()
    return made


def form(content: bytes | None = SOUND, **fields: str) -> FormData:
    data = FormData(quote_fields=False, default_to_multipart=True)
    for name, value in fields.items():
        data.add_field(name, value)
    if content is not None:
        data.add_field("file", BytesIO(content), filename="memo.wav", content_type="audio/wav")
    return data


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_recording_becomes_text(
    serve: Serve, transcriptions: ScriptedTranscriptions, tmp_path: Path
) -> None:
    client = await serve()
    data = form(model="whisper-1", language="de", prompt="boats", temperature="0")
    async with client.post(PATH, data=data, headers=BEARER) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert await response.json() == {"text": TEXT}
        assert response.headers["x-ignored-fields"] == "prompt, temperature"
    assert transcriptions.asked == [("memo.wav", SOUND, "de")]
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("fields", "kind", "body"),
    [
        ({"response_format": "json"}, "application/json", f'{{"text":"{TEXT}"}}'),
        ({"response_format": "text"}, "text/plain", f"{TEXT}\n"),
        ({"response_format": "", "stream": "false"}, "application/json", f'{{"text":"{TEXT}"}}'),
        (
            {"stream": "true"},
            "text/event-stream",
            f'data: {{"type":"transcript.text.delta","delta":"{TEXT}"}}\n\n'
            f'data: {{"type":"transcript.text.done","text":"{TEXT}"}}\n\n',
        ),
    ],
)
async def test_there_are_three_ways_to_answer(
    serve: Serve,
    transcriptions: ScriptedTranscriptions,
    fields: dict[str, str],
    kind: str,
    body: str,
) -> None:
    client = await serve()
    async with client.post(PATH, data=form(**fields), headers=BEARER) as response:
        assert (response.status, response.content_type) == (200, kind)
        assert await response.text() == body
    assert transcriptions.asked[0][2] is None


@pytest.mark.usefixtures("transcriptions")
async def test_times_that_nobody_knows_are_left_out(serve: Serve) -> None:
    client = await serve()
    wanted = {"timestamp_granularities[]": "segment", "include[]": "logprobs"}
    verbose = {**wanted, "response_format": "verbose_json", "language": "de"}
    for fields, more in (
        (wanted, {}),
        (verbose, {"task": "transcribe", "language": "de", "duration": None}),
    ):
        async with client.post(PATH, data=form(**fields), headers=BEARER) as response:
            assert await response.json() == {"text": TEXT, **more}
            assert response.headers["x-ignored-fields"] == ", ".join(wanted)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ((None, {"model": "x"}), ("file", "required")),
        ((None, {"file": "words"}), ("file", "with a file name")),
        ((b"", {}), ("file", "empty")),
        ((SOUND, {"response_format": "srt"}), ("response_format", "no times")),
        ((SOUND, {"language": "no language"}), ("language", "code such as 'en'")),
        ((SOUND, {"stream": "maybe"}), ("stream", "true nor false")),
    ],
)
async def test_a_wrong_form_is_a_400_that_names_the_part(
    serve: Serve,
    transcriptions: ScriptedTranscriptions,
    sent: tuple[bytes | None, dict[str, str]],
    told: tuple[str, str],
    tmp_path: Path,
) -> None:
    (content, fields), (param, words) = sent, told
    client = await serve()
    async with client.post(PATH, data=form(content, **fields), headers=BEARER) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, param)
    assert words in error["message"]
    assert transcriptions.asked == []
    assert left(tmp_path) == []


async def test_a_body_that_is_no_form_is_refused(
    serve: Serve, transcriptions: ScriptedTranscriptions
) -> None:
    client = await serve()
    async with client.post(PATH, json={"model": "whisper-1"}, headers=BEARER) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "unsupported_media_type")
    assert transcriptions.asked == []


async def test_recordings_have_a_limit(
    serve: Serve, transcriptions: ScriptedTranscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(module, "MAX_FIELD_BYTES", 1000)
    client = await serve()
    for size, words in ((1001, "over the limit of 1000 bytes"), (3000, "limit of 2000 bytes")):
        data = form(SOUND + bytes(size))
        async with client.post(PATH, data=data, headers=BEARER) as response:
            error = (await response.json())["error"]
        assert (response.status, error["code"]) == (413, "body_size_exceeded")
        assert words in error["message"]
    assert transcriptions.asked == []


async def test_a_dead_key_is_told_before_the_recording_is_read(
    serve: Serve, transcriptions: ScriptedTranscriptions
) -> None:
    client = await serve()
    dead = {"Authorization": "Bearer dead"}
    async with client.post(PATH, data=form(b"%PDF"), headers=dead) as response:
        assert response.status == 401
    assert transcriptions.asked == []


async def test_what_fails_upstream_is_told_counted_and_logged(
    serve: Serve,
    transcriptions: ScriptedTranscriptions,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    transcriptions.answer = UpstreamTimeoutError("Too slow.")
    client = await serve()
    with caplog.at_level(logging.INFO, "gateway.access"):
        async with client.post(PATH, data=form(), headers=BEARER) as response:
            assert response.status == 504
    line: Any = caplog.records[-1]
    assert (line.outcome, line.path) == ("silent", PATH)
    async with client.get("/metrics") as metrics:
        text = await metrics.text()
    assert 'gateway_requests_total{route="/v1/audio/transcriptions",status="504"} 1.0' in text
    assert left(tmp_path) == []
