"""Protocols for what the core and the handlers need from outside.

Implementations live in `upstream/` and `storage/`; `service/program/assembly.py` joins them.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from service.sink import Sink
from service.vocabulary.byte_source import Content
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.events import AssetReady, AssetWanted, Delta
from service.vocabulary.native import Allowance, LimitWindow
from service.vocabulary.requests import ChatRequest, LocalFile, ModelInfo, SpeechOrder, Upload, Used

# A waiting caller asks several times a second; the place of a killed one lapses after this time.
LINE_SECONDS = 2.0


class Lease(Struct, frozen=True):
    """One of a limited number of places under a key; each holder has its own name."""

    key: str
    holder: str


class Bounds(Struct, frozen=True):
    """How many bytes are kept for one owner, and for all of them."""

    owner: str
    max_owner_bytes: int
    max_bytes: int


class Reachable(Protocol):
    """A part whose state `/readyz` reports."""

    async def problem(self) -> str | None:
        """Return the reason for which the part cannot be used now, in one sentence, or None."""


class StateStore(Protocol):
    """Small shared values with an expiry (spec 10). Values are bytes of typed JSON.

    A dead store degrades: `get` returns None, `set` False, `delete`, `renew` and `release` do
    nothing, `add` and `acquire` return True; each failure is logged once a minute and counted. Only
    `fetch` and `lock` raise for a store that is down.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when it is absent or expired."""

    async def fetch(self, key: str) -> bytes | None:
        """Return the value, or None when it is known to be absent or expired.

        For values that must not be overlooked: it does not degrade, unless this process is alone.

        Raises:
            StorageError: the store does not answer.
        """

    async def set(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Store the value in place of any other, for good without a time; return whether it is stored."""

    async def delete(self, key: str) -> None:
        """Delete the value, if any."""

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> bool:
        """Store a value of an owner, and remove the oldest values so that it fits `bounds`.

        Returns whether the store has accepted it. All owners share one order and one limit.
        """

    async def forget(self, key: str) -> None:
        """Delete a value that is kept for an owner."""

    async def add(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Store the value if there is none; return whether it was stored."""

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys with this prefix; return how many were changed.

        `change` returns the new value, which keeps the old expiry, or None to leave it. A value
        that another process changes meanwhile is left as well. It may take long.
        """

    def lock(
        self, name: str, ttl_seconds: float, wait_seconds: float
    ) -> AbstractAsyncContextManager[None]:
        """Hold the named lock, alone among all processes, until the block ends.

        It does not degrade: without the store there is no lock, unless this process is alone. The
        lock of a process that died is free at once, or `ttl_seconds` after its last sign of life,
        however clocks are set meanwhile.

        Raises:
            LockTimeoutError: it was not free within `wait_seconds`.
        """

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float = 0.0
    ) -> bool:
        """Take one of `limit` places under the key for `ttl_seconds`; return whether there was one.

        A refused caller stays in the queue for a short while, ordered by how long it has waited. It
        has to ask again soon; until then later callers get no place.
        """

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Extend the places, also those that the store has lost."""

    async def release(self, leases: Collection[Lease]) -> None:
        """Give places back, or leave the queue."""

    async def is_alive(self) -> bool:
        """Tell whether the store answers now."""

    async def close(self) -> None:
        """Close connections and files."""


class Journal(Protocol):
    """Values on their way into the state store, visible to all processes of this machine.

    A value that must not be lost is put here first, and removed once the store has it. No method
    raises when the disk fails.
    """

    async def put(self, key: str, value: bytes) -> bool:
        """Write a value in place of any other; return whether the disk has accepted it."""

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""

    async def remove(self, key: str) -> None:
        """Delete the value, if any."""

    async def keys(self) -> list[str]:
        """Return the keys of all values."""


class AccountTokens(Protocol):
    """The current tokens of stored accounts, by the hash of the refresh token of the login.

    They are stored apart from the state store, so that the loss of one of the two loses no login.
    Values are JSON, stored encrypted. No method raises when the file fails.
    """

    async def keys(self) -> list[str]:
        """Return the hashes of all accounts' tokens."""

    async def get(self, key: str) -> bytes | None:
        """Return the record of a token, or None if it belongs to no account here."""

    async def put(self, key: str, value: bytes) -> bool:
        """Write the record of a token, if it belongs to an account here.

        Returns False only if it should have been written and was not.
        """


