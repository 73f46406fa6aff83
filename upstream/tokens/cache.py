"""What is known about refresh tokens: in memory, in the journal, and sealed in the state store.

What is known of stored accounts is in the file of keys as well.
Everything is kept under a hash of the caller's own refresh token. What is kept where, and why
nothing of it is lost, is told at the top of `exchange.py`; here is how it is read and written.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import reduce
from typing import Protocol, TypeVar

import msgspec
from typing_extensions import override

from service.ports import AccountTokens, Journal, StateStore
from upstream.tokens.service import Grant
from upstream.tokens.wire import REFUSED_SECONDS

logger = logging.getLogger(__name__)

SEALED_PREFIX = "token:"  # all that begins so in the state store is sealed
ROTATED_SECONDS = 400 * 86400.0  # longer than any refresh token that was seen lives unused
CLOCK_SECONDS = 60.0  # by which clocks of machines may differ
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
    """The refresh token to send in place of the caller's.

    `serial` numbers those that took the place of one caller's, whichever process exchanged it.
    """

    refresh_token: str
    issued_at: float
    serial: int = 0  # as earlier versions left it

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return "Rotated(…)"


class Refused(msgspec.Struct, frozen=True):
    """The service's refusal, and for which time it stands for an answer."""

    message: str
    until: float
    since: float = 0.0

    def stands(self, now: float) -> bool:
        """Tell whether the service need not be asked; a clock that is set back ends it, too."""
        return self.since - CLOCK_SECONDS <= now < self.until


class Known(msgspec.Struct, frozen=True):
    """All that is known about one refresh token."""

    exchanged: Exchanged | None = None
    rotated: Rotated | None = None
    refused: Refused | None = None


class TokenStores(msgspec.Struct, frozen=True):
    """Where tokens are kept, sealed by the cipher; `accounts` seals what it is given itself."""

    state: StateStore
    journal: Journal
    cipher: Cipher
    accounts: AccountTokens | None = None


