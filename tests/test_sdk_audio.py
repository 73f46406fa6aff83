"""The official Python SDK with speech and recordings, against gateway and demo."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway, running_demo
from upstream.demo.ground.options import DemoOptions
from upstream.demo.website.sounds import lyrics_of

# aiohttp rewinds its own streams by a method that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

TEXT = "Boats float. They said: “Draw a cat” — 船会漂浮。"
MODEL: Any = "gpt-4o-mini-tts"


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, upstream={"retries": 0})


@pytest.fixture
async def sdk(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    base = f"{gateway.url}/v1"
    async with AsyncOpenAI(api_key="ada-s-refresh-token", base_url=base, max_retries=0) as client:
        yield client


async def stats(demo: str, gateway: Gateway) -> Any:
    async with gateway.session.get(f"{demo}/demo/stats") as response:
        return await response.json()


def tone(seconds: float = 1.0) -> bytes:
    """Return a WAV file made by the standard library."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        half = b"\x00\x40" * 10 + b"\x00\xc0" * 10
        file.writeframes(half * int(400 * seconds))
    return content.getvalue()


async def test_a_text_is_read_aloud_and_written_down_again(
    sdk: AsyncOpenAI, demo: str, gateway: Gateway, tmp_path: Path
) -> None:
    formats: Any = {"mp3": "audio/mpeg", "aac": "audio/aac", "opus": "audio/ogg"}
    for name, kind in formats.items():
        spoken = await sdk.audio.speech.create(
            model=MODEL, voice="alloy", input=TEXT, response_format=name, speed=1.5
        )
        assert spoken.response.headers["Content-Type"] == kind
        assert spoken.response.headers["x-ignored-fields"] == "speed"
        assert lyrics_of(spoken.content) == TEXT
        heard = await sdk.audio.transcriptions.create(
            model="whisper-1", file=(f"speech.{name}", spoken.content), prompt="boats"
        )
        assert heard.text == TEXT
    seen = await stats(demo, gateway)
    assert (seen["turns"]["by_scenario"], seen["spoken"]) == ({"repeat": 3}, 3)
    path = tmp_path / "speech.mp3"
    streamed = sdk.audio.speech.with_streaming_response
    async with streamed.create(model=MODEL, voice="sage", input=TEXT) as response:
        await response.stream_to_file(path)
    assert lyrics_of(path.read_bytes()) == TEXT


async def test_an_answer_that_is_there_is_read_without_a_turn(
    sdk: AsyncOpenAI, demo: str, gateway: Gateway
) -> None:
    chat: Any = await sdk.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "6*7"}]
    )
    ids = {"conversation_id": chat.conversation_id, "message_id": chat.message_id}
    spoken = await sdk.audio.speech.create(model=MODEL, voice="echo", input="", extra_body=ids)
    assert lyrics_of(spoken.content) == chat.choices[0].message.content
    assert (await stats(demo, gateway))["turns"]["total"] == 1
    with pytest.raises(openai.NotFoundError, match="no such message in a conversation"):
        await sdk.with_options(api_key="bob-s-refresh-token").audio.speech.create(
            model=MODEL, voice="echo", input="", extra_body=ids
        )


async def test_sound_goes_out_while_it_comes_in(start_gateway: StartGateway) -> None:
    slow = DemoOptions(delay_seconds=0.1)
    async with running_demo(slow) as address:
        gateway = await start_gateway(address, conversation={"delete_after_response": True})
        url, at = f"{gateway.url}/v1/audio/speech", asyncio.get_running_loop().time
        headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
        body = {"model": MODEL, "voice": "alloy", "input": "Boats float. " * 5}
        async with gateway.session.post(url, json=body, headers=headers) as response:
            times = [at() async for _ in response.content.iter_any()]
        assert times[-1] - times[0] > 0.2
        assert response.headers["Transfer-Encoding"] == "chunked"
        # The chat exists while it is read aloud, and is hidden afterwards.
        async with asyncio.timeout(20):
            while not (seen := await stats(address, gateway))["hidden"]:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        assert len(seen["hidden"]) == 1


