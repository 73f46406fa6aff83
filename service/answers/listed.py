"""Files and models, one by one and in lists (spec 5, openai-wire 9)."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType


class File(Struct, frozen=True, kw_only=True, tag_field="object", tag="file"):
    """An uploaded file; times in seconds since 1970."""

    id: str
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: None = None


class FileList(Struct, frozen=True, tag_field="object", tag="list"):
    """A page of the caller's files."""

    data: list[File]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(Struct, frozen=True, tag_field="object", tag="file"):
    """The confirmation that a file was deleted."""

    id: str
    deleted: Literal[True] = True


class Model(Struct, frozen=True, tag_field="object", tag="model"):
    """A model name that can be requested; the other fields where its upstream tells them."""

    id: str
    created: int
    owned_by: str
    context_window: int | UnsetType = UNSET
    input_modalities: list[str] | UnsetType = UNSET
    reasoning_efforts: list[str] | UnsetType = UNSET


class ModelList(Struct, frozen=True, tag_field="object", tag="list"):
    """All model names that can be requested."""

    data: list[Model]
