"""`POST /v1/responses` before the demo upstream: pictures, files, citations, thoughts."""

import base64
import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read
from tests.response_events import check_response, checked, text_of, types_of

HEADERS = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
STREAMED = pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo)


async def respond(gateway: Gateway, given: Any, **body: Any) -> Answer:
    async with gateway.session.post(
        f"{gateway.url}/v1/responses",
        json={"model": "gpt-4o", "input": given, **body},
        headers=HEADERS,
    ) as response:
        return await read(response)


def response_in(got: Answer) -> dict[str, Any]:
    assert got.status == 200, got.body
    found = checked(got.body)[-1]["response"] if got.is_stream else got.json
    check_response(found)
    return dict(found)


async def last_turn(demo: str, gateway: Gateway) -> Any:
    async with gateway.session.get(f"{demo}/demo/turns/1") as response:
        return await response.json()


@STREAMED
async def test_a_drawn_picture_is_an_image_generation_call(
    gateway: Gateway, is_stream: bool
) -> None:
    response = response_in(await respond(gateway, "draw a cat", stream=is_stream))
    pictures = [one for one in response["output"] if one["type"] == "image_generation_call"]
    assert pictures
    for picture in pictures:
        content = Image.open(BytesIO(base64.b64decode(picture["result"])))
        assert content.format == "PNG"
        async with gateway.session.get(picture["url"]) as stored:
            assert await stored.read() == base64.b64decode(picture["result"])


async def test_a_picture_is_in_the_response_even_where_links_of_the_upstream_are_handed_out(
    demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo, images={"upstream_links": True})
    response = response_in(await respond(gateway, "draw a cat"))
    (picture, *_) = [i for i in response["output"] if i["type"] == "image_generation_call"]
    assert base64.b64decode(picture["result"]).startswith(b"\x89PNG")


async def test_a_picture_can_be_gone_on_from(gateway: Gateway, demo: str) -> None:
    first = response_in(await respond(gateway, "draw a cat"))
    response_in(await respond(gateway, "And now?", previous_response_id=first["id"]))
    turn = await last_turn(demo, gateway)
    assert turn["conversation_id"] == first["conversation_id"]
    assert turn["parent_message_id"] == first["message_id"]
    assert [one["content"]["parts"] for one in turn["messages"]] == [["And now?"]]


@STREAMED
async def test_a_picture_that_comes_later_is_one_too(gateway: Gateway, is_stream: bool) -> None:
    response = response_in(await respond(gateway, "draw a cat later", stream=is_stream))
    assert "image_generation_call" in [one["type"] for one in response["output"]]


@STREAMED
async def test_citations_are_annotations(gateway: Gateway, is_stream: bool) -> None:
    wanted: dict[str, Any] = {"stream": is_stream, "render_profile": "web"}
    response = response_in(await respond(gateway, "browse for boats", **wanted))
    (message,) = [one for one in response["output"] if one["type"] == "message"]
    (part,) = message["content"]
    assert part["annotations"]
    for annotation in part["annotations"]:
        assert annotation["type"] == "url_citation"
        assert annotation["url"].startswith("http")
        cited = part["text"][annotation["start_index"] : annotation["end_index"]]
        assert cited.startswith("[")


@STREAMED
async def test_thoughts_are_a_reasoning_item(gateway: Gateway, is_stream: bool) -> None:
    response = response_in(await respond(gateway, "think about boats", stream=is_stream))
    first = response["output"][0]
    assert first["type"] == "reasoning"
    assert first["summary"][0]["text"]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    assert response["output"][-1]["type"] == "message"


@STREAMED
async def test_a_file_that_was_made_is_linked(gateway: Gateway, is_stream: bool) -> None:
    response = response_in(await respond(gateway, "make a csv file", stream=is_stream))
    text = check_response(response).output_text
    assert response["x_files"]
    assert all(file["url"] in text for file in response["x_files"])


@pytest.mark.parametrize(
    "question", ["several messages", "emoji", "分步", "long 300", "two answers"]
)
async def test_stream_and_whole_reply_agree(gateway: Gateway, question: str) -> None:
    events = checked((await respond(gateway, question, stream=True)).body)
    whole = response_in(await respond(gateway, question))
    assert text_of(events) == check_response(whole).output_text
    assert types_of(events)[-1] == "completed"


async def test_pictures_and_files_of_the_input_are_uploaded(gateway: Gateway, demo: str) -> None:
    data = f"data:image/png;base64,{PNG}"
    text = base64.b64encode(b"some words").decode()
    given = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": data, "detail": "auto"},
        {"type": "input_file", "file_data": text, "filename": "words.txt"},
    ]
    response_in(await respond(gateway, [{"role": "user", "content": given}]))
    (message,) = (await last_turn(demo, gateway))["messages"]
    assert message["content"]["content_type"] == "multimodal_text"
    names = [one["name"] for one in message["metadata"]["attachments"]]
    assert "words.txt" in names
    assert len(names) == 2


async def test_a_broken_file_is_named_by_its_place(gateway: Gateway) -> None:
    given = [{"type": "input_file", "file_id": "file-of-nobody"}]
    got = await respond(gateway, [{"role": "user", "content": given}])
    assert got.status == 400
    assert got.json["error"]["param"] == "input[0].content[0].file_id"


async def test_ignored_fields_are_named_in_a_header(gateway: Gateway) -> None:
    got = await respond(gateway, "Hello", temperature=0.5, truncation="auto")
    assert got.headers["x-ignored-fields"] == "temperature, truncation"
    assert got.json["temperature"] == 0.5
    assert got.json["truncation"] == "auto"


async def test_metadata_comes_back(gateway: Gateway) -> None:
    got = await respond(gateway, "Hello", metadata={"a": "b"})
    assert got.json["metadata"] == {"a": "b"}


async def test_the_profile_chosen_is_the_one_rendered(gateway: Gateway) -> None:
    web = response_in(await respond(gateway, "browse for boats", render_profile="web"))
    raw = response_in(await respond(gateway, "browse for boats", render_profile="raw"))
    assert "](http" in check_response(web).output_text
    assert "](http" not in check_response(raw).output_text


async def test_by_default_items_have_what_other_profiles_write_into_the_text(
    gateway: Gateway,
) -> None:
    cited = response_in(await respond(gateway, "browse for boats"))
    (part,) = cited["output"][-1]["content"]
    assert "](http" not in part["text"]
    spans = {(one["start_index"], one["end_index"]) for one in part["annotations"]}
    assert spans
    assert all(start == end <= len(part["text"]) for start, end in spans)
    drawn = response_in(await respond(gateway, "draw a boat of 64x64"))
    picture, message = drawn["output"]
    assert picture["type"] == "image_generation_call"
    assert picture["url"] not in message["content"][0]["text"]
    assert "```" not in message["content"][0]["text"]
    made = response_in(await respond(gateway, "make report.csv"))
    (file,) = made["x_files"]
    assert f"]({file['url']})" in made["output"][-1]["content"][0]["text"]


async def test_bad_json_is_a_400(gateway: Gateway) -> None:
    async with gateway.session.post(
        f"{gateway.url}/v1/responses", data=b"{", headers=HEADERS
    ) as response:
        assert response.status == 400
        assert set(json.loads(await response.read())["error"]) == {
            "message",
            "type",
            "param",
            "code",
        }


async def test_an_unknown_model_is_a_404(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo, models_passthrough=False)
    for is_stream in (True, False):
        got = await respond(gateway, "Hello", model="nonsense-9", stream=is_stream)
        assert (got.status, got.json["error"]["code"]) == (404, "model_not_found")
