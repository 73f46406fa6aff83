"""The table of request fields: what each means, and its limits beyond its type.

Types, defaults and whether a field is required come from the reader's own record. A field that the
reader ignores is described as such; a test compares the names. A note under `WHOLE` is about the
record as a whole.
"""

from typing import Any

import msgspec
from msgspec import Struct

from handlers.audio.speech import SpeechFields
from handlers.chat.completions import CompletionFields
from handlers.images.edits import MAX_IMAGES, ImageEditFields, ImagePlace
from handlers.images.fields import FORMATS, ImageFields
from handlers.images.options import CHOICES
from handlers.messages.fields import MAX_STOPS as MAX_MESSAGE_STOPS
from handlers.messages.fields import MessageFields, TokenFields
from handlers.messages.history import ROLES as TURN_ROLES
from handlers.messages.history import WireMessage as Turn
from handlers.messages.tools import MAX_TOOLS
from handlers.openapi.admin_fields import ADMIN_FIELDS
from handlers.reading.chat_fields import ChatFields
from handlers.reading.chat_messages import (
    FILE_ID,
    MAY_BE_SILENT,
    ROLES,
    WireFile,
    WireImageUrl,
    WireMessage,
)
from handlers.reading.common_fields import MAX_MODEL_CHARS, MAX_STOP_CHARS, MAX_STOPS, UPSTREAM_ID
from handlers.reading.demand_fields import (
    DRAWING,
    MAX_FUNCTIONS,
    NAME,
    WireChoice,
    WireFormat,
    WireFunction,
    WireTool,
)
from handlers.responses.fields import (
    COMPACTED,
    MAX_METADATA_PAIRS,
    CompactFields,
    ResponseFields,
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
from service.orders.images import MAX_PICTURES, MAX_PREVIEWS
from service.orders.speech import FORMATS as FORMATS_OF_SOUND
from service.orders.speech import MAX_CHARS, VOICES
from service.vocabulary.requests import Profile

Schema = dict[str, Any]
Notes = dict[str, Schema]
WHOLE = ""
COMPONENTS = "#/components/schemas/"
PROFILE_PATTERN = "^({})?$".format(
    "|".join("".join(f"[{char}{char.upper()}]" for char in profile) for profile in Profile)
)


def _note(description: str, **demands: Any) -> Schema:
    return {"description": description, **demands}


def _option(words: str) -> Schema:
    """Return the note on a setting of pictures that one upstream takes."""
    return _note(f"Accepted; the website has no such setting. On Codex accounts: {words}.")


_MODEL = _note(
    "A name of `/v1/models`, or one that this account's upstream has.",
    minLength=1,
    maxLength=MAX_MODEL_CHARS,
)
_LIMIT = "The answer ends after as many tokens; `finish_reason` is then `length`."
_ONE = _note("Only one choice can be had.", enum=[None, 1])
_OFF = [{"type": "boolean", "const": False}, {"type": "null"}]
_STREAM = _note("Answer with server-sent events.")
_STREAM_OPTIONS = _note("`include_usage` adds an event with the usage before `[DONE]`.")
_STOP = _note(
    "Where the answer ends, without these words.",
    maxLength=MAX_STOP_CHARS,
    maxItems=MAX_STOPS,
    items={"type": "string", "maxLength": MAX_STOP_CHARS},
)
_PROFILE = _note(
    "How the answer is rendered: `web`, `bot`, `raw` or `items`; in place of the header.",
    pattern=PROFILE_PATTERN,
)
_WORDS_OF_CHOICE = {"enum": ["none", "auto", "required"]}
_URL = "^\\s*([Hh][Tt][Tt][Pp][Ss]?://|[Dd][Aa][Tt][Aa]:)"
_UPSTREAM_ID = f"^(?:{UPSTREAM_ID.pattern})?$"
_FUNCTIONS = {"maxItems": MAX_FUNCTIONS}
_PARALLEL = _note("False: one call in an answer at most.")

_CHAT: Notes = {
    "model": _MODEL,
    "messages": _note("The conversation so far.", minItems=1),
    "stream": _STREAM,
    "stream_options": _STREAM_OPTIONS,
    "max_tokens": _note(_LIMIT, minimum=1),
    "max_completion_tokens": _note(_LIMIT, minimum=1),
    "stop": _STOP,
    "n": _ONE,
    "modalities": _note("Text only.", items={"type": "string", "not": {"const": "audio"}}),
    "audio": _note("Audio output cannot be had.", type="null"),
    "tools": _note("Functions that the model may call.", **_FUNCTIONS),
    "tool_choice": _note(
        "`none`, `auto`, `required`, one function, or the `allowed_tools` among them.",
        anyOf=[
            _WORDS_OF_CHOICE,
            {"$ref": f"{COMPONENTS}{WireChoice.__name__}"},
            {"type": "null"},
        ],
    ),
    "parallel_tool_calls": _PARALLEL,
    "functions": _note("The form before `tools`.", **_FUNCTIONS),
    "function_call": _note("The form before `tool_choice`: `none`, `auto` or one function."),
    "response_format": _note(
        "What the answer has to be: text, a JSON object, or what fits a schema."
    ),
    "conversation_id": _note(
        "Goes on with this conversation of the upstream's, as an earlier answer named it.",
        pattern=_UPSTREAM_ID,
    ),
    "parent_message_id": _note(
        "The message of that conversation to go on from.", pattern=_UPSTREAM_ID
    ),
    "render_profile": _PROFILE,
}
_COMPLETION: Notes = {
    "model": _MODEL,
    "prompt": _note(
        "One prompt, or a list of one.",
        minItems=1,
        maxItems=1,
        items={"type": "string"},
    ),
    "stream": _STREAM,
    "stream_options": _STREAM_OPTIONS,
    "max_tokens": _note(_LIMIT, minimum=1),
    "stop": _STOP,
    "echo": _note("Put the prompt before the answer."),
    "suffix": _note("A text cannot be filled in.", enum=[None, ""]),
    "n": _ONE,
    "best_of": _ONE,
    "render_profile": _PROFILE,
}


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
    "model": _note(f"{_MODEL['description']} Without it, that of `previous_response_id`."),
    "input": _note(
        "A text, or a list of items: messages, calls of functions and their results, references.",
        minLength=1,
        minItems=1,
        items={"type": "object", "anyOf": _ITEMS},
    ),
    "instructions": _note("What the model is told before the input, in this response only."),
    "previous_response_id": _note("Goes on from this response, without sending it again."),
    "stream": _STREAM,
    "stream_options": _note("Accepted; its events are as short without it."),
    "store": _note("False: the response is not kept, and cannot be read or gone on from."),
    "background": _note("Responses are not run in the background.", anyOf=_OFF),
    "metadata": _note("Repeated in the response.", maxProperties=MAX_METADATA_PAIRS),
    "max_output_tokens": _note(
        "The answer ends after as many tokens; the response is then `incomplete`.", minimum=1
    ),
    "truncation": _note("The upstream shortens as it sees fit.", enum=[None, "auto", "disabled"]),
    "conversation": _note("Conversation objects cannot be had.", type="null"),
    "prompt": _note("Prompt templates cannot be had.", type="null"),
    "tools": _note(
        "Functions and custom tools that the model may call, by themselves or in namespaces. It "
        "uses tools of its own as it sees fit.",
        **_FUNCTIONS,
        items={
            "type": "object",
            "properties": {"type": {"type": "string"}},
            "required": ["type"],
        },
    ),
    "tool_choice": _note(
        "`none`, `auto`, `required`, one function, or the `allowed_tools` among them.",
        anyOf=[_WORDS_OF_CHOICE, {"type": "object"}, {"type": "null"}],
    ),
    "parallel_tool_calls": _PARALLEL,
    "text": _note("`format` says what the answer has to be, as `response_format` of a chat."),
    "render_profile": _PROFILE,
}
_COMPACT: Notes = {
    WHOLE: {"anyOf": [{"required": ["input"]}, {"required": ["previous_response_id"]}]},
    **{name: _RESPONSE[name] for name in sorted(COMPACTED)},
}
_IMAGE: Notes = {
    "prompt": _note("What to draw.", pattern=r"\S"),
    "model": _note("A name of `/v1/models`; without it, the first that can draw."),
    "n": _note("How many pictures.", minimum=1, maximum=MAX_PICTURES),
    "size": _note(
        "Such as `1024x1024`, or `auto`; the website's model is told, and heeds it as it likes."
    ),
    "response_format": _note(
        "Links, or the pictures themselves; by the model's name without it.",
        enum=[None, "", *FORMATS],
    ),
    "render_profile": _PROFILE,
    "stream": _STREAM,
    "partial_images": _note(
        "How many previews of each picture are streamed, where the upstream shows any.",
        minimum=0,
        maximum=MAX_PREVIEWS,
    ),
    **{name: _option(", ".join(f"`{word}`" for word in words)) for name, words in CHOICES.items()},
    "output_compression": _option("0 to 100 percent"),
}
_EDIT: Notes = {
    **_IMAGE,
    "images": _note("The pictures to draw from.", minItems=1, maxItems=MAX_IMAGES),
    "mask": _note("Only what is transparent or white in it is drawn anew."),
}
_PLACE = [
    {"properties": {name: {"type": "string", "minLength": 1}}, "required": [name]}
    for name in ("image_url", "file_id")
]
_SILENT = [{"properties": {"role": {"enum": list(MAY_BE_SILENT)}}}]
_SPEECH: Notes = {
    WHOLE: {
        "anyOf": [
            {"properties": {"input": {"pattern": r"\S"}}, "required": ["input"]},
            {
                "properties": {
                    name: {"type": "string", "minLength": 1}
                    for name in ("conversation_id", "message_id")
                },
                "required": ["conversation_id", "message_id"],
            },
        ]
    },
    "input": _note("The text to read aloud.", maxLength=MAX_CHARS),
    "model": _note("A name of `/v1/models` whose model repeats the text; without it, a small one."),
    "voice": _note(
        "An OpenAI name of a voice, or one of the upstream's.", anyOf=[{"enum": [None, *VOICES]}]
    ),
    "response_format": _note("The kind of sound.", enum=[None, "", *FORMATS_OF_SOUND]),
    "stream_format": _note("Bytes only, as they arrive.", enum=[None, "audio"]),
    "conversation_id": _note(
        "Beside `message_id`, in place of `input`: an answer that is there already.",
        pattern=_UPSTREAM_ID,
    ),
    "message_id": _note("As an answer named it.", pattern=_UPSTREAM_ID),
}
_MESSAGE: Notes = {
    WHOLE: {
        "anyOf": [
            *_SILENT,
            {
                "properties": {"content": {"type": ["string", "array"], "minItems": 1}},
                "required": ["content"],
            },
        ]
    },
    "role": _note("Who speaks; `developer` is sent as `system`.", enum=list(ROLES)),
    "content": _note("A text, or a list of parts; null beside calls."),
    "name": _note("Of the function whose result this is, in the form before `tools`."),
    "tool_calls": _note("The calls that the model wanted."),
    "function_call": _note("The call that the model wanted, in the form before `tools`."),
    "tool_call_id": _note("The call whose result this is."),
}
_FUNCTION: Notes = {
    "name": _note("What it is called by.", pattern=f"^(?:{NAME.pattern})$"),
    "description": _note("What it is for."),
    "parameters": _note(
        "The JSON Schema of its arguments, which are an object.",
        properties={"type": {"const": "object"}},
    ),
    "strict": _note("Accepted; calls are held against the schema in any case."),
}

