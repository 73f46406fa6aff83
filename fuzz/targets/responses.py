"""Target: the body of a request for a response."""

import json
from functools import cache
from typing import Any

from fuzz import requests
from fuzz.mutants import is_recipe, mutant, recipes
from fuzz.requests import ARRIVAL, check_chat, tried
from handlers.responses.fields import (
    asked_model,
    begun_response,
    ignored_fields,
    response_chat,
    response_fields,
)
from handlers.responses.items import REFERENCE
from handlers.responses.listed_items import input_items
from service.vocabulary.requests import ChatRequest
from service.vocabulary.wire import to_json

MAX_BYTES = 2048
TOKENS = requests.TOKENS


def check(data: bytes) -> None:
    """Check that the turn can be sent and its items kept and listed, or a refusal says why."""
    if is_recipe(data):
        data = mutant(list(bodies().values()), data)
    chat = tried(lambda: _read(data))
    if chat is not None:
        check_chat(chat)


def _read(data: bytes) -> ChatRequest | None:
    fields = response_fields(data)
    ignored_fields(data, fields)
    items = input_items(fields.input or [], "stem")
    if any(item.get("type") == REFERENCE for item in items):
        return None  # it refers to an item in the state store
    model = asked_model(fields, None)
    chat = response_chat(fields, items, ARRIVAL, model)
    listed: list[dict[str, Any]] = json.loads(to_json(items))
    assert input_items(listed, "other") == listed, "items change when they are listed again"
    assert all(isinstance(item["id"], str) and item["id"] for item in listed), "an item without id"
    json.loads(to_json(begun_response(fields, "resp_1", model, 1)))
    return chat


# A table: longer than the budget.
@cache
def bodies() -> dict[str, bytes]:
    """Return requests of every kind."""
    model = {"model": "gpt-4o"}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tool = {"type": "function", "name": "add", "parameters": schema, "strict": False}
    text = {"type": "input_text", "text": "Hello"}
    every: dict[str, dict[str, Any]] = {
        "plain": {**model, "input": "Hello"},
        "parts": {
            **model,
            "instructions": "Be brief",
            "input": [
                {
                    "role": "user",
                    "content": [
                        text,
                        {"type": "input_image", "image_url": "https://e.org/a.png"},
                        {"type": "input_file", "file_data": "Qm9hdHM=", "filename": "a.txt"},
                    ],
                },
                {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
                {"type": "reasoning", "summary": []},
            ],
        },
        "tools": {
            **model,
            "input": [
                {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "3"},
            ],
            "tools": [tool, {"type": "web_search"}],
            "tool_choice": {"type": "function", "name": "add"},
        },
        "namespaces": {
            **model,
            "input": [
                {"type": "additional_tools", "role": "developer", "tools": [tool]},
                {"type": "custom_tool_call", "call_id": "c", "name": "edit", "input": "*** Begin"},
                {"type": "custom_tool_call_output", "call_id": "c", "output": "Done"},
            ],
            "tools": [
                {"type": "namespace", "name": "mcp", "tools": [{**tool, "name": "sub"}]},
                {"type": "custom", "name": "edit", "format": {"type": "grammar", "syntax": "lark"}},
            ],
            "tool_choice": {"type": "custom", "name": "edit"},
        },
        "json": {
            **model,
            "input": "Hello",
            "text": {"format": {"type": "json_schema", "name": "s", "schema": schema}},
            "store": False,
            "stream": True,
            "metadata": {"a": "b"},
            "truncation": "auto",
        },
    }
    return {name: json.dumps(body).encode() for name, body in every.items()}


def seeds() -> dict[str, bytes]:
    """Return the bodies, and recipes for odd ones."""
    return bodies() | recipes()
