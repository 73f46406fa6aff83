"""GPTs by name: their ids, and the upstream's information about them (protocol 6.5; spec 5)."""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from service.ports import StateStore, TokenExchange
from service.settings.config import GptConfig
from service.vocabulary.credentials import Caller, read_credential
from service.vocabulary.errors import AuthError, ServiceError
from upstream.http.backend import Backend
from upstream.website.payload.turn_body import ResolvedModel

# A GPT's id behind this prefix is a model name that needs no setting: `gpt-4-gizmo-g-CFsXuTRfy`.
NAME_PREFIX = "gpt-4-gizmo-"
_ID = re.compile(r"(g-p-[0-9a-f]{32}|g-(?!p-)[A-Za-z0-9]+)(?:-.*)?", re.DOTALL)
# The slug sent with a GPT's id; the form of 2023 sends another slug and the GPT's whole object.
_SLUG = "gpt-4o"
_SLUG_WITH_OBJECT = "gpt-4-gizmo"
_KEEP_SECONDS = 7 * 24 * 3600.0  # renewed daily; outlives a few days of a dead upstream
_SIDE_BY_SIDE = 4
_log = logging.getLogger("gateway.gpts")


class GptInformation(Struct, frozen=True):
    """The upstream's answer about a GPT, as it is kept in the state store."""

    gizmo_id: str
    read_at: float
    answer: dict[str, Any]


def bare_id(gizmo_id: str) -> str | None:
    """Return the id without the slug behind it, None if it is no id.

    `g-CFsXuTRfy-cat-painter` gives `g-CFsXuTRfy`.
    """
    found = _ID.fullmatch(gizmo_id)
    return found[1] if found else None


class Gpts:
    """The GPTs of the settings, and those named by their id.

    Args:
        gpts: by name; an id may have its slug.
        key: the token that reads their information; empty for none.
        backend: to read it from.
        state: to keep it in.
        tokens: turns the key into an access token.
    """

    def __init__(
        self,
        gpts: Mapping[str, GptConfig],
        key: str,
        backend: Backend,
        state: StateStore,
        tokens: TokenExchange,
    ) -> None:
        self._gpts = {
            name: (bare_id(gpt.id) or gpt.id, gpt.send_full) for name, gpt in gpts.items()
        }
        self._key = key
        self._backend = backend
        self._state = state
        self._tokens = tokens
        self._known: dict[str, GptInformation] = {}
        self._unreadable: set[str] = set()

    def names(self) -> list[str]:
        """Return the names to list, without GPTs that the key could not read."""
        return [name for name, (gpt, _) in self._gpts.items() if gpt not in self._unreadable]

    async def start(self) -> None:
        """Load the GPTs' information from the state store and read what is missing; never fails."""
        await self._read_all(is_renewal=False)

    async def renew(self) -> None:
        """Read all information again; never fails, and keeps the old where reading fails."""
        await self._read_all(is_renewal=True)

    async def resolve(self, name: str, caller: Caller) -> ResolvedModel | None:
        """Return the model that a name stands for, None if it names no GPT."""
        if name in self._gpts:
            gizmo_id, is_full = self._gpts[name]
            information = await self._information(gizmo_id, caller) if is_full else None
            if information is not None:
                return ResolvedModel(_SLUG_WITH_OBJECT, gizmo_id, information.answer)
            return ResolvedModel(_SLUG, gizmo_id)
        spelled = bare_id(name.removeprefix(NAME_PREFIX)) if name.startswith(NAME_PREFIX) else None
        return ResolvedModel(_SLUG, spelled) if spelled else None

    async def _information(self, gizmo_id: str, caller: Caller) -> GptInformation | None:
        """Return the known information, else read it as the caller; None if that fails."""
        known = self._known.get(gizmo_id) or await self._kept(gizmo_id)
        if known is not None:
            return known
        try:
            return await self._read(gizmo_id, caller)
        except ServiceError as error:
            _log.warning("The GPT %s cannot be read and is sent by its id: %s", gizmo_id, error)
            return None

    async def _read_all(self, *, is_renewal: bool) -> None:
        if not self._key or not self._gpts:
            return
        try:
            caller = await self._tokens.caller(read_credential(f"Bearer {self._key}", None, None))
        except AuthError as error:
            _log.warning("No GPT can be read, since gpts_key is refused: %s", error)
            self._unreadable |= {gpt for gpt, _ in self._gpts.values() if gpt not in self._known}
            return
        except ServiceError as error:
            _log.warning("No GPT can be read now, since gpts_key cannot be used: %s", error)
            return
        gate = asyncio.Semaphore(_SIDE_BY_SIDE)
        async with asyncio.TaskGroup() as group:
            for gizmo_id in {gizmo_id for gizmo_id, _ in self._gpts.values()}:
                group.create_task(self._refresh(gizmo_id, caller, gate, is_renewal=is_renewal))

    async def _refresh(
        self, gizmo_id: str, caller: Caller, gate: asyncio.Semaphore, *, is_renewal: bool
    ) -> None:
        known = self._known.get(gizmo_id) or await self._kept(gizmo_id)
        if known is not None:
            self._known[gizmo_id] = known
        if known is not None and not is_renewal:
            return
        try:
            async with gate:
                self._known[gizmo_id] = information = await self._read(gizmo_id, caller)
        except ServiceError as error:
            if known is None:
                self._unreadable.add(gizmo_id)
            _log.warning("The GPT %s cannot be read: %s", gizmo_id, error)
            return
        self._unreadable.discard(gizmo_id)
        await self._state.set(_key_of(gizmo_id), msgspec.json.encode(information), _KEEP_SECONDS)

    async def _read(self, gizmo_id: str, caller: Caller) -> GptInformation:
        answer = await self._backend.call(caller, "GET", f"gizmos/{gizmo_id}")
        return GptInformation(gizmo_id, time.time(), answer)

    async def _kept(self, gizmo_id: str) -> GptInformation | None:
        raw = await self._state.get(_key_of(gizmo_id))
        try:
            return None if raw is None else msgspec.json.decode(raw, type=GptInformation)
        except msgspec.MsgspecError:
            return None  # written by another version: read anew


def _key_of(gizmo_id: str) -> str:
    return f"gpt:{gizmo_id}"