async def test_what_a_model_would_not_repeat_is_not_read(
    sdk: AsyncOpenAI, demo: str, gateway: Gateway
) -> None:
    with pytest.raises(openai.BadRequestError, match="did not repeat the text") as caught:
        await sdk.audio.speech.create(model=MODEL, voice="alloy", input="Hi. /scene disobedient")
    assert (caught.value.code, caught.value.param) == ("text_not_repeated", "input")
    assert (await stats(demo, gateway))["spoken"] == 0
    with pytest.raises(openai.APIStatusError) as failed:
        await sdk.audio.speech.create(model=MODEL, voice="alloy", input="Hi. /fault 413")
    assert (failed.value.status_code, failed.value.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("absent", openai.NotFoundError, "does not read this message aloud"),
        ("busy", openai.RateLimitError, "rate limit"),
        ("page", openai.InternalServerError, "web page"),
        ("empty", openai.InternalServerError, "sent no sound"),
    ],
)
async def test_a_reading_that_fails_says_why(
    sdk: AsyncOpenAI, fault: str, kind: type[openai.APIStatusError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await sdk.audio.speech.create(model=MODEL, voice="alloy", input=f"Hi. /fault voice:{fault}")


async def test_sound_that_breaks_off_does_not_look_whole(
    sdk: AsyncOpenAI, gateway: Gateway
) -> None:
    with pytest.raises(openai.APIConnectionError):
        await sdk.audio.speech.create(model=MODEL, voice="alloy", input="Hi. /fault voice:cut")
    assert await gateway.outcomes() == {"failed": 1}


@pytest.mark.parametrize(
    ("name", "offered"), [("wav", "'mp3', 'aac', 'opus'"), ("flac", "'mp3', 'aac', 'opus'")]
)
async def test_a_format_that_the_upstream_does_not_know_is_refused_with_those_it_does(
    sdk: AsyncOpenAI, name: Any, offered: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=offered):
        await sdk.audio.speech.create(model=MODEL, voice="alloy", input="Hi.", response_format=name)


async def test_temporary_chats_are_not_read(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo, conversation={"temporary": True})
    async with AsyncOpenAI(api_key="ada", base_url=f"{gateway.url}/v1", max_retries=0) as sdk:
        with pytest.raises(openai.NotFoundError, match=r"conversation\.temporary"):
            await sdk.audio.speech.create(model=MODEL, voice="alloy", input="Hi.")
    assert (await stats(demo, gateway))["turns"]["total"] == 0


async def test_a_recording_goes_upstream_as_it_is(sdk: AsyncOpenAI, tmp_path: Path) -> None:
    (tmp_path / "memo").write_bytes(tone())
    heard = await sdk.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=tmp_path / "memo", language="de"
    )
    digest = sha256(tone()).hexdigest()[:16]
    size = len(tone())
    assert heard.text == f"Demo: audio/wav, {size} bytes, SHA-256 {digest}. Language de."
    assert [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()] == []


async def test_a_transcription_is_text_or_json_or_events(sdk: AsyncOpenAI) -> None:
    file = ("memo.wav", tone())
    create = sdk.audio.transcriptions.create
    whole = await create(model="whisper-1", file=file)
    text: Any = await create(model="whisper-1", file=file, response_format="text")
    assert text == f"{whole.text}\n"
    events = [event async for event in await create(model="whisper-1", file=file, stream=True)]
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == whole.text


async def test_what_cannot_be_written_down_is_refused(
    sdk: AsyncOpenAI, demo: str, gateway: Gateway
) -> None:
    create, file = sdk.audio.transcriptions.create, ("memo.wav", tone())
    with pytest.raises(
        openai.BadRequestError, match="use 'json', 'text' or 'verbose_json'"
    ) as caught:
        await create(model="whisper-1", file=file, response_format="srt")
    assert caught.value.param == "response_format"
    with pytest.raises(openai.BadRequestError, match="no recording that can be read") as caught:
        await create(model="whisper-1", file=("a.mp3", b"%PDF-1.7"))
    assert (caught.value.code, caught.value.param) == ("invalid_attachment", "file")
    deprecated = pytest.warns(DeprecationWarning, match="deprecated")
    with deprecated, pytest.raises(openai.NotFoundError, match="translate"):
        await sdk.audio.translations.create(model="whisper-1", file=file)
    assert (await stats(demo, gateway))["transcribed"] == 0


async def test_a_dead_access_token_is_renewed_for_both(
    sdk: AsyncOpenAI, demo: str, gateway: Gateway
) -> None:
    chat: Any = await sdk.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "6*7"}]
    )
    ids = {"conversation_id": chat.conversation_id, "message_id": chat.message_id}
    for work in (
        lambda: sdk.audio.transcriptions.create(model="whisper-1", file=("memo.wav", tone())),
        lambda: sdk.audio.speech.create(model=MODEL, voice="alloy", input="", extra_body=ids),
        lambda: sdk.audio.speech.create(model=MODEL, voice="alloy", input="Hi."),
    ):
        async with gateway.session.post(f"{demo}/demo/revoke", json={"all": True}) as response:
            assert (await response.json())["revoked"] == 1
        await work()
    assert (await stats(demo, gateway))["refreshes"]["total"] == 4
    with pytest.raises(openai.AuthenticationError):
        await sdk.with_options(api_key="dead-token").audio.transcriptions.create(
            model="whisper-1", file=("memo.wav", tone())
        )


async def test_the_synchronous_client_does_both(gateway: Gateway) -> None:
    def work() -> str:
        with OpenAI(api_key="ada", base_url=f"{gateway.url}/v1", max_retries=0) as sdk:
            spoken = sdk.audio.speech.create(model="tts-1", voice="shimmer", input=TEXT)
            file = io.BytesIO(spoken.read())
            file.name = "speech.mp3"
            return sdk.audio.transcriptions.create(model="whisper-1", file=file).text

    assert await asyncio.to_thread(work) == TEXT
