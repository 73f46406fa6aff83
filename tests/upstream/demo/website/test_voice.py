"""Speaking and listening, over a real socket."""

from typing import Any

import pytest
from aiohttp import ClientPayloadError, FormData

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import BEARER
from upstream.demo.website.sounds import lyrics_of

REPEAT = "Repeat the text between the lines word for word.\n\n<text>\n{}\n</text>"


async def said(asker: Asker, text: str = "Boats float.", **fields: Any) -> dict[str, str]:
    """Let the demo say a text; return how to ask for its reading."""
    stream = await asker.ask(REPEAT.format(text), **fields)
    assert stream.text == text
    ended = stream.typed("message_stream_complete")[0]
    return {
        "conversation_id": ended["conversation_id"],
        "message_id": stream.answers()[-1]["id"],
        "voice": "cove",
        "format": "mp3",
    }


async def spoken(asker: Asker, query: dict[str, str], headers: Any = BEARER) -> Any:
    url = f"{asker.base}/backend-api/synthesize"
    async with asker.session.get(url, params=query, headers=headers) as response:
        body = await response.read()
        is_json = response.content_type == "application/json"
        return response.status, response.content_type, await response.json() if is_json else body


async def written(asker: Asker, content: bytes, kind: str = "audio/mpeg", **more: str) -> Any:
    form = FormData()
    form.add_field("file", content, filename="a.mp3", content_type=kind)
    for name, value in more.items():
        form.add_field(name, value)
    url = f"{asker.base}/backend-api/transcribe"
    async with asker.session.post(url, data=form, headers=BEARER) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(("name", "kind"), [("mp3", "audio/mpeg"), ("aac", "audio/aac")])
async def test_a_message_is_read_aloud_and_written_down_again(
    asker: Asker, name: str, kind: str
) -> None:
    query = await said(asker, "Boats float. 船。") | {"format": name}
    status, found, recording = await spoken(asker, query)
    assert (status, found, lyrics_of(recording)) == (200, kind, "Boats float. 船。")
    assert await written(asker, recording) == (200, {"text": "Boats float. 船。"})
    stats = await asker.stats()
    assert (stats["spoken"], stats["transcribed"]) == (1, 1)


async def test_opus_comes_as_a_signed_link(asker: Asker) -> None:
    _, _, answer = await spoken(asker, await said(asker) | {"format": "opus"})
    assert not answer["download_url"].startswith(asker.base)
    async with asker.session.get(answer["download_url"]) as response:
        assert lyrics_of(await response.read()) == "Boats float."


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"voice": "alloy"}, 422),
        ({"format": "wav"}, 422),
        ({"message_id": "no-such-id"}, 404),
        ({"conversation_id": "no-such-id"}, 404),
    ],
)
async def test_what_is_not_there_is_refused(
    asker: Asker, changes: dict[str, str], status: int
) -> None:
    found, _, answer = await spoken(asker, await said(asker) | changes)
    assert (found, "detail" in answer) == (status, True)


async def test_only_answers_of_ones_own_that_are_kept_are_read(asker: Asker) -> None:
    query = await said(asker)
    stranger = {"Authorization": "Bearer fk-somebody-else"}
    assert (await spoken(asker, query, stranger))[0] == 404
    temporary = await said(asker, history_and_training_disabled=True)
    assert (await spoken(asker, temporary))[0] == 404
    talk = await asker.get(f"/backend-api/conversation/{query['conversation_id']}")
    messages = [node["message"] for node in talk["mapping"].values() if node["message"]]
    asked = next(one["id"] for one in messages if one["author"]["role"] == "user")
    assert (await spoken(asker, query | {"message_id": asked}))[0] == 404


@pytest.mark.parametrize(
    ("fault", "status"), [("absent", 404), ("busy", 429), ("page", 503), ("empty", 200)]
)
async def test_a_reading_breaks_when_it_is_asked_to(asker: Asker, fault: str, status: int) -> None:
    found, kind, body = await spoken(asker, await said(asker, f"/fault voice:{fault} Boats."))
    assert found == status
    assert (kind, body) == ("audio/mpeg", b"") if fault == "empty" else body


async def test_a_reading_breaks_off(asker: Asker) -> None:
    with pytest.raises(ClientPayloadError):
        await spoken(asker, await said(asker, "/fault voice:cut Boats."))


async def test_another_recording_is_told_by_what_it_is(asker: Asker) -> None:
    status, answer = await written(asker, b"RIFF....WAVE", "audio/wav", language="de")
    assert status == 200
    assert answer["text"].startswith("Demo: audio/wav, 12 bytes, SHA-256 ")
    assert answer["text"].endswith(" Language de.")


@pytest.mark.parametrize(("content", "status"), [(b"", 422), (b"%PDF-1.7", 400)])
async def test_what_is_no_recording_is_refused(asker: Asker, content: bytes, status: int) -> None:
    assert (await written(asker, content))[0] == status


async def test_a_body_without_a_form_is_refused(asker: Asker) -> None:
    async with asker.post("/backend-api/transcribe", {}) as response:
        assert response.status == 422


async def test_there_are_voices(asker: Asker) -> None:
    voices = (await asker.get("/backend-api/settings/voices"))["voices"]
    assert {"voice": "cove", "name": "Cove"} in voices
