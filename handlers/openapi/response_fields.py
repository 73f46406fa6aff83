"""The notes on the fields of responses, and of the conversations that they are part of."""

import msgspec
from msgspec import Struct

from handlers.conversations.fields import (
    MAX_ITEMS,
    ConversationFields,
    ItemsFields,
    MetadataFields,
)
from handlers.openapi.notes import (
    FUNCTIONS,
    MODEL,
    PARALLEL,
    PROFILE,
    STREAM,
    WHOLE,
    WORDS_OF_CHOICE,
    Notes,
    Schema,
    note,
)
from handlers.reading.chat_messages import ROLES
from handlers.responses.fields import (
    COMPACTED,
    COMPACTED_NATIVELY,
    COUNTED,
    MAX_METADATA_PAIRS,
    CompactFields,
    ResponseFields,
    TokenFields,
)
from handlers.responses.items import (
    BY_MODEL,
    PARTS,
    REFERENCE,
    RESULT_ROLES,
    InputCall,
    InputCallOutput,
    InputCustomCall,
    InputFound,
    InputSearch,
)
from handlers.responses.tools import ADDITIONAL_TOOLS


def _item(kind: str, record: type[Struct]) -> Schema:
    """Return the schema of an item of this kind, as its reader defines it."""
    _, found = msgspec.json.schema_components([record])
    own = found[record.__name__]
    return {
        "properties": {"type": {"const": kind}, **own["properties"]},
        "required": ["type", *own["required"]],
    }


_ITEMS = [
    {
        "properties": {
            "type": {"const": "message"},
            "role": {"enum": [role for role in ROLES if role not in RESULT_ROLES]},
            "content": {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"type": {"enum": list(PARTS)}},
                            "required": ["type"],
                        },
                    },
                ]
            },
        },
        "required": ["role", "content"],
    },
    _item("function_call", InputCall),
    _item("function_call_output", InputCallOutput),
    _item("custom_tool_call", InputCustomCall),
    _item("custom_tool_call_output", InputCallOutput),
    _item("tool_search_call", InputSearch),
    _item("tool_search_output", InputFound),
    {
        "properties": {
            "type": {"const": ADDITIONAL_TOOLS},
            "tools": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["type", "tools"],
    },
    {
        "properties": {"type": {"const": REFERENCE}, "id": {"type": "string"}},
        "required": ["type", "id"],
    },
    {"properties": {"type": {"enum": sorted(BY_MODEL)}}, "required": ["type"]},
]
_RESPONSE: Notes = {
    WHOLE: {"required": ["input"]},
    "model": note(f"{MODEL['description']} Without it, that of `previous_response_id`."),
    "input": note(
        "A text, or a list of items: messages, calls of functions and their results, references.",
        minLength=1,
        minItems=1,
        items={"type": "object", "anyOf": _ITEMS},
    ),
    "instructions": note("What the model is told before the input, in this response only."),
    "previous_response_id": note("Goes on from this response, without sending it again."),
    "stream": STREAM,
    "stream_options": note("Accepted; its events are as short without it."),
    "store": note("False: the response is not kept, and cannot be read or gone on from."),
    "background": note(
        "True: answers at once with a response that is queued, and is read, streamed and cancelled "
        "by its id. It has to be kept."
    ),
    "metadata": note("Repeated in the response.", maxProperties=MAX_METADATA_PAIRS),
    "max_output_tokens": note(
        "The answer ends after as many tokens; the response is then `incomplete`.", minimum=1
    ),
    "truncation": note("The upstream shortens as it sees fit.", enum=[None, "auto", "disabled"]),
    "conversation": note(
        "The id of a conversation of `/v1/conversations`, or an object with it: goes on from its "
        "items, and adds input and output to them. Not beside `previous_response_id`.",
        anyOf=[
            {"type": "string"},
            {
                "type": "object",
                "properties": {"id": {"type": "string", "minLength": 1}},
                "required": ["id"],
            },
            {"type": "null"},
        ],
    ),
    "prompt": note("Prompt templates cannot be had.", type="null"),
    "tools": note(
        "Functions and custom tools that the model may call, by themselves or in namespaces. It "
        "uses tools of its own as it sees fit.",
        **FUNCTIONS,
        items={
            "type": "object",
            "properties": {"type": {"type": "string"}},
            "required": ["type"],
        },
    ),
    "tool_choice": note(
        "`none`, `auto`, `required`, one function, or the `allowed_tools` among them.",
        anyOf=[WORDS_OF_CHOICE, {"type": "object"}, {"type": "null"}],
    ),
    "parallel_tool_calls": PARALLEL,
    "text": note("`format` says what the answer has to be, as `response_format` of a chat."),
    "render_profile": PROFILE,
}
_UNCOUNTED = note("Accepted, and not counted.")
_COUNTED_NOTES: Notes = {
    **dict.fromkeys(ResponseFields.__struct_fields__, _UNCOUNTED),
    **{name: note for name, note in _RESPONSE.items() if name in COUNTED},
    "model": note("Accepted; the count is the same for all."),
    "input": note(
        "A text, or a list of items, as of a response.",
        items={"type": "object", "anyOf": _ITEMS},
    ),
    "prompt": _UNCOUNTED | {"type": "null"},
    "truncation": _UNCOUNTED | {"enum": _RESPONSE["truncation"]["enum"]},
}
_KEPT_ITEMS = note(
    "Messages, calls and their results, as in the `input` of a response.",
    maxItems=MAX_ITEMS,
    items={"type": "object", "anyOf": _ITEMS},
)
_METADATA = note("Kept with the conversation.", maxProperties=MAX_METADATA_PAIRS)
_COMPACT: Notes = {
    WHOLE: {"anyOf": [{"required": ["input"]}, {"required": ["previous_response_id"]}]},
    **{name: _RESPONSE[name] for name in sorted(COMPACTED)},
    **{
        name: note("Accepted; on Codex accounts its back end is told.")
        for name in sorted(COMPACTED_NATIVELY - COMPACTED)
    },
}
RESPONSE_FIELDS: dict[type[Struct], Notes] = {
    ResponseFields: _RESPONSE,
    TokenFields: _COUNTED_NOTES,
    CompactFields: _COMPACT,
    ConversationFields: {"items": _KEPT_ITEMS, "metadata": _METADATA},
    MetadataFields: {WHOLE: {"required": ["metadata"]}, "metadata": _METADATA},
    ItemsFields: {WHOLE: {"required": ["items"]}, "items": {**_KEPT_ITEMS, "minItems": 1}},
}
