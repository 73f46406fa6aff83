"""Values of the Responses API that are kept for their owners: as long, and as many, as allowed.

Each belongs to one owner, see `Credential.owner`: the owner is part of the key, so that another
owner's id looks the same as an unknown one. Texts are kept here; pictures are in the blob store.
"""

import json
import re
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from service.ports import Bounds, StateStore

# Of one value: a long conversation sent whole fits, a scanned book does not.
MAX_KEPT_BYTES = 4 * 1024 * 1024

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_Record = TypeVar("_Record", bound=Struct)


class KeepLimits(Struct, frozen=True):
    """How long values are kept, and how many bytes per owner and in all; the oldest go first."""

    seconds: float
    max_owner_bytes: int
    max_bytes: int


class KeptValues:
    """The values of all owners, under a kind, such as `response`, and an id.

    Args:
        state: the store that holds them.
        limits: how long, and how many bytes.
    """

    def __init__(self, state: StateStore, limits: KeepLimits) -> None:
        self._state = state
        self._limits = limits

    def fits(self, value: bytes) -> bool:
        """Tell whether a value is small enough to be kept."""
        limits = self._limits
        return len(value) <= min(MAX_KEPT_BYTES, limits.max_owner_bytes, limits.max_bytes)

    async def keep(
        self, kind: str, owner: str, value_id: str, value: bytes, seconds: float | None = None
    ) -> bool:
        """Keep a value that fits, for so many seconds instead of the usual ones if they are given.

        Returns whether the store has accepted it.
        """
        limits = self._limits
        bounds = Bounds(owner, limits.max_owner_bytes, limits.max_bytes)
        life = limits.seconds if seconds is None else seconds
        return await self._state.keep(_key(kind, owner, value_id), value, life, bounds)

    async def find(self, kind: str, owner: str, value_id: str) -> bytes | None:
        """Return the owner's value, or None; the id is untrusted."""
        is_id = _ID.fullmatch(value_id)  # an invalid id must not become part of a key either
        return await self._state.get(_key(kind, owner, value_id)) if is_id else None

    async def delete(self, kind: str, owner: str, value_id: str) -> bool:
        """Delete the owner's value; return whether there was one."""
        if await self.find(kind, owner, value_id) is None:
            return False
        await self._state.forget(_key(kind, owner, value_id))
        return True

    def lock(
        self, kind: str, owner: str, value_id: str, ttl_seconds: float, wait_seconds: float
    ) -> AbstractAsyncContextManager[None]:
        """Hold the lock of a value, alone among all processes; see `StateStore.lock`."""
        return self._state.lock(_key(kind, owner, value_id), ttl_seconds, wait_seconds)


def decoded(value: bytes, record: type[_Record]) -> _Record | None:
    """Decode a kept record, also one with lone surrogates; None if it is something else."""
    try:
        return msgspec.json.decode(value, type=record)
    except msgspec.DecodeError:
        pass
    try:
        loose: Any = json.loads(value)
        return msgspec.convert(loose, record)
    except (ValueError, msgspec.ValidationError):
        return None


def _key(kind: str, owner: str, value_id: str) -> str:
    return f"{kind}:{owner}:{value_id}"
