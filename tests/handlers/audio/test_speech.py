import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientPayloadError

from handlers.edge.record import CALLER_GONE
from service.orders.speech import MAX_CHARS, repeating
from service.ports import Sound
from service.vocabulary.errors import NotFoundError, ServiceError, UpstreamUnreachableError
from service.vocabulary.requests import SpeechOrder, StoredMessage
from tests.gateway import until
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings

PATH = "/v1/audio/speech"
BODY = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Boats float."}


@dataclass
class ScriptedSpeech:
    """Sends pieces of a sound, waits for events, and raises errors, in order."""

    steps: list[bytes | ServiceError | asyncio.Event] = field(default_factory=lambda: [b"a", b"b"])
    size_bytes: int | None = None
    orders: list[SpeechOrder] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def speak(self, order: SpeechOrder, _credential: Any) -> AsyncIterator[Sound]:
        self.orders.append(order)
        try:
            if self.steps and isinstance(self.steps[0], ServiceError):
                raise self.steps[0]
            yield Sound("audio/mpeg", self.size_bytes, self._chunks())
        finally:
            self.closed.set()

    async def _chunks(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, ServiceError):
                raise step
            else:
                yield step


@pytest.fixture
def speech(around: Surroundings) -> ScriptedSpeech:
    around.speech = made = ScriptedSpeech()
    return made


async def test_sound_is_passed_on_with_its_type(serve: Serve, speech: ScriptedSpeech) -> None:
    client = await serve()
    body = BODY | {"speed": 1.25, "instructions": "Whisper."}
    async with client.post(PATH, json=body, headers=BEARER) as response:
        assert (response.status, response.content_type) == (200, "audio/mpeg")
        assert response.headers["x-ignored-fields"] == "speed, instructions"
        assert response.headers["x-request-id"]
        assert await response.read() == b"ab"
    order = speech.orders[0]
    assert (order.voice, order.format, order.text) == ("cove", "mp3", "Boats float.")
    assert order.chat is not None
    assert order.chat.model == "gpt-3.5-turbo"
    assert order.chat.messages[0].text == repeating("Boats float.")


async def test_a_known_size_is_told(serve: Serve, speech: ScriptedSpeech) -> None:
    speech.size_bytes = 2
    client = await serve()
    async with client.post(PATH, json=BODY, headers=BEARER) as response:
        assert response.headers["Content-Length"] == "2"
        assert await response.read() == b"ab"


async def test_sound_is_not_held(serve: Serve, speech: ScriptedSpeech) -> None:
    more = asyncio.Event()
    speech.steps = [b"first", more, b"second"]
    client = await serve()
    async with client.post(PATH, json=BODY, headers=BEARER) as response:
        assert await response.content.readany() == b"first"
        more.set()
        assert await response.content.read() == b"second"


@pytest.mark.parametrize(
    ("fields", "voice", "kind"),
    [
        ({}, "cove", "mp3"),
        ({"voice": None, "response_format": None}, "cove", "mp3"),
        ({"voice": " Shimmer "}, "juniper", "mp3"),
        ({"voice": "ember", "response_format": "opus"}, "ember", "opus"),
        ({"response_format": "wav", "stream_format": "audio"}, "cove", "wav"),
        ({"model": None}, "cove", "mp3"),
        ({"input": "x" * MAX_CHARS}, "cove", "mp3"),
    ],
)
async def test_voice_and_format_have_defaults(
    serve: Serve, speech: ScriptedSpeech, fields: dict[str, Any], voice: str, kind: str
) -> None:
    client = await serve()
    async with client.post(PATH, json=BODY | fields, headers=BEARER) as response:
        assert response.status == 200, await response.text()
    assert (speech.orders[0].voice, speech.orders[0].format) == (voice, kind)


