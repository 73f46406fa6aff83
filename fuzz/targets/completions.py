"""Target: the body of a legacy completion."""

import json
from functools import cache

from fuzz import requests
from fuzz.mutants import is_recipe, mutant, recipes
from fuzz.requests import ARRIVAL, check_chat, plain, tried
from handlers.chat.completions import read_completion

MAX_BYTES = 1024
TOKENS = requests.TOKENS


def check(data: bytes) -> None:
    """Check that the prompt arrives as it was sent, or a refusal says why."""
    if is_recipe(data):
        data = mutant(list(bodies().values()), data)
    asked = tried(lambda: read_completion(data, ARRIVAL))
    if asked is None:
        return
    check_chat(asked.chat)
    told = plain(data)
    assert isinstance(told, dict), "what is no JSON was accepted"
    prompt = told["prompt"] if isinstance(told["prompt"], str) else told["prompt"][0]
    assert asked.chat.messages[0].text == prompt, "another prompt"
    assert asked.echo == (prompt if told.get("echo") else "")


@cache
def bodies() -> dict[str, bytes]:
    """Return prompts."""
    every = {
        "plain": {"model": "gpt-4o", "prompt": "Hello"},
        "list": {"model": "gpt-4o", "prompt": ["Hello"], "echo": True, "stop": "\n", "n": 1},
        "options": {
            "model": "gpt-4o",
            "prompt": "Hello",
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 1,
            "logit_bias": {"50256": -100},
            "temperature": 0,
            "best_of": 1,
            "suffix": None,
        },
    }
    return {name: json.dumps(body).encode() for name, body in every.items()}


def seeds() -> dict[str, bytes]:
    """Return the bodies, and recipes for odd ones."""
    return bodies() | recipes()
