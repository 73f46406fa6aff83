"""Programs that are not run with each test, by the rules that their own code reads answers by."""

import json
from io import BytesIO
from typing import Any

import pytest
from aiohttp import FormData

from tests.clients.readers import READERS
from tests.conftest import StartGateway
from tests.gateway import Answer, Gateway
from tests.scripted_upstream import Pause, ScriptedUpstream
from tests.wire.test_streams import DONE, message

QUESTIONS = (
    "Hello",
    "分步",
    "emoji",
    "think about boats",
    "search for boats",
    "run code for 6*7",
    "draw a boat of 64x64",
    "long 300",
)
USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, models={"gpt-4o": "gpt-4o"}, upstream={"retries": 0})


@pytest.mark.parametrize("name", READERS)
async def test_a_reader_shows_what_the_whole_answer_says(name: str, gateway: Gateway) -> None:
    for question in QUESTIONS:
        streamed = await gateway.chat(question, stream=True, **USAGE)
        assert streamed.headers["Content-Type"].startswith("text/event-stream")
        shown = READERS[name](streamed.body)
        assert shown.text == streamed.text
        if "draw" not in question:  # links differ
            whole = (await gateway.chat(question)).json
            assert shown.text == whole["choices"][0]["message"]["content"]
            if name in ("NextChat", "Open WebUI", "AstrBot"):
                thought = whole["choices"][0]["message"].get("reasoning_content", "")
                assert shown.reasoning == thought
        if name != "NextChat":
            assert shown.usage is not None
            assert shown.usage["completion_tokens"] > 0