_SHARED: Notes = {
    "model": _note(
        "A name of `/v1/models`, or one that begins with `claude`.",
        minLength=1,
        maxLength=MAX_MODEL_CHARS,
    ),
    "messages": _note("The conversation so far; the last turn is the user's.", minItems=1),
    "system": _note("What the model is told before the messages: a text, or blocks of text."),
    "tools": _note(
        "Tools that the model may call, and `web_search_…` for a search of its own.",
        maxItems=MAX_TOOLS,
    ),
    "tool_choice": _note("`auto`, `any`, `none`, or one `tool` by its `name`."),
    "thinking": _note("Whether what the model thought is shown."),
    "output_config": _note("`format` says what the answer has to be, `effort` how much it takes."),
    "output_format": _note("The older place of `output_config.format`."),
    "thread": _note("Threads are not kept here.", type="null"),
    "mcp_servers": _note("No server is called from here.", maxItems=0),
    "container": _note("There are no containers here.", type="null"),
}
_ASKED: Notes = {
    **_SHARED,
    "max_tokens": _note(
        "The answer ends after as many tokens; `stop_reason` is then `max_tokens`.", minimum=0
    ),
    "stream": _STREAM,
    "stop_sequences": _note(
        "Where the answer ends, without these words.",
        maxItems=MAX_MESSAGE_STOPS,
        items={"type": "string", "maxLength": MAX_STOP_CHARS},
    ),
}

