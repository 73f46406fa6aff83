"""Orders of pictures as they are sent."""

import pytest

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    FilePart,
    PictureOrder,
    Profile,
    TextPart,
)
from upstream.codex.payload.items import InlineFile
from upstream.codex.payload.picture_body import MAX_PICTURES, picture_turn, told_to_draw

OPTIONS: dict[str, str | int] = {"size": "auto", "quality": "low", "output_compression": 50}
PICTURE = InlineFile("a.png", "data:image/png;base64,YQ==", is_picture=True)
PLACE = {"image_url": PICTURE.data_url}


def request(order: PictureOrder, *paths: str) -> ChatRequest:
    parts = [FilePart(path, url="https://x/a.png") for path in paths]
    return ChatRequest(
        request_id="r",
        model="gpt-image-2",
        messages=(ChatMessage("user", (TextPart("a boat, in words"), *parts)),),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="http://gw",
        received_at=0.0,
        picture=order,
    )


def test_an_order_has_the_prompt_as_given_and_its_options() -> None:
    order = PictureOrder("a boat", count=3, options=OPTIONS)
    turn = picture_turn(request(order), order, "gpt-image-2", {})
    assert turn.path == "images/generations"
    assert turn.body == {"model": "gpt-image-2", "prompt": "a boat", "n": 3, **OPTIONS}
    assert (turn.is_streamed, turn.is_drawing, turn.has_files) == (False, True, False)


def test_previews_make_it_a_stream() -> None:
    order = PictureOrder("a boat", previews=2)
    turn = picture_turn(request(order), order, "gpt-image-2", {})
    assert (turn.body["stream"], turn.body["partial_images"]) == (True, 2)
    assert turn.is_streamed


def test_an_edit_has_its_pictures_inline_and_the_mask_apart() -> None:
    order = PictureOrder("a hat", mask_path="mask")
    files = dict.fromkeys(("image[0]", "image[1]", "mask"), PICTURE)
    turn = picture_turn(request(order, *files), order, "gpt-image-1.5", files)
    assert turn.path == "images/edits"
    assert (turn.body["images"], turn.body["mask"]) == ([PLACE, PLACE], PLACE)


def test_too_many_pictures_and_what_is_none_are_refused_by_name() -> None:
    order = PictureOrder("a hat")
    paths = [f"images[{at}].image_url" for at in range(MAX_PICTURES + 1)]
    with pytest.raises(RequestError, match="up to 5") as caught:
        picture_turn(request(order, *paths), order, "m", dict.fromkeys(paths, PICTURE))
    assert caught.value.param == "images"
    paper = InlineFile("a.pdf", "data:application/pdf;base64,YQ==", is_picture=False)
    with pytest.raises(RequestError) as caught:
        picture_turn(request(order, "image"), order, "m", {"image": paper})
    assert (caught.value.param, caught.value.code) == ("image", "invalid_attachment")


def test_a_model_is_told_to_draw_one_picture_with_its_tool() -> None:
    order = PictureOrder("a boat", count=2, options=OPTIONS, previews=1)
    told = told_to_draw(request(order), order, "gpt-image-2.5-flare")
    tool = {"type": "image_generation", "model": "gpt-image-2.5-flare", "size": "auto"}
    assert told.wishes.tools == ({**tool, "quality": "low", "partial_images": 1},)
    assert told.wishes.tool_choice == {"type": "image_generation"}
    assert told.messages == request(order).messages