@pytest.mark.parametrize("name", READERS)
async def test_a_reader_outlasts_pings_long_lines_and_odd_separators(
    name: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    text = "first\u2028second\u2029third\u0085fourth " + "文" * 70_000
    scripted.plays(message(text[:5]), Pause(0.3), message(text, is_last=True), DONE)
    settings = {"keep_alive_seconds": 0.05, "keep_alive_chunk_seconds": 0.1}
    gateway = await start_gateway(scripted.url, stream=settings)
    answer = await gateway.chat(stream=True, **USAGE)
    assert b": ping" in answer.body
    assert READERS[name](answer.body).text == text


@pytest.mark.parametrize("name", ["Open WebUI", "CowAgent"])
async def test_a_reader_of_errors_sees_the_one_that_cut_the_answer(
    name: str, gateway: Gateway
) -> None:
    answer = await gateway.chat("long 100 /fault cut 30", stream=True)
    shown = READERS[name](answer.body)
    assert shown.text == answer.text
    assert answer.error is not None
    assert shown.error == answer.error["message"]


# --- whole answers --------------------------------------------------------------------


def assert_one_api_takes(answer: Answer) -> None:
    """songquanpeng/one-api, controller/channel-test.go: the check of a channel."""
    body = answer.json
    assert answer.status == 200
    assert body.get("error") is None
    assert body["choices"]
    assert isinstance(body["choices"][0]["message"]["content"], str)
    assert body["usage"]["total_tokens"] > 0


async def test_one_api_s_check_of_a_channel_passes_for_each_model(gateway: Gateway) -> None:
    async with gateway.session.get(
        f"{gateway.url}/v1/models", headers={"Authorization": "Bearer fk-one-api"}
    ) as response:
        models = (await response.json())["data"]
    for model in models:
        answer = await gateway.chat("hi", model=model["id"], max_tokens=2, stream=False)
        assert_one_api_takes(answer)


# one-api's monitor/manage.go: what switches a channel off, besides the status 401.
BANNING_TYPES = {
    "insufficient_quota",
    "authentication_error",
    "permission_error",
    "forbidden",
}
BANNING_CODES = {"invalid_api_key", "account_deactivated"}
BANNING_WORDS = ("credit", "balance", "permission denied", "your access was terminated")
PASSING = (
    "/fault 429 5",
    "/fault 500",
    "/fault 502",
    "/fault 503",
    "/fault 403html",
    "/fault cut 0",
)


@pytest.mark.parametrize("fault", PASSING)
async def test_a_passing_fault_does_not_switch_a_channel_off(fault: str, gateway: Gateway) -> None:
    answer = await gateway.chat(fault)
    assert answer.status != 401
    error = answer.json["error"]
    assert error["type"] not in BANNING_TYPES
    assert error["code"] not in BANNING_CODES
    assert not [word for word in BANNING_WORDS if word in error["message"].lower()]


async def test_a_dead_key_does_switch_it_off(gateway: Gateway) -> None:
    answer = await gateway.chat("Hello", token="dead-token")
    assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")


async def test_astrbot_and_lobe_can_sort_and_format_the_models(gateway: Gateway) -> None:
    async with gateway.session.get(f"{gateway.url}/v1/models") as response:
        models = json.loads(await response.read())["data"]
    assert sorted(model["id"] for model in models)
    assert all(f"{model['created']:.0f}" for model in models)


async def test_cow_agent_gets_a_picture_s_link_that_opens_without_a_key(gateway: Gateway) -> None:
    async with gateway.session.post(
        f"{gateway.url}/v1/images/generations",
        json={"prompt": "a boat", "n": 1, "size": "64x64"},
        headers={"Authorization": "Bearer fk-cow"},
    ) as response:
        url = (await response.json())["data"][0]["url"]
    async with gateway.session.get(url) as picture:
        assert picture.status == 200
        assert picture.content_type == "image/png"


# --- speech and recordings ------------------------------------------------------------

SPEECH = {
    # app/client/platforms/openai.ts: speech. It plays the bytes, whatever the status.
    "NextChat": {"model": "tts-1", "voice": "alloy", "response_format": "mp3", "speed": 1},
    # voice/openai/openai_voice.py: textToVoice. It stores them as .mp3, whatever the status.
    "CowAgent": {"model": "tts-1", "voice": "alloy"},
    # backend/open_webui/routers/audio.py: speech. It raises for a status, and reads the error.
    "Open WebUI": {"model": "tts-1", "voice": "alloy"},
}
BEARER = {"Authorization": "Bearer fk-a-program"}


async def test_what_programs_ask_to_be_read_aloud_is_an_mp3(gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/audio/speech"
    for fields in SPEECH.values():
        body = {**fields, "input": "Boats float. 船。"}
        async with gateway.session.post(url, json=body, headers=BEARER) as response:
            assert (response.status, response.content_type) == (200, "audio/mpeg")
            assert (await response.read()).startswith(b"ID3")


async def test_astrbot_is_told_what_to_ask_for_in_place_of_wav(gateway: Gateway) -> None:
    # openai_tts_api_source.py: get_audio asks for WAV, and nothing else can be set there.
    body = {"model": "tts-1", "voice": "alloy", "response_format": "wav", "input": "Boats."}
    url = f"{gateway.url}/v1/audio/speech"
    async with gateway.session.post(url, json=body, headers=BEARER) as response:
        assert response.status == 400  # so that the SDK raises, and no file is written
        assert "'mp3'" in (await response.json())["error"]["message"]


async def test_open_webui_gets_an_error_where_it_asks_for_voices(gateway: Gateway) -> None:
    # audio.py: get_available_voices takes its own list when this is no JSON of voices.
    async with gateway.session.get(f"{gateway.url}/v1/audio/voices") as response:
        assert response.status == 404
        assert "error" in await response.json()


async def test_a_recording_is_heard_as_programs_send_it(gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/audio/transcriptions"
    sound = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100)
    forms = (
        # CowAgent, openai_voice.py: voiceToText; Open WebUI, audio.py: transcribe: by `requests`,
        # which names no type.
        {"model": "gpt-4o-mini-transcribe", "filename": "voice.wav", "type": None},
        # AstrBot, openai_whisper_api_source.py: get_text, by the SDK.
        {"model": "whisper-1", "filename": "audio.wav", "type": "application/octet-stream"},
    )
    for fields in forms:
        form = FormData(default_to_multipart=True)
        form.add_field("model", fields["model"])
        form.add_field(
            "file", BytesIO(sound), filename=fields["filename"], content_type=fields["type"]
        )
        async with gateway.session.post(url, data=form, headers=BEARER) as response:
            assert response.status == 200
            assert (await response.json())["text"].startswith("Demo: audio/wav, 116 bytes")
