import json
from typing import Any

import pytest

from handlers.images.fields import read_order
from handlers.reading.common_fields import Arrival
from service.orders.images import ImageOrder
from service.settings.config import DEFAULT_PROMPT_PREFIX, Config
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Profile, TextPart
from tests.rows import each_row

ARRIVAL = Arrival(
    request_id="r", received_at=0.0, public_url="http://gw", default_profile=Profile.WEB
)


def read(*, settings: dict[str, Any] | None = None, **fields: Any) -> ImageOrder:
    body = {"prompt": "A cute baby sea otter", **fields}
    return read_order(json.dumps(body).encode(), ARRIVAL, Config(**(settings or {})))


def test_the_text_is_prefix_prompt_and_size() -> None:
    text = f"{DEFAULT_PROMPT_PREFIX}\nprompt:A cute baby sea otter\nsize:1792x1024"
    order = read(size="1792x1024")
    assert order.text == text
    assert order.chat.messages[0].parts == (TextPart(text),)
    assert read(settings={"images": {"prompt_prefix": "Draw."}}).text.startswith("Draw.\nprompt:A")


@each_row(
    ("model", "size"),
    [(None, "1024x1024"), ("dall-e-3", "1024x1024"), ("gpt-image-1", "auto"), ("gpt-4o", None)],
)
def test_without_a_size_it_is_openai_s_default(model: str | None, size: str | None) -> None:
    assert read(model=model, size=None).text.endswith(f"\nsize:{size or '1024x1024'}")


@each_row(
    ("fields", "is_base64"),
    [
        ({}, False),
        ({"model": "dall-e-3"}, False),
        ({"model": "gpt-4o"}, False),
        ({"model": "gpt-image-1"}, True),
        ({"model": "chatgpt-image-latest"}, True),
        ({"model": "gpt-image-1", "response_format": "url"}, False),
        ({"model": "dall-e-2", "response_format": "b64_json"}, True),
    ],
)
def test_the_format_is_as_asked_or_by_the_name(fields: dict[str, Any], is_base64: bool) -> None:
    assert read(**fields).is_base64 is is_base64


WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": None}, "prompt", "expected a string"),
    ({"prompt": "  "}, "prompt", "empty"),
    ({"prompt": 7}, "prompt", "expected a string"),
    ({"n": 0}, "n", "1 to 10"),
    ({"n": 11}, "n", "1 to 10"),
    ({"n": "2"}, "n", "expected an integer"),
    ({"size": "big\nand more"}, "size", "1024x1024"),
    ({"response_format": "png"}, "response_format", "b64_json"),
    ({"model": ""}, "model", "model"),
    ({"render_profile": "loud"}, "render_profile", "web"),
]


@each_row(
    ("fields", "param", "words"),
    WRONG_FIELDS,
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        read(**fields)
    assert caught.value.param == param


def test_a_prompt_is_required() -> None:
    with pytest.raises(RequestError, match="required") as caught:
        read_order(b'{"model": "gpt-4o"}', ARRIVAL, Config())
    assert caught.value.param == "prompt"


def test_fields_without_effect_are_named_and_unknown_ones_tolerated() -> None:
    order = read(
        n=2, quality="hd", style="vivid", background=None, moderation="low", stream=True, user="u"
    )
    assert (order.count, order.is_stream, order.is_base64, order.previews) == (2, True, True, 0)
    assert order.ignored_fields == ("quality", "style", "moderation", "user")
    assert order.queue_party != read(n=2).queue_party != read().queue_party == ""
    assert {turn.queue_party for turn in order.turns} == {order.queue_party}