async def test_an_answer_is_read_by_its_ids(serve: Serve, speech: ScriptedSpeech) -> None:
    client = await serve()
    body = {"model": "tts-1", "voice": "alloy", "conversation_id": "c-1", "message_id": "m-1"}
    async with client.post(PATH, json=body, headers=BEARER) as response:
        assert response.status == 200
    assert speech.orders[0].message == StoredMessage("c-1", "m-1")
    assert speech.orders[0].chat is None


WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"input": ""}, "input", "say what to read"),
    ({"input": " \n"}, "input", "say what to read"),
    ({"input": None}, "input", "expected a string"),
    ({"input": "x" * (MAX_CHARS + 1)}, "input", "4097; send it in parts"),
    ({"voice": "robot"}, "voice", "'alloy', 'ash'"),
    ({"voice": {"id": "voice_1"}}, "voice", "this is no voice"),
    ({"response_format": "mp4"}, "response_format", "'mp3', 'aac'"),
    ({"stream_format": "sse"}, "stream_format", "only 'audio'"),
    ({"speed": "fast"}, "speed", "expected a number"),
    ({"model": " "}, "model", "name of a model"),
    ({"message_id": "m"}, "conversation_id", "required beside"),
    ({"conversation_id": "c"}, "message_id", "required beside"),
    ({"conversation_id": "c", "message_id": "m"}, "input", "not both"),
    ({"conversation_id": "../c", "message_id": "m"}, "conversation_id", "expected an id"),
]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    WRONG_FIELDS,
)
async def test_a_wrong_field_is_a_400_that_names_it(
    serve: Serve, speech: ScriptedSpeech, fields: dict[str, Any], param: str, words: str
) -> None:
    client = await serve()
    async with client.post(PATH, json=BODY | fields, headers=BEARER) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, param)
    assert words in error["message"]
    assert speech.orders == []


async def test_no_key_is_a_401(serve: Serve, speech: ScriptedSpeech) -> None:
    client = await serve()
    async with client.post(PATH, json=BODY) as response:
        assert response.status == 401
    assert speech.orders == []


async def test_what_fails_before_a_sound_is_an_error_object(
    serve: Serve, speech: ScriptedSpeech, caplog: pytest.LogCaptureFixture
) -> None:
    speech.steps = [NotFoundError("The upstream has no speech.")]
    client = await serve()
    with caplog.at_level(logging.INFO, "gateway.access"):
        async with client.post(PATH, json=BODY, headers=BEARER) as response:
            assert response.status == 404
            assert (await response.json())["error"]["message"] == "The upstream has no speech."
    line: Any = caplog.records[-1]
    assert (line.outcome, line.model, line.status) == ("refused", "gpt-3.5-turbo", 404)
    async with client.get("/metrics") as metrics:
        text = await metrics.text()
    assert 'gateway_requests_total{route="/v1/audio/speech",status="404"} 1.0' in text
    assert 'gateway_outcomes_total{outcome="refused"} 1.0' in text


async def test_sound_that_breaks_off_ends_the_connection(
    serve: Serve, speech: ScriptedSpeech, caplog: pytest.LogCaptureFixture
) -> None:
    speech.steps = [b"first", UpstreamUnreachableError("It broke.")]
    client = await serve()
    async with client.post(PATH, json=BODY, headers=BEARER) as response:
        with pytest.raises(ClientPayloadError):
            await response.read()
    assert "speech broke off while it was sent: It broke." in caplog.text


async def test_a_caller_that_leaves_closes_the_sound(
    serve: Serve, speech: ScriptedSpeech, caplog: pytest.LogCaptureFixture
) -> None:
    speech.steps = [b"first", asyncio.Event()]
    client = await serve()
    with caplog.at_level(logging.INFO, "gateway.access"):
        async with client.post(PATH, json=BODY, headers=BEARER) as response:
            await response.content.readany()
        await asyncio.wait_for(speech.closed.wait(), 20)
        await until(lambda: any(record.name == "gateway.access" for record in caplog.records))
    line: Any = caplog.records[-1]
    assert (line.outcome, line.status) == ("abandoned", CALLER_GONE)
