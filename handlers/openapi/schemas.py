"""JSON Schemas of records: the readers' for requests, those of `service/answers` for answers."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from handlers.admin import accounts
from handlers.admin import keys as admin_keys
from handlers.audio import speech
from handlers.chat import completions
from handlers.conversations import fields as conversation_fields
from handlers.images import edits
from handlers.images import fields as image_fields
from handlers.messages import fields as message_fields
from handlers.openapi.fields import FIELDS
from handlers.openapi.notes import COMPONENTS, WHOLE, Schema
from handlers.reading import chat_fields
from handlers.responses import fields as response_fields

_OWN_NAME = re.compile(r"(?:.*\.)?_?(?:Wire)?(\w+)")
_TYPES = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
_IGNORED = "Accepted, and has no effect; `x-ignored-fields` of the answer names it."

_OF_ADMIN: Mapping[str, type[Struct]] = {
    "SignInRequest": accounts.SignInFields,
    "NewKeyRequest": admin_keys.NewKeyFields,
    "KeyChangeRequest": admin_keys.KeyChangeFields,
}
# The name of each request, its record, and the fields that have an effect.
REQUESTS: Mapping[str, tuple[type[Struct], frozenset[str]]] = {
    "ChatCompletionRequest": (chat_fields.ChatFields, chat_fields.HONOURED),
    "CompletionRequest": (completions.CompletionFields, completions.HONOURED),
    "ResponseRequest": (response_fields.ResponseFields, response_fields.HONOURED),
    "ResponseTokensRequest": (response_fields.TokenFields, response_fields.COUNTED),
    "ConversationRequest": (
        conversation_fields.ConversationFields,
        frozenset({"items", "metadata"}),
    ),
    "ConversationUpdateRequest": (conversation_fields.MetadataFields, frozenset({"metadata"})),
    "ConversationItemsRequest": (conversation_fields.ItemsFields, frozenset({"items"})),
    "CompactRequest": (response_fields.CompactFields, response_fields.COMPACTED),
    "MessageRequest": (message_fields.MessageFields, message_fields.HONOURED),
    "MessageTokensRequest": (message_fields.TokenFields, message_fields.COUNTED),
    "ImageRequest": (image_fields.ImageFields, image_fields.HONOURED),
    "ImageEditRequest": (edits.ImageEditFields, edits.EDIT_HONOURED),
    "SpeechRequest": (speech.SpeechFields, speech.HONOURED),
    **{name: (record, frozenset(record.__struct_fields__)) for name, record in _OF_ADMIN.items()},
}


def reference(name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"{COMPONENTS}{name}"}


def answer_components(records: Iterable[Any]) -> dict[str, Schema]:
    """Return the schemas of these records and of all records inside them, by name.

    A field with a default is always sent, so it is marked as required like the others.
    """
    _, found = msgspec.json.schema_components(records, ref_template=f"{COMPONENTS}{{name}}")
    return {name: _always_sent(schema) for name, schema in found.items()}


def _always_sent(schema: Schema) -> Schema:
    if "properties" not in schema:
        return schema
    properties, required = {}, schema.get("required", [])
    for name, given in schema["properties"].items():
        properties[name] = {key: value for key, value in given.items() if key != "default"}
    needed = [
        name
        for name, given in schema["properties"].items()
        if name in required or "default" in given
    ]
    return {**schema, "properties": properties, "required": needed}


def request_components(wanted: Collection[str | None]) -> dict[str, Schema]:
    """Return the schemas of the wanted requests, with the notes of `fields.py`.

    Parts of a request are named after it, since readers of two dialects have parts of one name.
    """
    found: dict[str, Schema] = {}
    for name, (record, honoured) in REQUESTS.items():
        if name in wanted:
            found |= _components(name, record, honoured)
    return found


def form_schema(
    record: type[Struct], honoured: Collection[str], files: Mapping[str, Schema]
) -> Schema:
    """Return the schema of a form for the fields of a record, all of them as text.

    Args:
        record: the record of the fields.
        honoured: the fields that have an effect.
        files: the files beside them, by the name of their part.
    """
    notes = FIELDS[record]
    fields = {name: _as_text(notes[name]) for name in record.__struct_fields__ if name in honoured}
    return {"type": "object", "properties": {**files, **fields}}


def _as_text(note: Schema) -> Schema:
    """Return the schema of a form's field; a number becomes a string of digits."""
    kept = {key: value for key, value in note.items() if key in ("description", "pattern")}
    if "enum" in note:
        kept["enum"] = [value for value in note["enum"] if value is not None]
    if "maximum" in note:
        numbers = range(note["minimum"], note["maximum"] + 1)
        kept["pattern"] = f"^({'|'.join(map(str, numbers))})?$"
    return {"type": "string", **kept}