class TokenCache:
    """Reads and keeps `Known` for the hash `key` of a refresh token.

    What says so is only for whoever holds the lock of the key.
    """

    def __init__(self, stores: TokenStores, clock: Callable[[], float]) -> None:
        self._state = stores.state
        self._journal = stores.journal
        self._cipher = stores.cipher
        self._accounts = stores.accounts
        self._clock = clock
        self._memory: dict[str, Known] = {}
        self._unsaved: dict[str, bool] = {}  # what the store has not, and whether others see it
        self._unfiled: set[str] = set()  # what the file of keys should have, and has not

    @property
    def unsaved(self) -> list[str]:
        """The keys whose rotated token the store has not taken yet."""
        return list(self._unsaved)

    @property
    def unfiled(self) -> list[str]:
        """The keys whose rotated token the file of keys has not taken yet."""
        return list(self._unfiled)

    def is_only_here(self, key: str) -> bool:
        """Tell whether no other process can see the rotated token."""
        return self._unsaved.get(key) is False

    def known(self, key: str) -> Known:
        """Return what this process knows; never waits."""
        return self._memory.get(key, Known())

    async def left_behind(self) -> list[str]:
        """Return the keys of what processes before this one may have left in one place only."""
        accounts = await self._accounts.keys() if self._accounts else []
        return list(dict.fromkeys([*await self._journal.keys(), *accounts]))

    async def read(self, key: str) -> Known:
        """Return what any process knows, as far as the store answers."""
        return self._remember(key, (await self._read(key, self._state.get)).newest)

    async def read_surely(self, key: str) -> Known:
        """Return what any process knows; for the holder of the lock.

        Raises:
            StorageError: the store does not answer, and it may know of a newer token.
        """
        found = await self._read(key, self._state.fetch)
        rotated = found.newest.rotated
        if rotated != found.stored.rotated:
            filed = found.filed.rotated if found.filed else None
            self._unsaved[key] = rotated in (found.left.rotated, filed)
        else:
            await self._saved(key)
        if found.filed and rotated != found.filed.rotated:
            self._unfiled.add(key)
        return self._remember(key, found.newest)

    async def keep(self, key: str, grant: Grant) -> Exchanged:
        """Keep what the service gave; for the holder of the lock, who has read it surely.

        A rotated token is in memory before the first wait, and in the journal after it.
        """
        now, known = self._clock(), self.known(key)
        exchanged = Exchanged(grant.access_token, now, grant.expires_at)
        rotated = known.rotated
        if grant.refresh_token:
            rotated = Rotated(grant.refresh_token, now, rotated.serial + 1 if rotated else 1)
            self._unsaved[key] = False
        self._remember(key, Known(exchanged, rotated, None))
        if grant.refresh_token:
            await self._write_down(key)
        is_stored = await self._store(key)
        await self._file(key)
        if not is_stored:
            place = "in memory" if self.is_only_here(key) else "in memory and in a file"
            logger.warning(
                "the store has not taken a rotated token (%s): it is kept %s", key[:8], place
            )
        if known.refused:
            await self._state.delete(f"{SEALED_PREFIX}refused:{key}")
        return exchanged

    async def save(self, key: str) -> bool:
        """Bring what the store or the file of keys lacks into it; for the holder of the lock.

        Returns whether the store has all.

        Raises:
            StorageError: the store does not answer.
        """
        await self.read_surely(key)
        is_stored = key not in self._unsaved or await self._store(key)
        if key in self._unfiled:
            await self._file(key)
        return is_stored

    async def refuse(self, key: str, message: str, seconds: float = REFUSED_SECONDS) -> None:
        """Remember for a while that the service takes this token for dead."""
        now, known = self._clock(), self.known(key)
        refused = Refused(message, now + seconds, now)
        self._remember(key, Known(known.exchanged, known.rotated, refused))
        await self._save(f"{SEALED_PREFIX}refused:{key}", refused, seconds)

    async def forget_access(self, key: str) -> None:
        """Drop an access token that the upstream refused."""
        known = self.known(key)
        self._remember(key, Known(None, known.rotated, known.refused))
        await self._state.delete(f"{SEALED_PREFIX}access:{key}")

    async def forget(self, key: str) -> None:
        """Drop all that is known about a token, here and in the store."""
        self._memory.pop(key, None)
        self._unfiled.discard(key)
        await self._saved(key)
        for kind in ("access", "rotated", "refused"):
            await self._state.delete(f"{SEALED_PREFIX}{kind}:{key}")

    # --- one token ----------------------------------------------------------------

    async def _read(self, key: str, get: Callable[[str], Awaitable[bytes | None]]) -> "_Found":
        """Return what is known in each place, and the newest of all."""
        mine = self.known(key)
        left = self._opened(await self._journal.get(key), Known) or Known()
        stored = Known(
            self._opened(await get(f"{SEALED_PREFIX}access:{key}"), Exchanged),
            self._opened(await get(f"{SEALED_PREFIX}rotated:{key}"), Rotated),
            self._opened(await get(f"{SEALED_PREFIX}refused:{key}"), Refused),
        )
        filed = await self._filed(key)
        places = [place for place in (stored, left, filed, mine) if place is not None]
        newest = Known(
            reduce(_later, (place.exchanged for place in places), None),
            reduce(_newer, (place.rotated for place in places), None),
            stored.refused or mine.refused,
        )
        return _Found(newest, stored, left, filed)

    async def _filed(self, key: str) -> Known | None:
        value = await self._accounts.get(key) if self._accounts else None
        return _decoded(value, Known) if value is not None else None

    async def _file(self, key: str) -> None:
        """Bring what is known into the file of keys, if the token is of an account there."""
        if self._accounts is None:
            return
        known = self.known(key)
        value = msgspec.json.encode(Known(known.exchanged, known.rotated))
        if await self._accounts.put(key, value):
            self._unfiled.discard(key)
        else:
            self._unfiled.add(key)

    async def _write_down(self, key: str) -> None:
        known = self.known(key)
        left = Known(known.exchanged, known.rotated)
        self._unsaved[key] = await self._journal.put(key, self._sealed(left))

    async def _store(self, key: str) -> bool:
        """Store what is known; return whether the rotated token, if it is new, was taken."""
        known = self.known(key)
        if key in self._unsaved and known.rotated:
            name = f"{SEALED_PREFIX}rotated:{key}"
            if not await self._save(name, known.rotated, ROTATED_SECONDS):
                if self.is_only_here(key):
                    await self._write_down(key)
                return False
            await self._saved(key)
        if exchanged := known.exchanged:
            seconds = exchanged.expires_at - self._clock()
            await self._save(f"{SEALED_PREFIX}access:{key}", exchanged, seconds)
        return True

    async def _saved(self, key: str) -> None:
        self._unsaved.pop(key, None)
        await self._journal.remove(key)

    def _remember(self, key: str, known: Known) -> Known:
        self._memory.pop(key, None)
        self._memory[key] = known  # at the end: the first one is the longest unchanged
        if len(self._memory) > MAX_REMEMBERED:
            oldest = next((one for one in self._memory if one not in self._unsaved), None)
            self._memory.pop(oldest or "", None)
        return known

    # --- sealing ------------------------------------------------------------------

    async def _save(self, name: str, value: msgspec.Struct, ttl_seconds: float) -> bool:
        return await self._state.set(name, self._sealed(value), ttl_seconds)

    def _sealed(self, value: msgspec.Struct) -> bytes:
        return self._cipher.encrypt(msgspec.json.encode(value))

    def _opened(self, sealed: bytes | None, kind: type[_T]) -> _T | None:
        value = self._cipher.decrypt(sealed) if sealed is not None else None
        return _decoded(value, kind) if value is not None else None


class _Found(msgspec.Struct, frozen=True):
    """What is known of a token in each place; `filed` is None for one that is of no account."""

    newest: Known
    stored: Known
    left: Known
    filed: Known | None


def _decoded(value: bytes, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.DecodeError:  # written by another version
        return None


def _later(one: Exchanged | None, other: Exchanged | None) -> Exchanged | None:
    """Return the access token that came last; after a clock was set, at worst one that is over."""
    if one is None or other is None:
        return one or other
    return other if other.issued_at > one.issued_at else one


def _newer(one: Rotated | None, other: Rotated | None) -> Rotated | None:
    """Return the refresh token that came last, by number, since the others are dead.

    Those of earlier versions have none; their moments decide.
    """
    if one is None or other is None:
        return one or other
    if one.serial and other.serial:
        return other if other.serial > one.serial else one
    return other if other.issued_at > one.issued_at else one
