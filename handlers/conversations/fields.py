"""Reads the JSON bodies of `/v1/conversations`, or refuses them with a 400."""

from typing import Any

from msgspec import Struct

from handlers.reading.json_body import decode_json, refusal
from handlers.responses.fields import check_metadata

MAX_ITEMS = 1_000  # that one request may bring; OpenAI takes 20


class ConversationFields(Struct, frozen=True):
    """The body of a request for a new conversation."""

    items: list[dict[str, Any]] | None = None
    metadata: dict[str, str] | None = None


class MetadataFields(Struct, frozen=True):
    """The body of a request for other metadata."""

    metadata: dict[str, str] | None = None


class ItemsFields(Struct, frozen=True):
    """The body of a request to add items."""

    items: list[dict[str, Any]] | None = None


def conversation_fields(body: bytes) -> ConversationFields:
    """Return the fields of a request for a new conversation.

    Raises:
        RequestError: a field is wrong.
    """
    fields = decode_json(body, ConversationFields)
    check_metadata(fields.metadata or {})
    _check_number(fields.items or [])
    return fields


def new_metadata(body: bytes) -> dict[str, str]:
    """Return the metadata that replaces the old.

    Raises:
        RequestError: it is missing or wrong.
    """
    metadata = decode_json(body, MetadataFields).metadata
    if metadata is None:
        raise refusal("metadata", "this field is required; send an object of texts")
    check_metadata(metadata)
    return metadata


def new_items(body: bytes) -> list[dict[str, Any]]:
    """Return the items to add.

    Raises:
        RequestError: they are missing, or there are too many.
    """
    items = decode_json(body, ItemsFields).items
    if not items:
        raise refusal("items", "this field is required; send a list of items")
    _check_number(items)
    return items


def _check_number(items: list[dict[str, Any]]) -> None:
    if len(items) > MAX_ITEMS:
        raise refusal("items", f"expected up to {MAX_ITEMS} at once")