class Blob(Protocol):
    """A stored file that can be served."""

    @property
    def content(self) -> Content:
        """Its bytes."""

    @property
    def media_type(self) -> str:
        """The media type that it is served with."""

    @property
    def is_inline(self) -> bool:
        """Whether browsers may show it instead of downloading it."""


class BlobStore(Reachable, Protocol):
    """Stored pictures and files that callers may fetch (spec 9)."""

    async def save(
        self, folder: str, name: str, media_type: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Store a body under a new unguessable name and return that name.

        `folder` is `images` or `files`; of `name` only a harmless extension is kept.

        Raises:
            StorageError: the disk is full or cannot be written; no remains are left.
        """

    async def find(self, folder: str, name: str) -> Blob | None:
        """Return the stored file, or None; `name` is untrusted.

        Raises:
            StorageError: the store is out of order.
        """


class UploadStore(Protocol):
    """Files that callers upload for later requests (openai-wire 9).

    Each belongs to one owner, see `Credential.owner`, and only the owner finds it. All methods but
    `incoming` and `content` raise a StorageError when the store is out of order.
    """

    @property
    def incoming(self) -> Path:
        """The directory for files being received, on the same disk as the store."""

    async def keep(self, owner: str, file: LocalFile, purpose: str, keep_seconds: float) -> Upload:
        """Take a received file over; it may be gone from its old path.

        Raises:
            StorageError: the store is full or out of order; remains are never found.
        """

    async def find(self, owner: str, upload_id: str) -> Upload | None:
        """Return the owner's file of this id, or None; the id is untrusted."""

    def content(self, owner: str, upload: Upload) -> Content:
        """Return the bytes of a found file."""

    async def make_room(
        self, owner: str, size_bytes: int, coming_bytes: int, max_bytes: int
    ) -> None:
        """Remove the oldest files of the owner who holds most, until a new file fits.

        `coming_bytes` is the size of all files being received, this one included, and `max_bytes`
        the size that all owners may keep together.

        Raises:
            StorageFullError: with this file, its owner would hold the most.
        """

    async def used(self, owner: str) -> Used:
        """Return an estimate of how much an owner keeps: cheap, and never too low."""

    async def listing(self, owner: str) -> list[Upload]:
        """Return all files of an owner, the newest first."""

    async def delete(self, owner: str, upload_id: str) -> bool:
        """Delete the owner's file of this id; return whether there was one."""


class LinkSigner(Protocol):
    """Signs links to stored pictures and files, which may expire (spec 3, `files.link_seconds`)."""

    def signed(self, path: str) -> str:
        """Return a path with its signature, such as `images/a.png?e=1764460800&s=…`."""

    def seconds_left(self, path: str, query: Mapping[str, str]) -> float:
        """Return the seconds for which a link is still valid; `inf` if links never expire."""


class TokenExchange(Protocol):
    """Exchanges credentials for access tokens (spec 4)."""

    async def caller(self, credential: Credential) -> Caller:
        """Return the caller to act as; uses the cache or an exchange.

        Raises:
            AuthError: the credential is known to be dead.
            TokenServiceError: the token service has a passing fault.
        """

    async def renew(self, credential: Credential, refused: Caller) -> Caller:
        """Return a fresh caller after the upstream refused this one with 401.

        Raises:
            AuthError: it cannot be renewed.
            TokenServiceError: the token service has a passing fault.
        """


class Acceptance(Protocol):
    """Which credentials the upstream has accepted lately; others may not own anything (spec 4)."""

    async def confirm(self, credential: Credential) -> None:
        """Return once the upstream has accepted the credential within the last hour.

        Any call that the upstream answered counts; without one it is asked, once for all who wait.
        Await this before something of the credential's is stored, and before its body is received;
        reading and deleting do not need it.

        Raises:
            AuthError: the credential is known to be dead.
            TokenServiceError: the token service has a passing fault.
            UpstreamRefusedError: the upstream refuses it: its 401, 403 or 429.
            UnconfirmedError: the upstream cannot be asked now.
        """


class Assets(Protocol):
    """Fetches and stores the pictures and files that an answer names."""

    async def resolve(
        self, caller: Caller, wanted: AssetWanted, public_url: str, *, needs_copy: bool = False
    ) -> AssetReady:
        """Return the link, or a record with `problem`; never raises ServiceError.

        `needs_copy`: store it even where links of the upstream are handed out.
        """


class Lane(Protocol):
    """Sends plain text past the stages: `pipeline.fast_lane.FastLane`."""

    count: int  # events taken that the turn's reader has not counted yet
    left: list[Delta]  # to be delivered before anything that the stages make from now on
    is_full: bool  # the caller has to read before the next chunk comes

    def begin(self, reader: Any, answer: Any) -> None:
        """Begin a turn that is read by these stages, a `Reader` and an `Answer` of the pipeline."""

    def take(self, chunk: bytes) -> bytes:
        """Send the plain text of a chunk, and return the bytes that are left for the stages."""

    def take_rest(self, rest: bytes) -> bytes:
        """Take the rest of a chunk that was left for the stages, which have had what is before it."""

    def take_left(self) -> list[Delta]:
        """Return the deltas that are `left`, and forget them."""

    def end(self) -> bytes:
        """Return the bytes that are left for the stages at the end of a body."""


class DeltaSink(Sink[Delta], Protocol):
    """Takes the deltas of a turn; plain text may take its lane instead."""

    @property
    def lane(self) -> Lane | None:
        """The fast lane, None where all has to come through `feed`."""


class Turns(Protocol):
    """Runs a turn with the upstream."""

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the deltas of a turn into a sink; the last one is a `TurnEnded`.

        Returns when the turn has ended or the sink is over. Cancelling it closes the upstream
        connection before it returns.

        Raises:
            ServiceError: before the first batch, any branch: the request was not sent, or
                the upstream refused it.
        """

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for running ones, and end those left after `seconds`."""


class Sound(Struct, frozen=True):
    """A recording on its way; `size_bytes` is None while unknown."""

    media_type: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


class Speech(Protocol):
    """Reads answers aloud."""

    def speak(
        self, order: SpeechOrder, credential: Credential
    ) -> AbstractAsyncContextManager[Sound]:
        """Open the ordered recording; it is read inside the context.

        Raises:
            NotFoundError: the upstream has no speech, or not for this message.
            RequestError: the format or the voice is unknown.
            UnmetDemandError: the model would not repeat the text.
            ServiceError: as for a turn; also while the sound is read.
        """


class Transcriptions(Protocol):
    """Transcribes recordings."""

    async def transcribe(
        self, recording: LocalFile, language: str | None, credential: Credential
    ) -> str:
        """Return the text of a recording, empty if it contains no speech.

        Raises:
            NotFoundError: the upstream has no transcriptions.
            RequestError: the file is no recording.
            ServiceError: as for a turn.
        """


class Catalogue(Protocol):
    """The public model names (spec 5)."""

    async def listing(self, caller: Caller | None) -> list[ModelInfo]:
        """Return the entries of `GET /v1/models`, each once.

        These are the table, the GPTs and, with a caller, the models of its upstream; a list that
        the upstream does not send in time is left out.
        """


class Accounts(Protocol):
    """The accounts of a credential."""

    async def by_plan(self, caller: Caller) -> dict[str, list[str]]:
        """Return account ids by plan type; `plus` and `team` are always there (protocol 6.8).

        Raises:
            UpstreamError: the upstream refused or broke.
        """


class Allowances(Protocol):
    """What is left of the allowances of accounts (spec 14.4)."""

    async def of(self, credential: Credential) -> Allowance:
        """Return the allowance of a credential's account.

        Raises:
            NotFoundError: the account's upstream has no allowances.
            ServiceError: as for a turn.
        """

    def known(self) -> Sequence[tuple[LimitWindow, ...]]:
        """Return the windows of each account that this process knows, without its name."""


class RouteState(Struct, frozen=True):
    """The state of a route to the upstream, without its prefix, which may be a secret.

    A failed route is `cooling` for so many seconds, then `on trial` until it answers.
    """

    index: int
    state: Literal["working", "cooling", "on trial"]
    cooling_seconds: float


class RouteStates(Protocol):
    """The routes to the upstream (setting `upstream.api_prefixes`)."""

    def states(self) -> Sequence[RouteState]:
        """Return the state of each route, in the order of the setting."""
