"""The official API as its own SDK has it: paths, fields, and the kinds that unions are made of."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import openai
from anthropic.types import (
    ContentBlockParam,
    MessageParam,
    ThinkingConfigParam,
    ToolChoiceParam,
    ToolUnionParam,
    message_count_tokens_params,
    message_create_params,
)
from openai.types import (
    completion_create_params,
    file_create_params,
    file_list_params,
    image_create_variation_params,
    image_edit_params,
    image_generate_params,
)
from openai.types.audio import speech_create_params, transcription_create_params
from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    ChatCompletionToolUnionParam,
)
from openai.types.chat import (
    completion_create_params as chat_params,
)
from openai.types.conversations import (
    conversation_create_params,
    conversation_update_params,
    item_create_params,
    item_list_params,
)
from openai.types.responses import (
    ResponseFormatTextConfigParam,
    ResponseInputContentParam,
    ResponseInputItemParam,
    ToolParam,
    input_item_list_params,
    input_token_count_params,
    response_compact_params,
    response_create_params,
    response_retrieve_params,
)

_CALLS = ("_get", "_post", "_delete", "_put", "_patch", "_get_api_list")


def _fields(record: Any) -> list[str]:
    return sorted(get_type_hints(record))


def _kinds(union: Any, label: str, key: str = "type") -> list[str]:
    """Return each member of a union by its tag, as `label: tag`; the tags of one member count alone."""
    found: dict[str, None] = {}
    for member in get_args(union) or (union,):
        tag = get_type_hints(member)[key]
        for one in _words(tag):
            found[f"{label}: {one}"] = None
    return list(found)


def _words(tag: Any) -> Iterator[str]:
    for one in get_args(tag):
        if isinstance(one, str):
            yield one
        else:
            yield from _words(one)


FIELDS: dict[str, list[str]] = {
    "POST /chat/completions": [
        *_fields(chat_params.CompletionCreateParamsStreaming),
        *_kinds(ChatCompletionMessageParam, "messages[].role", "role"),
        *_kinds(ChatCompletionContentPartParam, "messages[].content[].type"),
        *_kinds(ChatCompletionToolUnionParam, "tools[].type"),
        *_kinds(chat_params.ResponseFormat, "response_format.type"),
    ],
    "POST /completions": _fields(completion_create_params.CompletionCreateParamsStreaming),
    "POST /responses": [
        *_fields(response_create_params.ResponseCreateParamsStreaming),
        *_kinds(ResponseInputItemParam, "input[].type"),
        *_kinds(ResponseInputContentParam, "input[].content[].type"),
        *_kinds(ToolParam, "tools[].type"),
        *_kinds(ResponseFormatTextConfigParam, "text.format.type"),
    ],
    "POST /responses/compact": _fields(response_compact_params.ResponseCompactParams),
    "GET /responses/{response_id}": _fields(
        response_retrieve_params.ResponseRetrieveParamsStreaming
    ),
    "POST /responses/input_tokens": _fields(input_token_count_params.InputTokenCountParams),
    "GET /responses/{response_id}/input_items": _fields(input_item_list_params.InputItemListParams),
    "POST /conversations": _fields(conversation_create_params.ConversationCreateParams),
    "POST /conversations/{conversation_id}": _fields(
        conversation_update_params.ConversationUpdateParams
    ),
    "POST /conversations/{conversation_id}/items": _fields(item_create_params.ItemCreateParams),
    "GET /conversations/{conversation_id}/items": _fields(item_list_params.ItemListParams),
    "POST /images/generations": _fields(image_generate_params.ImageGenerateParamsStreaming),
    "POST /images/edits": _fields(image_edit_params.ImageEditParamsStreaming),
    "POST /images/variations": _fields(image_create_variation_params.ImageCreateVariationParams),
    "POST /audio/speech": _fields(speech_create_params.SpeechCreateParams),
    "POST /audio/transcriptions": _fields(
        transcription_create_params.TranscriptionCreateParamsStreaming
    ),
    "POST /files": _fields(file_create_params.FileCreateParams),
    "GET /files": _fields(file_list_params.FileListParams),
    "POST /messages": [
        *_fields(message_create_params.MessageCreateParamsStreaming),
        *_kinds(MessageParam, "messages[].role", "role"),
        *_kinds(ContentBlockParam, "messages[].content[].type"),
        *_kinds(ToolUnionParam, "tools[].type"),
        *_kinds(ToolChoiceParam, "tool_choice.type"),
        *_kinds(ThinkingConfigParam, "thinking.type"),
    ],
    "POST /messages/count_tokens": _fields(message_count_tokens_params.MessageCountTokensParams),
}


@cache
def calls() -> frozenset[str]:
    """Return all that the SDK can call, as `METHOD /path`; versions by their query are the same."""
    root = Path(openai.__file__).parent / "resources"
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and _name(node) in _CALLS:
                found.add(_call(node))
    return frozenset(found)


def _name(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _call(node: ast.Call) -> str:
    methods = [each.value for each in node.keywords if each.arg == "method"]
    method = ast.literal_eval(methods[0]) if methods else _name(node).split("_")[1]
    template = node.args[0]
    if isinstance(template, ast.Call):  # of path_template
        template = template.args[0]
    return f"{method.upper()} {ast.literal_eval(template).partition('?')[0]}"


def shape(call: str) -> str:
    """Return a call without the names of what is in its path."""
    return re.sub(r"{\w+}", "{}", call)
