"""Tokens that are known: in memory, the journal, the state store, and the file of keys.

Everything is kept under a hash of the caller's own refresh token. The top of `exchange.py` says
what is kept where and why nothing of it is lost; this module reads and writes it.

    memory       <hash>                      Known
    journal      <hash>                      Known, sealed
    store        token:access:<hash>         Exchanged, sealed
                 token:rotated:<hash>        Rotated, sealed
                 token:refused:<hash>        Refused, sealed
    key file     <hash>                      Known, of accounts that signed in here
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

SEALED_PREFIX = "token:"  # values under keys with this prefix are sealed
ROTATED_SECONDS = 400 * 86400.0  # longer than any known refresh token lives unused
CLOCK_SECONDS = 60.0  # by which the clocks of two machines may differ
MAX_REMEMBERED = 10_000  # tokens in memory, a few kilobytes each

_T = TypeVar("_T", bound=msgspec.Struct)


class Cipher(Protocol):
    """Seals values for the store."""

    def encrypt(self, value: bytes) -> bytes:
        """Return the value sealed."""

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Return the opened value, or None if it was sealed with a foreign secret or changed."""


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
        """Tell whether the token will need no refresh for the next `lead` seconds.

        A token that lives shorter than twice the margin is refreshed in the last quarter of its
        life, else every request would refresh it.
        """
        life = self.expires_at - self.issued_at
        last = margin if life >= 2 * margin else life / 4
        return now + min(lead, life / 4) < self.expires_at - last


class Rotated(msgspec.Struct, frozen=True):
    """The refresh token to send in place of the caller's.

    `serial` counts the rotations of one caller's token, in all processes together.
    """

    refresh_token: str
    issued_at: float
    serial: int = 0  # earlier versions stored none

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return "Rotated(…)"


class Refused(msgspec.Struct, frozen=True):
    """A refusal of the token service, repeated to callers until `until`."""

    message: str
    until: float
    since: float = 0.0

    def stands(self, now: float) -> bool:
        """Tell whether the refusal still holds without asking again; a clock set back ends it."""
        return self.since - CLOCK_SECONDS <= now < self.until


class Known(msgspec.Struct, frozen=True):
    """All that is known about one refresh token."""

    exchanged: Exchanged | None = None
    rotated: Rotated | None = None
    refused: Refused | None = None


_NOTHING = Known()


class TokenStores(msgspec.Struct, frozen=True):
    """The places where tokens are kept, and the cipher that seals them; `accounts` seals itself."""

    state: StateStore
    journal: Journal
    cipher: Cipher
    accounts: AccountTokens | None = None


