"""What schemathesis is told beside our description: how to get past the door, and to look closer.

It runs in the clients' environment and imports nothing of this repository.
"""

import base64
import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies

# What the demo upstream is asked for, so that answers are of every kind.
QUESTIONS = [
    *("Hello", "think about boats", "search for boats", "draw a boat of 64x64", "make report.csv"),
    *("run code for 6*7", "emoji", "moderation", "token limit", "several messages"),
    *("/fault 500", "/fault 429 5", "/fault cut 3", "/fault empty"),
]
QUESTION = {"type": "string", "enum": QUESTIONS}
# An order that is answered with nothing is waited for, since its picture may come later.
PROMPT = {"type": "string", "enum": [one for one in QUESTIONS if one != "/fault empty"]}
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c494441"
    "54789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
PICTURE_URL = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
# Two cases of one key are a conflict, and no account is anybody's: nothing would come behind them.
UNTESTED = ("Idempotency-Key", "ChatGPT-Account-ID")
IS_POSITIVE = os.environ["MODE"] == "positive"
MODEL = {"type": "string", "const": "gpt-4o"}  # any other word is an unknown model
STREAM = {"type": "boolean"}
WORD = {"type": "string", "enum": ["true", "false"]}  # the same in a form
# Of Anthropic's dialect, whose other fields and parts are tested by its own SDK.
TURN = {"type": "object", "properties": {"role": {"const": "user"}, "content": QUESTION}}
TURN |= {"required": ["role", "content"], "additionalProperties": False}
TURNS = {"type": "array", "items": TURN, "minItems": 1, "maxItems": 3}
# What is known of fields here and not in the description: pinned where all of a case is right.
PINNED: dict[str, Any] = {
    "ChatCompletionRequest": {"model": MODEL, "stream": STREAM, "temperature": {"enum": [None, 1]}},
    "ChatCompletionMessage": {"role": {"enum": ["system", "user", "assistant"]}},
    "MessageRequest": {
        "model": MODEL,
        "stream": STREAM,
        "messages": TURNS,
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 1_000},
    },
    "MessageTokensRequest": {"model": MODEL, "messages": TURNS},
    "ChatCompletionText": {"text": QUESTION},
    "ChatCompletionImageUrl": {"url": {"type": "string", "const": PICTURE_URL}},
    "ChatCompletionFile": {"file_id": {"type": "string", "const": os.environ["FILE_ID"]}},
    "CompletionRequest": {"model": MODEL, "stream": STREAM, "prompt": QUESTION},
    # To any other key, a response to go on from does not exist: that is no refusal of the key.
    "ResponseRequest": {
        "model": MODEL,
        "stream": STREAM,
        "background": {"enum": [None, False]},
        "previous_response_id": {"type": "null"},
        "conversation": {"type": "null"},
    },
    "ResponseTokensRequest": {
        "previous_response_id": {"type": "null"},
        "conversation": {"type": "null"},
    },
    "CompactRequest": {
        "model": MODEL,
        "input": QUESTION,
        "stream": {"enum": [None, False]},
        "previous_response_id": {"type": "null"},
    },
    "ImageRequest": {"model": MODEL, "prompt": PROMPT, "size": {"enum": [None, "64x64"]}},
    "SpeechRequest": {"model": MODEL, "input": {"const": "Boats float."}},
    "ImageEditForm": {
        "model": MODEL,
        "stream": WORD,
        "prompt": PROMPT,
        "size": {"const": "64x64"},
    },
    "ImageVariationForm": {"model": MODEL, "stream": WORD, "size": {"const": "64x64"}},
}
SAYING = 3  # kinds of input items say something: messages, calls and their results
OPEN = "ListedItem"  # repeats what its caller sent
KNOWN = {"/v1/responses/{id}": "RESPONSE_ID", "/v1/files/{id}": "FILE_ID"}

schemathesis.openapi.format("binary", strategies.just(PICTURE))
# What is made of the description stays to the end; to look through it for garbage takes a tenth.
gc.set_threshold(100_000, 50, 100)


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Close the answers: what is not described is a mistake. Pin what gets past the door."""
    schemas = raw_schema["components"]["schemas"]
    for name in answered(raw_schema) - {OPEN}:
        if "properties" in schemas[name]:
            schemas[name]["additionalProperties"] = False
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            given = operation.get("parameters", ())
            operation["parameters"] = [one for one in given if one["name"] not in UNTESTED]
    if IS_POSITIVE:
        pin(raw_schema)


def pin(description: dict[str, Any]) -> None:
    """Say of the requests what is known here only."""
    schemas = description["components"]["schemas"]
    for name, fields in PINNED.items():
        schemas[name]["properties"] |= fields
    for name, schema in schemas.items():
        if name.endswith("Form"):
            schema["additionalProperties"] = False  # names of parts that no form has
        if PINNED.get(name, {}).get("stream") in (STREAM, WORD):  # else few would be streamed
            schema["required"] = sorted({*schema.get("required", ()), "model", "stream"})
    for name, field in (("ChatCompletionMessage", "content"), ("ResponseRequest", "input")):
        choices = schemas[name]["properties"][field]["anyOf"]
        choices[:] = [QUESTION if choice == {"type": "string"} else choice for choice in choices]
    schemas["ChatCompletionMessage"]["properties"]["content"] = QUESTION
    for name in ("MessageRequest", "MessageTokensRequest"):
        schemas[name] |= {"properties": PINNED[name], "additionalProperties": False}
    items = schemas["ResponseRequest"]["properties"]["input"]["items"]
    items["anyOf"] = items["anyOf"][:SAYING]


def answered(description: dict[str, Any]) -> set[str]:
    """Return the names of all components that are part of an answer."""
    wanted = set(references(description["components"]["responses"]))
    for operations in description["paths"].values():
        for operation in operations.values():
            wanted |= set(references(operation["responses"]))
    schemas, seen = description["components"]["schemas"], set()
    while wanted:
        name = wanted.pop()
        seen.add(name)
        wanted |= set(references(schemas[name])) - seen
    return seen


def references(schema: Any) -> Iterator[str]:
    """Yield the names of the components that a part of the description refers to."""
    if isinstance(schema, list):
        for each in schema:
            yield from references(each)
    elif isinstance(schema, dict):
        _, found, name = str(schema.get("$ref", "")).partition("#/components/schemas/")
        if found:
            yield name
        for each in schema.values():
            yield from references(each)


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Read what is there; what is not is met by all other methods."""
    operation = context.operation
    known = [name for path, name in KNOWN.items() if operation.path.startswith(path)]
    if path_parameters and known and operation.method.lower() == "get":
        path_parameters["id"] = os.environ[known[0]]
    return path_parameters


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Count what was answered, for the test to see that the cases came through."""
    media = response.headers.get("content-type", [""])[0].partition(";")[0]
    line = [case.operation.definition.raw["operationId"], response.status_code, media]
    with Path(os.environ["ANSWERS"]).open("a", encoding="utf-8") as answers:
        answers.write(json.dumps(line) + "\n")