FIELDS: dict[type[Struct], Notes] = {
    **ADMIN_FIELDS,
    MessageFields: _ASKED,
    TokenFields: _SHARED,
    ChatFields: _CHAT,
    CompletionFields: _COMPLETION,
    ResponseFields: _RESPONSE,
    CompactFields: _COMPACT,
    ImageFields: _IMAGE,
    ImageEditFields: _EDIT,
    ImagePlace: {
        WHOLE: {"anyOf": _PLACE},
        "image_url": _note("A web address that is open to all, or a data URL."),
        "file_id": _note("The id of a file of `/v1/files`."),
    },
    SpeechFields: _SPEECH,
    WireMessage: _MESSAGE,
    Turn: {"role": _note("Who speaks; `system` only adds instructions.", enum=list(TURN_ROLES))},
    WireFunction: _FUNCTION,
    WireFile: {
        WHOLE: {
            "anyOf": [
                {
                    "properties": {name: {"type": "string", "minLength": 1}},
                    "required": [name],
                }
                for name in ("file_data", "file_id")
            ]
        },
        "filename": _note("Its name; its type is told from the content."),
        "file_data": _note("Its content, as a data URL or in base64."),
        "file_id": _note("The id of a file of `/v1/files`.", pattern=f"^(?:{FILE_ID.pattern})?$"),
    },
    WireImageUrl: {
        "url": _note("A web address that is open to all, or a data URL.", pattern=_URL),
        "detail": _note("Accepted, and has no effect."),
    },
    WireTool: {
        WHOLE: {
            "required": ["type"],
            "anyOf": [
                {"properties": {"type": {"const": "function"}}, "required": ["function"]},
                {"properties": {"type": {"const": DRAWING}}},
            ],
        },
        "type": _note("A function, or the tool that draws.", enum=["function", DRAWING]),
        "function": _note("Required of a function.", type="object"),
        **{
            name: _note(f"Of `{DRAWING}`, on Codex accounts.")
            for name in WireTool.__struct_fields__[2:]
        },
    },
    WireFormat: {
        "type": _note("What the answer has to be.", enum=["text", "json_object", "json_schema"]),
        "json_schema": _note(
            "Required for `json_schema`, with a `name`; `schema` is what the answer has to fit."
        ),
        "schema": _note("Beside `json_object`: what the answer has to fit."),
        "value": _note("Beside `json_object`: the same."),
    },
}
