"""Responses kept in the state store, to be continued and to be read again.

Each belongs to one owner, see `Credential.owner`: the owner is part of the key, so that another
owner's id looks the same as an unknown one. Texts are kept here; pictures are in the blob store.
"""

import json
import logging
import re
from typing import Any

import msgspec
from msgspec import Struct, structs

from service.ports import Bounds, StateStore
from service.vocabulary.wire import to_json

# Of one response with its input: a long conversation sent whole fits, a scanned book does not.
MAX_KEPT_BYTES = 4 * 1024 * 1024

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_log = logging.getLogger("gateway.responses")


class KeptResponse(Struct, frozen=True):
    """A response, and what is needed to continue it.

    `response` is the object that its caller got, pictures without their content.
    `input_items` is what this response was asked for, None if that is too much to
    keep. `conversation_id` and `message_id` are the upstream's, as far as known. `sealed` is what
    of its reasoning only the upstream can read, by the ids of the items, and `cache_key` the name
    under which the upstream has the talk in its cache.
    """

    response: dict[str, Any]
    input_items: list[dict[str, Any]] | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    sealed: dict[str, str] = {}
    cache_key: str = ""

    @property
    def whole_output(self) -> list[dict[str, Any]]:
        """The output with what is sealed, as it goes back upstream."""
        return [
            {**item, "encrypted_content": self.sealed[item["id"]]}
            if item["id"] in self.sealed
            else item
            for item in self.response["output"]
        ]


class KeepLimits(Struct, frozen=True):
    """How long responses are kept, and how many bytes per owner and in all; the oldest go first."""

    seconds: float
    max_owner_bytes: int
    max_bytes: int


class KeptResponses:
    """The responses of all owners.

    Args:
        state: the store that holds them.
        limits: how long, and how many bytes.
    """

    def __init__(self, state: StateStore, limits: KeepLimits) -> None:
        self._state = state
        self._limits = limits

    async def keep(self, owner: str, kept: KeptResponse) -> None:
        """Keep a response; one over the size limit is kept without its input, or not at all."""
        response_id, limits = kept.response["id"], self._limits
        max_bytes = min(MAX_KEPT_BYTES, limits.max_owner_bytes, limits.max_bytes)
        value = to_json(structs.asdict(kept))
        if len(value) > max_bytes:
            value = to_json(structs.asdict(kept) | {"input_items": None})
        if len(value) > max_bytes:
            _log.warning("response %s is over %d bytes and not kept", response_id, max_bytes)
            return
        bounds = Bounds(owner, limits.max_owner_bytes, limits.max_bytes)
        await self._state.keep(_key(owner, response_id), value, limits.seconds, bounds)

    async def find(self, owner: str, response_id: str) -> KeptResponse | None:
        """Return the owner's response of this id, or None; the id is untrusted."""
        value = await self._value(owner, response_id)
        if value is None:
            return None
        try:
            return msgspec.json.decode(value, type=KeptResponse)
        except msgspec.DecodeError:
            return _decoded_leniently(value)

    async def delete(self, owner: str, response_id: str) -> bool:
        """Delete the owner's response of this id; return whether there was one."""
        if await self._value(owner, response_id) is None:
            return False
        await self._state.forget(_key(owner, response_id))
        return True

    async def _value(self, owner: str, response_id: str) -> bytes | None:
        is_id = _ID.fullmatch(response_id)  # an invalid id must not become part of a key either
        return await self._state.get(_key(owner, response_id)) if is_id else None


def _key(owner: str, response_id: str) -> str:
    return f"response:{owner}:{response_id}"


def _decoded_leniently(value: bytes) -> KeptResponse | None:
    """Decode a response with lone surrogates by the standard library; None if foreign."""
    try:
        return msgspec.convert(json.loads(value), KeptResponse)
    except (ValueError, msgspec.ValidationError):
        return None