def _components(name: str, record: type[Struct], honoured: Collection[str]) -> dict[str, Schema]:
    inside = set(_records_of(msgspec.inspect.type_info(record)))
    noted = {each.__name__: notes for each, notes in FIELDS.items() if each in inside}
    stem = name.removesuffix("Request")
    _, raw = msgspec.json.schema_components([record], ref_template=f"{COMPONENTS}{{name}}")
    names = {old: name if old == record.__name__ else stem + _own_name(old) for old in raw}
    found = {}
    for old, schema in raw.items():
        notes = noted.get(old, {})
        ignored = set(record.__struct_fields__) - set(honoured) if old == record.__name__ else set()
        found[names[old]] = _renamed(_with_notes(schema, notes, ignored), names)
    return found


def _records_of(kind: msgspec.inspect.Type) -> Iterator[type[Struct]]:
    """Yield the records of a type: two dialects have different ones of the same name."""
    match kind:
        case msgspec.inspect.StructType(cls, fields):
            yield cls
            for field in fields:
                yield from _records_of(field.type)
        case msgspec.inspect.UnionType(types):
            for each in types:
                yield from _records_of(each)
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            yield from _records_of(kind.item_type)
        case _:
            return


def _own_name(old: str) -> str:
    own = _OWN_NAME.fullmatch(old)
    return own[1] if own else old


def _with_notes(schema: Schema, notes: Mapping[str, Schema], ignored: Collection[str]) -> Schema:
    """Return a record's schema with a note on each field; a nullable field stays nullable."""
    properties = {}
    for name, given in schema.get("properties", {}).items():
        plain = {
            key: value for key, value in given.items() if key != "default" or value is not None
        }
        note = notes.get(name, {})
        if name in ignored and not note:
            note = {"description": _IGNORED, "x-ignored": True}
        properties[name] = {**plain, **note}
    return {**schema, "properties": properties, **notes.get(WHOLE, {})} if properties else schema


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """Return a schema with references and titles by the new names."""
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if isinstance(schema, str) and schema.startswith(COMPONENTS):
        return COMPONENTS + names[schema.removeprefix(COMPONENTS)]
    if not isinstance(schema, dict):
        return schema
    return {
        key: names.get(value, value)
        if key == "title" and isinstance(value, str)
        else _renamed(value, names)
        for key, value in schema.items()
    }


def spelled_out(schema: Any) -> Any:
    """Return schemas with an explicit type for each value and list, for client generators."""
    if isinstance(schema, list):
        return [spelled_out(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: spelled_out(value) for key, value in schema.items()}
    kinds = plain.get("type")
    if kinds == "array" or (isinstance(kinds, list) and "array" in kinds):
        plain.setdefault("items", {})
    values = plain.get("enum")
    if isinstance(values, list) and "type" not in plain and "anyOf" not in plain:
        types = dict.fromkeys(_TYPES[type(value)] for value in values)
        plain["type"] = next(iter(types)) if len(types) == 1 else list(types)
        if len(values) == 1:
            plain["const"] = plain.pop("enum")[0]
    return plain


def references_in(schema: Any) -> Iterator[str]:
    """Yield the names of the components that a schema refers to."""
    if isinstance(schema, dict):
        for value in schema.values():
            yield from references_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references_in(value)
    elif isinstance(schema, str) and schema.startswith(COMPONENTS):
        yield schema.removeprefix(COMPONENTS)