class TokenCache:
    """Reads and keeps the `Known` of a refresh token, under its hash `key`.

    Methods "for the holder of the lock" are called only while the lock of the key is held.
    """

    def __init__(self, stores: TokenStores, clock: Callable[[], float]) -> None:
        self._state = stores.state
        self._journal = stores.journal
        self._cipher = stores.cipher
        self._accounts = stores.accounts
        self._clock = clock
        self._memory: dict[str, Known] = {}
        self._unsaved: dict[str, bool] = {}  # not yet in the store -> whether others see it
        self._unfiled: set[str] = set()  # not yet in the file of keys

    @property
    def unsaved(self) -> list[str]:
        """The keys whose rotated token is not in the store yet."""
        return list(self._unsaved)

    @property
    def unfiled(self) -> list[str]:
        """The keys whose rotated token is not in the file of keys yet."""
        return list(self._unfiled)

    def is_only_here(self, key: str) -> bool:
        """Tell whether the rotated token is in the memory of this process only."""
        return self._unsaved.get(key) is False

    def known(self, key: str) -> Known:
        """Return the tokens that this process knows, without any I/O."""
        return self._memory.get(key, _NOTHING)

    async def left_behind(self) -> list[str]:
        """Return the keys that earlier processes may have left in one place only."""
        accounts = await self._accounts.keys() if self._accounts else []
        return list(dict.fromkeys([*await self._journal.keys(), *accounts]))

    async def read(self, key: str) -> Known:
        """Return the newest of all places; a store that fails counts as empty."""
        return self._remember(key, (await self._read(key, self._state.get)).newest)

    async def read_surely(self, key: str) -> Known:
        """Return the newest of all places; for the holder of the lock.

        Raises:
            StorageError: the store does not answer, and may have a newer token.
        """
        found = await self._read(key, self._state.fetch)
        rotated = found.newest.rotated
        if rotated != found.stored.rotated:
            filed = found.filed.rotated if found.filed else None
            self._unsaved[key] = rotated in (found.left.rotated, filed)
        else:
            await self._mark_saved(key)
        if found.filed and rotated != found.filed.rotated:
            self._unfiled.add(key)
        return self._remember(key, found.newest)

    async def keep(self, key: str, grant: Grant) -> Exchanged:
        """Keep what the service granted; for the holder of the lock, after `read_surely`.

        A rotated token is in memory before anything is awaited, and in the journal next.
        """
        now, known = self._clock(), self.known(key)
        exchanged = Exchanged(grant.access_token, now, grant.expires_at)
        rotated = known.rotated
        if grant.refresh_token:
            rotated = Rotated(grant.refresh_token, now, rotated.serial + 1 if rotated else 1)
            self._unsaved[key] = False
        self._remember(key, Known(exchanged, rotated, None))
        if grant.refresh_token:
            await self._write_journal(key)
        is_stored = await self._write_store(key)
        await self._write_key_file(key)
        if not is_stored:
            place = "in memory" if self.is_only_here(key) else "in memory and in a file"
            logger.warning(
                "the store has not taken a rotated token (%s): it is kept %s", key[:8], place
            )
        if known.refused:
            await self._state.delete(f"{SEALED_PREFIX}refused:{key}")
        return exchanged

    async def save(self, key: str) -> bool:
        """Write what store and key file lack; return whether the store has all.

        For the holder of the lock.

        Raises:
            StorageError: the store does not answer.
        """
        await self.read_surely(key)
        is_stored = key not in self._unsaved or await self._write_store(key)
        if key in self._unfiled:
            await self._write_key_file(key)
        return is_stored

    async def refuse(self, key: str, message: str, seconds: float = REFUSED_SECONDS) -> None:
        """Remember for `seconds` that the service calls this token dead."""
        now, known = self._clock(), self.known(key)
        refused = Refused(message, now + seconds, now)
        self._remember(key, Known(known.exchanged, known.rotated, refused))
        await self._put_sealed(f"{SEALED_PREFIX}refused:{key}", refused, seconds)

    async def forget_access(self, key: str) -> None:
        """Forget an access token that the upstream refused."""
        known = self.known(key)
        self._remember(key, Known(None, known.rotated, known.refused))
        await self._state.delete(f"{SEALED_PREFIX}access:{key}")

    async def forget(self, key: str) -> None:
        """Drop all that is known about a token, here and in the store."""
        self._memory.pop(key, None)
        self._unfiled.discard(key)
        await self._mark_saved(key)
        for kind in ("access", "rotated", "refused"):
            await self._state.delete(f"{SEALED_PREFIX}{kind}:{key}")

    # --- one token ----------------------------------------------------------------

    async def _read(self, key: str, get: Callable[[str], Awaitable[bytes | None]]) -> "_Found":
        """Read the tokens known in each place, and the newest of all."""
        mine = self.known(key)
        left = self._opened(await self._journal.get(key), Known) or _NOTHING
        stored = Known(
            self._opened(await get(f"{SEALED_PREFIX}access:{key}"), Exchanged),
            self._opened(await get(f"{SEALED_PREFIX}rotated:{key}"), Rotated),
            self._opened(await get(f"{SEALED_PREFIX}refused:{key}"), Refused),
        )
        filed = await self._filed(key)
        places = [place for place in (stored, left, filed, mine) if place is not None]
        newest = Known(
            reduce(_latest_access, (place.exchanged for place in places), None),
            reduce(_latest_rotated, (place.rotated for place in places), None),
            stored.refused or mine.refused,
        )
        return _Found(newest, stored, left, filed)

    async def _filed(self, key: str) -> Known | None:
        value = await self._accounts.get(key) if self._accounts else None
        return _decoded(value, Known) if value is not None else None

    async def _write_key_file(self, key: str) -> None:
        """Write what is known into the file of keys, if the token is of an account there."""
        if self._accounts is None:
            return
        known = self.known(key)
        value = msgspec.json.encode(Known(known.exchanged, known.rotated))
        if await self._accounts.put(key, value):
            self._unfiled.discard(key)
        else:
            self._unfiled.add(key)

    async def _write_journal(self, key: str) -> None:
        known = self.known(key)
        left = Known(known.exchanged, known.rotated)
        self._unsaved[key] = await self._journal.put(key, self._sealed(left))

    async def _write_store(self, key: str) -> bool:
        """Store what is known; return False if the store did not take a new rotated token."""
        known = self.known(key)
        if key in self._unsaved and known.rotated:
            name = f"{SEALED_PREFIX}rotated:{key}"
            if not await self._put_sealed(name, known.rotated, ROTATED_SECONDS):
                if self.is_only_here(key):
                    await self._write_journal(key)
                return False
            await self._mark_saved(key)
        if exchanged := known.exchanged:
            seconds = exchanged.expires_at - self._clock()
            await self._put_sealed(f"{SEALED_PREFIX}access:{key}", exchanged, seconds)
        return True

    async def _mark_saved(self, key: str) -> None:
        self._unsaved.pop(key, None)
        await self._journal.remove(key)

    def _remember(self, key: str, known: Known) -> Known:
        self._memory.pop(key, None)
        if known == _NOTHING:
            return known  # most of all of a made-up token, which may not push out another
        self._memory[key] = known  # the newest is last, so the first is the longest unchanged
        if len(self._memory) > MAX_REMEMBERED:
            oldest = next((one for one in self._memory if one not in self._unsaved), None)
            self._memory.pop(oldest or "", None)
        return known

    # --- sealing ------------------------------------------------------------------

    async def _put_sealed(self, name: str, value: msgspec.Struct, ttl_seconds: float) -> bool:
        return await self._state.set(name, self._sealed(value), ttl_seconds)

    def _sealed(self, value: msgspec.Struct) -> bytes:
        return self._cipher.encrypt(msgspec.json.encode(value))

    def _opened(self, sealed: bytes | None, kind: type[_T]) -> _T | None:
        value = self._cipher.decrypt(sealed) if sealed is not None else None
        return _decoded(value, kind) if value is not None else None


class _Found(msgspec.Struct, frozen=True):
    """What is known of a token in each place; `filed` is None for a token of no stored account."""

    newest: Known
    stored: Known
    left: Known
    filed: Known | None


def _decoded(value: bytes, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.DecodeError:  # written by another version
        return None


def _latest_access(one: Exchanged | None, other: Exchanged | None) -> Exchanged | None:
    """Return the access token that was issued later.

    After a clock was set it may be the wrong one; at worst it has expired.
    """
    if one is None or other is None:
        return one or other
    return other if other.issued_at > one.issued_at else one


def _latest_rotated(one: Rotated | None, other: Rotated | None) -> Rotated | None:
    """Return the refresh token with the higher serial, since rotation has killed the other.

    Tokens of earlier versions have no serial; the later one counts.
    """
    if one is None or other is None:
        return one or other
    if one.serial and other.serial:
        return other if other.serial > one.serial else one
    return other if other.issued_at > one.issued_at else one
