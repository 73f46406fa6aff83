"""Checks response objects and events strictly against the published Open Responses schema.

The models are generated from that schema. Left out is what it leaves to each provider: tools and
items of other kinds, and the schema of a JSON format, which it says is null.
"""

import json
from enum import StrEnum
from typing import Any

from openresponses_types import types as published
from pydantic import BaseModel

ITEMS = frozenset({"message", "function_call", "function_call_output", "reasoning"})
OTHER_EVENTS = (
    *("response.image_generation_call.", "response.custom_tool_call_input."),
    *("response.web_search_call.", "response.reasoning_text."),
)


def _models() -> dict[str, type[BaseModel]]:
    """Return the model of each event, by its type."""
    found = {}
    for name, model in vars(published).items():
        if name.endswith("StreamingEvent"):
            kind = model.model_fields["type"].annotation
            assert issubclass(kind, StrEnum)
            (value,) = kind
            found[str(value)] = model
    return found


EVENTS = _models()


def check_open_response(response: dict[str, Any]) -> None:
    """Check a response object against the schema."""
    published.ResponseResource.model_validate_json(json.dumps(_plain(response)), strict=True)


def check_open_event(event: dict[str, Any]) -> None:
    """Check an event against the schema; events of other items are not in it."""
    if event["type"].startswith(OTHER_EVENTS) or event.get("item", {}).get("type") not in (
        None,
        *ITEMS,
    ):
        return
    if "response" in event:
        event = {**event, "response": _plain(event["response"])}
    EVENTS[event["type"]].model_validate_json(json.dumps(event), strict=True)


def check_open_items(items: list[dict[str, Any]]) -> None:
    """Check the items of an input against the schema."""
    kinds = {
        "message": published.Message,
        "function_call": published.FunctionCall,
        "function_call_output": published.FunctionCallOutput,
        "reasoning": published.ReasoningBody,
    }
    for item in items:
        kinds[item["type"]].model_validate_json(json.dumps(item), strict=True)


def _plain(response: dict[str, Any]) -> dict[str, Any]:
    text = response["text"]
    if text["format"]["type"] == "json_schema":
        text = {**text, "format": {**text["format"], "schema": None}}
    return {
        **response,
        "text": text,
        "output": [item for item in response["output"] if item["type"] in ITEMS],
        "tools": [tool for tool in response["tools"] if tool["type"] == "function"],
    }
