"""The records of `/v1/conversations`, which are kept here (spec 18)."""

from typing import Literal

from msgspec import Struct

from service.answers.responses import ListedItem


class Conversation(Struct, frozen=True, tag_field="object", tag="conversation"):
    """A conversation; `created_at` in seconds since 1970."""

    id: str
    created_at: int
    metadata: dict[str, str]


class DeletedConversation(Struct, frozen=True, tag_field="object", tag="conversation.deleted"):
    """The confirmation that a conversation was deleted."""

    id: str
    deleted: Literal[True] = True


class ConversationItemList(Struct, frozen=True, tag_field="object", tag="list"):
    """A page of a conversation's items."""

    data: list[ListedItem]
    first_id: str | None
    last_id: str | None
    has_more: bool
