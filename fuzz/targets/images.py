"""Target: the body of an order of pictures."""

import json
from functools import cache, partial
from itertools import product

from msgspec import structs

from fuzz import requests
from fuzz.mutants import is_recipe, mutant, recipes
from fuzz.requests import ARRIVAL, check_chat, plain, tried
from handlers.images.edits import read_edit
from handlers.images.fields import read_order
from service.orders.images import MAX_PICTURES, ImageOrder
from service.settings.config import Config

MAX_BYTES = 1024
TOKENS = requests.TOKENS
_NATIVE = structs.replace(ARRIVAL, is_native=True)


def check(data: bytes) -> None:
    """Check that the order has the words of its prompt, or a refusal says why."""
    if is_recipe(data):
        data = mutant(list(bodies().values()), data)
    for read, arrival in product((read_order, read_edit), (ARRIVAL, _NATIVE)):
        order = tried(partial(read, data, arrival, _config()))
        if order is not None:
            _check(order, data, is_native=arrival.is_native)


def _check(order: ImageOrder, data: bytes, *, is_native: bool) -> None:
    told = plain(data)
    assert isinstance(told, dict), "what is no JSON was accepted"
    assert told["prompt"].strip() in order.text, "the prompt is lost"
    assert 1 <= order.count <= MAX_PICTURES
    assert len(order.turns) == (1 if is_native else order.count)
    for chat in order.turns:
        assert (chat.picture is not None) is is_native
        assert chat.picture is None or chat.picture.prompt == told["prompt"], "another prompt"
        check_chat(chat)


@cache
def _config() -> Config:
    return Config()


@cache
def bodies() -> dict[str, bytes]:
    """Return orders."""
    every = {
        "plain": {"prompt": "A boat"},
        "options": {
            "model": "dall-e-3",
            "prompt": "A boat",
            "n": 2,
            "size": "1024x1792",
            "quality": "hd",
            "style": "vivid",
            "response_format": "b64_json",
            "user": "u",
        },
        "edit": {
            "prompt": "A hat",
            "images": [{"image_url": "data:image/png;base64,aGk="}, {"file_id": "file-1"}],
            "mask": {"file_id": "file-2"},
            "stream": True,
            "partial_images": 1,
        },
        "native": {
            "model": "gpt-image-2",
            "prompt": "A boat",
            "size": "auto",
            "background": "opaque",
            "output_format": "webp",
            "output_compression": 50,
            "moderation": "low",
        },
    }
    return {name: json.dumps(body).encode() for name, body in every.items()}


def seeds() -> dict[str, bytes]:
    """Return the bodies, and recipes for odd ones."""
    return bodies() | recipes()
