"""The table of request fields: what each means, and its limits beyond its type.

Types, defaults and whether a field is required come from the reader's own record. A field that the
reader ignores is described as such; a test compares the names. A note under `WHOLE` is about the
record as a whole.
"""

from msgspec import Struct

from handlers.admin.accounts import SignInFields
from handlers.admin.fields import MAX_NAME_CHARS
from handlers.admin.keys import BudgetFields, KeyChangeFields, NewKeyFields
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
from handlers.openapi.notes import (
    COMPONENTS,
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
from handlers.openapi.response_fields import RESPONSE_FIELDS
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
    NAME,
    WireChoice,
    WireFormat,
    WireFunction,
    WireTool,
)
from service.orders.images import MAX_PICTURES, MAX_PREVIEWS
from service.orders.speech import FORMATS as FORMATS_OF_SOUND
from service.orders.speech import MAX_CHARS, VOICES


def _option(words: str) -> Schema:
    """Return the note on a setting of pictures that one upstream takes."""
    return note(f"Accepted; the website has no such setting. On Codex accounts: {words}.")


_LIMIT = "The answer ends after as many tokens; `finish_reason` is then `length`."
_ONE = note("Only one choice can be had.", enum=[None, 1])
_STREAM_OPTIONS = note("`include_usage` adds an event with the usage before `[DONE]`.")
_STOP = note(
    "Where the answer ends, without these words.",
    maxLength=MAX_STOP_CHARS,
    maxItems=MAX_STOPS,
    items={"type": "string", "maxLength": MAX_STOP_CHARS},
)
_URL = "^\\s*([Hh][Tt][Tt][Pp][Ss]?://|[Dd][Aa][Tt][Aa]:)"
_UPSTREAM_ID = f"^(?:{UPSTREAM_ID.pattern})?$"

_CHAT: Notes = {
    "model": MODEL,
    "messages": note("The conversation so far.", minItems=1),
    "stream": STREAM,
    "stream_options": _STREAM_OPTIONS,
    "max_tokens": note(_LIMIT, minimum=1),
    "max_completion_tokens": note(_LIMIT, minimum=1),
    "stop": _STOP,
    "n": _ONE,
    "modalities": note("Text only.", items={"type": "string", "not": {"const": "audio"}}),
    "audio": note("Audio output cannot be had.", type="null"),
    "tools": note("Functions that the model may call.", **FUNCTIONS),
    "tool_choice": note(
        "`none`, `auto`, `required`, one function, or the `allowed_tools` among them.",
        anyOf=[
            WORDS_OF_CHOICE,
            {"$ref": f"{COMPONENTS}{WireChoice.__name__}"},
            {"type": "null"},
        ],
    ),
    "parallel_tool_calls": PARALLEL,
    "functions": note("The form before `tools`.", **FUNCTIONS),
    "function_call": note("The form before `tool_choice`: `none`, `auto` or one function."),
    "response_format": note(
        "What the answer has to be: text, a JSON object, or what fits a schema."
    ),
    "conversation_id": note(
        "Goes on with this conversation of the upstream's, as an earlier answer named it.",
        pattern=_UPSTREAM_ID,
    ),
    "parent_message_id": note(
        "The message of that conversation to go on from.", pattern=_UPSTREAM_ID
    ),
    "render_profile": PROFILE,
}
_COMPLETION: Notes = {
    "model": MODEL,
    "prompt": note(
        "One prompt, or a list of one.",
        minItems=1,
        maxItems=1,
        items={"type": "string"},
    ),
    "stream": STREAM,
    "stream_options": _STREAM_OPTIONS,
    "max_tokens": note(_LIMIT, minimum=1),
    "stop": _STOP,
    "echo": note("Put the prompt before the answer."),
    "suffix": note("A text cannot be filled in.", enum=[None, ""]),
    "n": _ONE,
    "best_of": _ONE,
    "render_profile": PROFILE,
}


_IMAGE: Notes = {
    "prompt": note("What to draw.", pattern=r"\S"),
    "model": note("A name of `/v1/models`; without it, the first that can draw."),
    "n": note("How many pictures.", minimum=1, maximum=MAX_PICTURES),
    "size": note(
        "Such as `1024x1024`, or `auto`; the website's model is told, and heeds it as it likes."
    ),
    "response_format": note(
        "Links, or the pictures themselves; by the model's name without it.",
        enum=[None, "", *FORMATS],
    ),
    "render_profile": PROFILE,
    "stream": STREAM,
    "partial_images": note(
        "How many previews of each picture are streamed, where the upstream shows any.",
        minimum=0,
        maximum=MAX_PREVIEWS,
    ),
    **{name: _option(", ".join(f"`{word}`" for word in words)) for name, words in CHOICES.items()},
    "output_compression": _option("0 to 100 percent"),
}
_EDIT: Notes = {
    **_IMAGE,
    "images": note("The pictures to draw from.", minItems=1, maxItems=MAX_IMAGES),
    "mask": note("Only what is transparent or white in it is drawn anew."),
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
    "input": note("The text to read aloud.", maxLength=MAX_CHARS),
    "model": note("A name of `/v1/models` whose model repeats the text; without it, a small one."),
    "voice": note(
        "An OpenAI name of a voice, or one of the upstream's.", anyOf=[{"enum": [None, *VOICES]}]
    ),
    "response_format": note("The kind of sound.", enum=[None, "", *FORMATS_OF_SOUND]),
    "stream_format": note("Bytes only, as they arrive.", enum=[None, "audio"]),
    "conversation_id": note(
        "Beside `message_id`, in place of `input`: an answer that is there already.",
        pattern=_UPSTREAM_ID,
    ),
    "message_id": note("As an answer named it.", pattern=_UPSTREAM_ID),
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
    "role": note("Who speaks; `developer` is sent as `system`.", enum=list(ROLES)),
    "content": note("A text, or a list of parts; null beside calls."),
    "name": note("Of the function whose result this is, in the form before `tools`."),
    "tool_calls": note("The calls that the model wanted."),
    "function_call": note("The call that the model wanted, in the form before `tools`."),
    "tool_call_id": note("The call whose result this is."),
}
_FUNCTION: Notes = {
    "name": note("What it is called by.", pattern=f"^(?:{NAME.pattern})$"),
    "description": note("What it is for."),
    "parameters": note(
        "The JSON Schema of its arguments, which are an object.",
        properties={"type": {"const": "object"}},
    ),
    "strict": note("Accepted; calls are held against the schema in any case."),
}

