"""What is known about refresh tokens: here, and sealed in the state store (spec 4, 10).

Everything is kept under a hash of the caller's own refresh token. The state store
is what processes share and what survives a restart; the copy in memory makes a
request cheap and carries rotated tokens over a time when the store is dead.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec
from typing_extensions import override

from service.ports import StateStore
from upstream.tokens.service import Grant

SEALED_PREFIX = "token:"  # all that begins so in the state store is sealed
REFUSED_SECONDS = 60.0  # how long a dead token is not tried again (spec 4)
ROTATED_SECONDS = 400 * 86400.0  # longer than any refresh token that was seen lives unused
MAX_REMEMBERED = 10_000  # tokens in memory, a few kilobytes each

_T = TypeVar("_T", bound=msgspec.Struct)


class Cipher(Protocol):
    """Seals what is stored."""

    def encrypt(self, value: bytes) -> bytes:
        """Return the value sealed."""

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Return the value, or None when it is foreign or was changed."""


class Exchanged(msgspec.Struct, frozen=True):
    """An access token and its life, in seconds since the epoch."""

    access_token: str
    issued_at: float
    expires_at: float

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return "Exchanged(…)"

    def is_fresh(self, now: float, margin: float, lead: float = 0.0) -> bool:
        """Tell whether it needs no refresh until `lead` seconds from now.

        A token that lives shorter than twice the margin is refreshed in the last
        quarter of its life, else it would be refreshed for every request.
        """
        life = self.expires_at - self.issued_at
        last = margin if life >= 2 * margin else life / 4
        return now + min(lead, life / 4) < self.expires_at - last


class Rotated(msgspec.Struct, frozen=True):
    """The refresh token to send in place of the caller's."""

    refresh_token: str
    issued_at: float

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return "Rotated(…)"


class Refused(msgspec.Struct, frozen=True):
    """The service's refusal, and until when it stands for an answer."""

    message: str
    until: float


class Known(msgspec.Struct, frozen=True):
    """All that is known about one refresh token."""

    exchanged: Exchanged | None = None
    rotated: Rotated | None = None
    refused: Refused | None = None


class TokenCache:
    """Reads and keeps `Known` for the hash `key` of a refresh token."""

    def __init__(self, state: StateStore, cipher: Cipher, clock: Callable[[], float]) -> None:
        self._state = state
        self._cipher = cipher
        self._clock = clock
        self._memory: dict[str, Known] = {}

    def known(self, key: str) -> Known:
        """Return what this process knows; never waits."""
        return self._memory.get(key, Known())

    async def read(self, key: str) -> Known:
        """Return what any process knows; of two tokens the newer counts."""
        mine = self.known(key)
        exchanged = await self._load(f"{SEALED_PREFIX}access:{key}", Exchanged)
        rotated = await self._load(f"{SEALED_PREFIX}rotated:{key}", Rotated)
        refused = await self._load(f"{SEALED_PREFIX}refused:{key}", Refused)
        if mine.exchanged and (not exchanged or exchanged.issued_at < mine.exchanged.issued_at):
            exchanged = mine.exchanged
        if mine.rotated and (not rotated or rotated.issued_at < mine.rotated.issued_at):
            rotated = mine.rotated
            await self._save_rotated(key, rotated)  # the store was dead when it came
        if mine.refused and not refused:
            refused = mine.refused
        return self._remember(key, Known(exchanged, rotated, refused))

    async def keep(self, key: str, grant: Grant) -> Exchanged:
        """Keep what the service gave; the rotated token first, since only that is lost for good."""
        now, known = self._clock(), self.known(key)
        rotated = Rotated(grant.refresh_token, now) if grant.refresh_token else known.rotated
        exchanged = Exchanged(grant.access_token, now, grant.expires_at)
        self._remember(key, Known(exchanged, rotated, None))
        if grant.refresh_token and rotated:
            await self._save_rotated(key, rotated)
        await self._save(f"{SEALED_PREFIX}access:{key}", exchanged, grant.expires_at - now)
        if known.refused:
            await self._state.delete(f"{SEALED_PREFIX}refused:{key}")
        return exchanged

    async def refuse(self, key: str, message: str) -> None:
        """Remember for a minute that the service takes this token for dead."""
        refused = Refused(message, self._clock() + REFUSED_SECONDS)
        known = self.known(key)
        self._remember(key, Known(known.exchanged, known.rotated, refused))
        await self._save(f"{SEALED_PREFIX}refused:{key}", refused, REFUSED_SECONDS)

    async def forget_access(self, key: str) -> None:
        """Drop an access token that the upstream refused."""
        known = self.known(key)
        self._remember(key, Known(None, known.rotated, known.refused))
        await self._state.delete(f"{SEALED_PREFIX}access:{key}")

    def _remember(self, key: str, known: Known) -> Known:
        self._memory.pop(key, None)
        self._memory[key] = known  # at the end: the first one is the longest unchanged
        if len(self._memory) > MAX_REMEMBERED:
            del self._memory[next(iter(self._memory))]
        return known

    async def _save_rotated(self, key: str, rotated: Rotated) -> None:
        await self._save(f"{SEALED_PREFIX}rotated:{key}", rotated, ROTATED_SECONDS)

    async def _save(self, name: str, value: msgspec.Struct, ttl_seconds: float) -> None:
        sealed = self._cipher.encrypt(msgspec.json.encode(value))
        await self._state.set(name, sealed, ttl_seconds)

    async def _load(self, name: str, kind: type[_T]) -> _T | None:
        sealed = await self._state.get(name)
        value = self._cipher.decrypt(sealed) if sealed is not None else None
        if value is None:
            return None
        try:
            return msgspec.json.decode(value, type=kind)
        except msgspec.DecodeError:  # written by another version
            return None
