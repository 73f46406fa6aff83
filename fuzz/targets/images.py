"""Target: the body of an order of pictures."""

import json
from functools import cache, partial

from fuzz import requests
from fuzz.mutants import is_recipe, mutant, recipes
from fuzz.requests import ARRIVAL, check_chat, plain, tried
from handlers.images.edits import read_edit
from handlers.images.fields import read_order
from service.orders.images import MAX_PICTURES, ImageOrder
from service.settings.config import Config

MAX_BYTES = 1024
TOKENS = requests.TOKENS


def check(data: bytes) -> None:
    """Check that the order has the words of its prompt, or a refusal says why."""
    if is_recipe(data):
        data = mutant(list(bodies().values()), data)
    for read in (read_order, read_edit):
        order = tried(partial(read, data, ARRIVAL, _config()))
        if order is not None:
            _check(order, data)


def _check(order: ImageOrder, data: bytes) -> None:
    told = plain(data)
    assert isinstance(told, dict), "what is no JSON was accepted"
    assert told["prompt"].strip() in order.text, "the prompt is lost"
    assert 1 <= len(order.turns) == order.count <= MAX_PICTURES
    for chat in order.turns:
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
        "native": {"model": "gpt-image-1", "prompt": "A boat", "size": "auto", "background": None},
    }
    return {name: json.dumps(body).encode() for name, body in every.items()}


def seeds() -> dict[str, bytes]:
    """Return the bodies, and recipes for odd ones."""
    return bodies() | recipes()