_SHARED: Notes = {
    "model": note(
        "A name of `/v1/models`, or one that begins with `claude`.",
        minLength=1,
        maxLength=MAX_MODEL_CHARS,
    ),
    "messages": note("The conversation so far; the last turn is the user's.", minItems=1),
    "system": note("What the model is told before the messages: a text, or blocks of text."),
    "tools": note(
        "Tools that the model may call, and `web_search_…` for a search of its own.",
        maxItems=MAX_TOOLS,
    ),
    "tool_choice": note("`auto`, `any`, `none`, or one `tool` by its `name`."),
    "thinking": note("Whether what the model thought is shown."),
    "output_config": note("`format` says what the answer has to be, `effort` how much it takes."),
    "output_format": note("The older place of `output_config.format`."),
    "thread": note("Threads are not kept here.", type="null"),
    "mcp_servers": note("No server is called from here.", maxItems=0),
    "container": note("There are no containers here.", type="null"),
}
_ASKED: Notes = {
    **_SHARED,
    "max_tokens": note(
        "The answer ends after as many tokens; `stop_reason` is then `max_tokens`.", minimum=0
    ),
    "stream": STREAM,
    "stop_sequences": note(
        "Where the answer ends, without these words.",
        maxItems=MAX_MESSAGE_STOPS,
        items={"type": "string", "maxLength": MAX_STOP_CHARS},
    ),
}

_LIMITS_OF_KEYS: Notes = {
    "name": {"description": "What it is called.", "minLength": 1, "maxLength": MAX_NAME_CHARS},
    "requests_per_minute": {"description": "Requests a minute; 0 is no limit."},
    "concurrent_requests": {"description": "Requests at once; 0 is no limit."},
    "models": {"description": "The models that it may ask for; empty: any."},
    "shows_account": {"description": "Whether its holder sees the account's limits."},
    "budgets": {"description": "Requests and tokens for a time; without one there is no limit."},
}
_BUDGET = "{unit} that may be used in {window}; null is no limit."
_WINDOWS = {
    "5_hours": "any five hours",
    "day": "a day of UTC",
    "week": "a week from Monday, in UTC",
    "month": "a month of the calendar, in UTC",
}
_ADMIN_FIELDS: dict[type[Struct], Notes] = {
    SignInFields: {
        "name": {
            "description": "What the account is called; without it a name is made.",
            "maxLength": MAX_NAME_CHARS,
        }
    },
    NewKeyFields: {
        **_LIMITS_OF_KEYS,
        "account": {"description": "The id of the account that it stands for."},
    },
    KeyChangeFields: _LIMITS_OF_KEYS,
    BudgetFields: {
        f"{unit}_per_{name}": {"description": _BUDGET.format(unit=unit.title(), window=window)}
        for unit in ("requests", "tokens")
        for name, window in _WINDOWS.items()
    },
}


FIELDS: dict[type[Struct], Notes] = {
    **_ADMIN_FIELDS,
    MessageFields: _ASKED,
    TokenFields: _SHARED,
    ChatFields: _CHAT,
    CompletionFields: _COMPLETION,
    **RESPONSE_FIELDS,
    ImageFields: _IMAGE,
    ImageEditFields: _EDIT,
    ImagePlace: {
        WHOLE: {"anyOf": _PLACE},
        "image_url": note("A web address that is open to all, or a data URL."),
        "file_id": note("The id of a file of `/v1/files`."),
    },
    SpeechFields: _SPEECH,
    WireMessage: _MESSAGE,
    Turn: {"role": note("Who speaks; `system` only adds instructions.", enum=list(TURN_ROLES))},
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
        "filename": note("Its name; its type is told from the content."),
        "file_data": note("Its content, as a data URL or in base64."),
        "file_id": note("The id of a file of `/v1/files`.", pattern=f"^(?:{FILE_ID.pattern})?$"),
    },
    WireImageUrl: {
        "url": note("A web address that is open to all, or a data URL.", pattern=_URL),
        "detail": note("Accepted, and has no effect."),
    },
    WireTool: {
        WHOLE: {
            "required": ["type"],
            "anyOf": [
                {"properties": {"type": {"const": "function"}}, "required": ["function"]},
                {"properties": {"type": {"const": DRAWING}}},
            ],
        },
        "type": note("A function, or the tool that draws.", enum=["function", DRAWING]),
        "function": note("Required of a function.", type="object"),
        **{
            name: note(f"Of `{DRAWING}`, on Codex accounts.")
            for name in WireTool.__struct_fields__[2:]
        },
    },
    WireFormat: {
        "type": note("What the answer has to be.", enum=["text", "json_object", "json_schema"]),
        "json_schema": note(
            "Required for `json_schema`, with a `name`; `schema` is what the answer has to fit."
        ),
        "schema": note("Beside `json_object`: what the answer has to fit."),
        "value": note("Beside `json_object`: the same."),
    },
}
