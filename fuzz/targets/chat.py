"""Target: the body of a chat completion."""

import json
from functools import cache

from fuzz import requests
from fuzz.mutants import is_recipe, mutant, recipes
from fuzz.requests import ARRIVAL, check_chat, plain, tried
from handlers.reading.chat_fields import chat_request

MAX_BYTES = 2048
TOKENS = requests.TOKENS


def check(data: bytes) -> None:
    """Check that the body becomes a chat with its own words, or a refusal that says why."""
    if is_recipe(data):
        data = mutant(list(bodies().values()), data)
    chat = tried(lambda: chat_request(data, ARRIVAL))
    if chat is None:
        return
    check_chat(chat)
    told = plain(data)
    assert isinstance(told, dict), "what is no JSON was accepted"
    assert chat.model == told["model"].strip()
    assert len(chat.messages) == len(told["messages"])
    for message, sent in zip(chat.messages, told["messages"], strict=True):
        is_told_plainly = sent["role"] in ("system", "developer", "user")
        if is_told_plainly and isinstance(sent["content"], str):
            assert message.text == sent["content"], "another text"


# A table: longer than the budget.
@cache
def bodies() -> dict[str, bytes]:
    """Return chats of every kind."""
    model = {"model": "gpt-4o"}
    hello = {"role": "user", "content": "Hello"}
    picture = {"type": "image_url", "image_url": {"url": "https://e.org/a.png"}}
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": "Qm9hdHM="}}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    function = {"name": "add", "description": "Adds", "parameters": schema}
    called = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    every = {
        "plain": {**model, "messages": [hello]},
        "options": {
            **model,
            "messages": [{"role": "system", "content": "Be brief"}, hello],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.5,
            "stop": ["\n", "END"],
            "max_tokens": 5,
            "n": 1,
            "user": "u",
            "odd_field": 1,
        },
        "parts": {
            **model,
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "?"}, picture, file]}
            ],
        },
        "tools": {
            **model,
            "messages": [
                hello,
                {"role": "assistant", "content": None, "tool_calls": [called]},
                {"role": "tool", "tool_call_id": "c1", "content": "3"},
            ],
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "add"}},
        },
        "legacy": {**model, "messages": [hello], "functions": [function], "function_call": "auto"},
        "json": {
            **model,
            "messages": [hello],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": schema},
            },
        },
        "going-on": {
            **model,
            "messages": [hello],
            "conversation_id": "c-1",
            "parent_message_id": "m-1",
            "render_profile": "bot",
        },
    }
    return {name: json.dumps(body).encode() for name, body in every.items()}


def seeds() -> dict[str, bytes]:
    """Return the bodies, and recipes for odd ones."""
    return bodies() | recipes()
