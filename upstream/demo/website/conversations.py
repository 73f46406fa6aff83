"""Stored conversations and what can be asked about them (protocol 6.4)."""

import time
import uuid
from typing import Any

import msgspec
from aiohttp import web

from upstream.demo.ground.recent import Recent
from upstream.demo.ground.refusals import Refusal, detail, not_found, read_fields
from upstream.demo.ground.stats import STATS
from upstream.demo.scenes.scenarios import conversation_details
from upstream.demo.scenes.script import Message
from upstream.demo.website.bodies import body
from upstream.demo.website.tokens import OWNER

KEPT_CONVERSATIONS = 2_000
"""The oldest are forgotten: all is in memory, and load tests run for long."""


Node = dict[str, Any]


class Late(msgspec.Struct, frozen=True):
    """A message that joins its conversation by itself."""

    ready_at: float
    message: Message


class Conversation(msgspec.Struct):
    """One conversation; a temporary one has an id but is never found again."""

    id: str
    owner: str
    title: str = "New chat"
    gizmo_id: str = ""
    model: str = "auto"
    is_temporary: bool = False
    is_visible: bool = True
    is_archived: bool = False
    is_streaming: bool = False
    created_at: float = msgspec.field(default_factory=time.time)
    mapping: dict[str, Node] = msgspec.field(default_factory=dict)
    """The tree of messages by their ids, as the upstream shows it; the root has none."""
    current_id: str = ""
    late: list[Late] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        """Plant the root."""
        self._grow(str(uuid.uuid4()), None)

    def append(self, message: Message) -> None:
        """Add a message below the current one, or replace it where it is."""
        if message["id"] not in self.mapping:
            self.mapping[self.current_id]["children"].append(message["id"])
            self._grow(message["id"], self.current_id)
        self.mapping[message["id"]]["message"] = message

    def settle(self) -> None:
        """Take in the late messages whose time has come."""
        now = time.time()
        for one in [late for late in self.late if late.ready_at <= now]:
            self.late.remove(one)
            self.append(one.message)

    def path(self, leaf_id: str) -> list[Message]:
        """Return the messages from the root to a leaf."""
        way: list[Message] = []
        node = self.mapping.get(leaf_id)
        while node and node["message"]:
            way.append(node["message"])
            node = self.mapping[node["parent"]]
        return way[::-1]

    def as_json(self) -> Any:
        """Return the whole, as `GET conversation/{id}` answers."""
        names = msgspec.structs.asdict(self)
        names["gizmo_id"] = self.gizmo_id or None
        return body("conversation", **names, async_status=3 if self.late else None)

    def _grow(self, node_id: str, parent_id: str | None) -> None:
        node: Node = {"id": node_id, "message": None, "parent": parent_id, "children": []}
        self.mapping[node_id] = node
        self.current_id = node_id


class Conversations:
    """All conversations, by id."""

    def __init__(self) -> None:
        self._by_id: Recent[str, Conversation] = Recent(KEPT_CONVERSATIONS)

    def open(self, owner: str, conversation_id: str) -> Conversation:
        """Return a visible conversation of this account.

        Raises:
            Refusal: 404, it is not there, not the caller's, hidden or was temporary.
        """
        found = self.any_of(owner, conversation_id)
        if found is None:
            raise not_found("conversation_not_found")
        if found.is_temporary:
            raise not_found("history_disabled_conversation_not_found")
        if not found.is_visible:
            raise not_found("conversation_deleted")
        found.settle()
        return found

    def start(self, owner: str, *, is_temporary: bool) -> Conversation:
        """Begin a new conversation."""
        made = Conversation(str(uuid.uuid4()), owner, is_temporary=is_temporary)
        self._by_id[made.id] = made
        return made

    def any_of(self, owner: str, conversation_id: str) -> Conversation | None:
        """Return a conversation of this account, in whatever state."""
        found = self._by_id.get(conversation_id)
        return found if found and found.owner == owner else None

    def visible(self, owner: str) -> list[Conversation]:
        """Return the conversations in the account's list, newest first."""
        shown = [
            one
            for one in self._by_id.values()
            if one.owner == owner and one.is_visible and not one.is_temporary
        ]
        return sorted(shown, key=lambda one: one.created_at, reverse=True)


CONVERSATIONS: web.AppKey[Conversations] = web.AppKey("CONVERSATIONS", Conversations)


def opened(request: web.Request) -> Conversation:
    """Return the conversation that a request's path names, or refuse."""
    conversation_id = request.match_info["conversation_id"]
    return request.app[CONVERSATIONS].open(request[OWNER], conversation_id)


async def get_conversation(request: web.Request) -> web.Response:
    """Answer a whole conversation."""
    return web.json_response(opened(request).as_json())


async def list_conversations(request: web.Request) -> web.Response:
    """Answer a page of the account's conversations."""
    offset, limit = (int(request.query.get(*one)) for one in (("offset", "0"), ("limit", "28")))
    shown = request.app[CONVERSATIONS].visible(request[OWNER])
    items = [
        {"id": one.id, "title": one.title, "create_time": one.created_at}
        for one in shown[offset : offset + limit]
    ]
    place = {"total": len(shown), "limit": limit, "offset": offset}
    return web.json_response({"items": items, **place, "has_missing_conversations": False})


async def patch_conversation(request: web.Request) -> web.Response:
    """Hide, rename or archive a conversation."""
    conversation = opened(request)
    wanted = await read_fields(request)
    conversation.title = str(wanted.get("title", conversation.title))
    conversation.is_archived = bool(wanted.get("is_archived", conversation.is_archived))
    if wanted.get("is_visible") is False:
        _hide(request, conversation)
    return web.json_response({"success": True})


async def patch_conversations(request: web.Request) -> web.Response:
    """Hide every conversation of the account."""
    if (await read_fields(request)).get("is_visible") is not False:
        raise Refusal(422, detail("Invalid body"))
    return _hide(request, *request.app[CONVERSATIONS].visible(request[OWNER]))


async def delete_conversation(request: web.Request) -> web.Response:
    """Hide a conversation, in the form of 2026."""
    return _hide(request, opened(request))


async def post_title(request: web.Request) -> web.Response:
    """Name a conversation after its first words."""
    return web.json_response({"title": opened(request).title})


async def post_init(request: web.Request) -> web.Response:
    """Answer the limits that a new conversation meets."""
    model = (await read_fields(request)).get("requested_default_model") or "auto"
    return web.json_response(conversation_details(str(model)))


async def get_stream_status(request: web.Request) -> web.Response:
    """Tell whether an answer is being written."""
    status = "IS_STREAMING" if opened(request).is_streaming else "IS_NOT_STREAMING"
    return web.json_response({"status": status})


async def get_tasks(request: web.Request) -> web.Response:
    """Answer the pictures that are still being drawn."""
    tasks = [
        body("task", id=late.message["id"], conversation_id=one.id)
        for one in request.app[CONVERSATIONS].visible(request[OWNER])
        for late in one.late
    ]
    return web.json_response({"tasks": tasks})


def _hide(request: web.Request, *conversations: Conversation) -> web.Response:
    for one in conversations:
        one.is_visible = False
        request.app[STATS].hidden.append(one.id)
    return web.json_response({"success": True})
