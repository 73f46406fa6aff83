"""What the core and the handlers need from outside, as Protocols.

Implementations live in `upstream/` and `storage/`; `service/program/assembly.py` joins them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from service.vocabulary.byte_source import Content
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.events import AssetReady, AssetWanted, Delta
from service.vocabulary.requests import ChatRequest, LocalFile, ModelInfo, SpeechOrder, Upload, Used

# Who waits for a lease asks again several times a second; a killed one stands in the way this long.
LINE_SECONDS = 2.0


class Lease(Struct, frozen=True):
    """One of a limited number of places under a key; each holder has a name of its own."""

    key: str
    holder: str


class Bounds(Struct, frozen=True):
    """How much is kept for one owner, and for all of them, in bytes."""

    owner: str
    max_owner_bytes: int
    max_bytes: int


class Reachable(Protocol):
    """Something whose state `/readyz` reports."""

    async def problem(self) -> str | None:
        """Return why it cannot be used now, in one sentence, or None."""


class StateStore(Protocol):
    """Small shared values with an expiry (spec 10). Values are bytes of typed JSON.

    A dead store degrades: `get` answers None, `set` False, `delete`, `renew` and `release`
    do nothing, `add` and `acquire` answer True; each failure is logged once a minute and
    counted. No method but `fetch` and `lock` raises for a store that is down.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when absent or expired."""

    async def fetch(self, key: str) -> bytes | None:
        """Return the value, or None when it is known to be absent or expired.

        For what would do harm if a stored value were overlooked: it does not degrade, unless
        this process is alone.

        Raises:
            StorageError: the store does not answer.
        """

    async def set(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Store the value, replacing any other, for `ttl_seconds` or for good.

        Returns whether the store has taken it.
        """

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> bool:
        """Store a value among those that are kept for owners, whose oldest go so that it fits.

        Returns whether the store has taken it. All owners share one order and one limit.
        """

    async def forget(self, key: str) -> None:
        """Forget a value that is kept for an owner."""

    async def add(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Store the value if there is none; return whether it was stored."""

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys that begin so, and return how many were.

        `change` returns what takes a value's place until the same end, or None to leave it;
        a value that somebody else changes meanwhile is left as well. It may take long.
        """

    def lock(
        self, name: str, ttl_seconds: float, wait_seconds: float
    ) -> AbstractAsyncContextManager[None]:
        """Hold the named lock, alone among all processes, until the block ends.

        It does not degrade: without the store it cannot be had, unless this process is alone.
        The lock of a process that died is free at once, or `ttl_seconds` after it was last heard
        of, however clocks are set meanwhile.

        Raises:
            LockTimeoutError: it could not be had within `wait_seconds`.
        """

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float = 0.0
    ) -> bool:
        """Take one of `limit` places under the key for `ttl_seconds`; return whether it was had.

        Who is refused stands in line for a short while, by how long it has waited
        already: it asks again soon, and meanwhile nobody who came later gets a place.
        """

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Go on holding the places, also those that the store has forgotten."""

    async def release(self, leases: Collection[Lease]) -> None:
        """Give places back, or leave the line."""

    async def is_alive(self) -> bool:
        """Return whether the store answers now."""

    async def close(self) -> None:
        """Release connections and files."""


class Journal(Protocol):
    """Values on their way into the state store, which all processes of this machine see.

    What must not be lost is put here first and removed once the store has it. No method raises
    for a disk that is out of order.
    """

    async def put(self, key: str, value: bytes) -> bool:
        """Write a value in place of any other; return whether the disk has taken it."""

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""

    async def remove(self, key: str) -> None:
        """Forget the value, if any."""

    async def keys(self) -> list[str]:
        """Return the keys of all values."""


class AccountTokens(Protocol):
    """What came of the tokens of stored accounts, by the hash of the one that the login gave.

    It lies beside the state store, so that losing one of the two loses no login. Values are JSON,
    and are sealed in there. No method raises for a file that is out of order.
    """

    async def keys(self) -> list[str]:
        """Return the hashes of all tokens that stand for accounts."""

    async def get(self, key: str) -> bytes | None:
        """Return what is known of a token, or None if it is of no account here."""

    async def put(self, key: str, value: bytes) -> bool:
        """Write what is known of a token, if it is of an account here.

        Returns whether the value is in there, or need not be.
        """


class Blob(Protocol):
    """A stored file that can be served."""

    @property
    def content(self) -> Content:
        """Its bytes."""

    @property
    def media_type(self) -> str:
        """What it is served as."""

    @property
    def is_inline(self) -> bool:
        """Whether a browser may show it."""


class BlobStore(Reachable, Protocol):
    """Pictures and files that callers may fetch (spec 9)."""

    async def save(
        self, folder: str, name: str, media_type: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Store a body under a new unguessable name and return that name.

        `folder` is `images` or `files`; of `name` only a sane extension is kept.

        Raises:
            StorageError: the disk is full or cannot be written; nothing is left behind.
        """

    async def find(self, folder: str, name: str) -> Blob | None:
        """Return the stored file, or None; `name` comes from outside.

        Raises:
            StorageError: the store is out of order.
        """


class UploadStore(Protocol):
    """Files that callers leave here for later requests (openai-wire 9).

    Each belongs to one owner, see `Credential.owner`; nobody else finds it. All but
    `incoming` and `content` raise a StorageError when the store is out of order.
    """

    @property
    def incoming(self) -> Path:
        """The directory in which bodies are received, on the disk that `keep` moves them on."""

    async def keep(self, owner: str, file: LocalFile, purpose: str, keep_seconds: float) -> Upload:
        """Take a received file over; it may be gone from its old path.

        Raises:
            StorageError: the store is full or out of order; nobody finds what is left behind.
        """

    async def find(self, owner: str, upload_id: str) -> Upload | None:
        """Return the owner's file of this id, or None; the id comes from outside."""

    def content(self, owner: str, upload: Upload) -> Content:
        """Return the bytes of a found file."""

    async def make_room(
        self, owner: str, size_bytes: int, coming_bytes: int, max_bytes: int
    ) -> None:
        """Remove the oldest files of whoever holds most until a file that comes fits.

        `coming_bytes` are those of all files that are being received, this one included, and
        `max_bytes` what all owners may keep together.

        Raises:
            StorageFullError: with this file, the owner would hold the most.
        """

    async def used(self, owner: str) -> Used:
        """Return about how much an owner keeps: never too little, and cheap to ask for."""

    async def listing(self, owner: str) -> list[Upload]:
        """Return all files of an owner, the newest first."""

    async def delete(self, owner: str, upload_id: str) -> bool:
        """Forget the owner's file of this id; return whether there was one."""


class LinkSigner(Protocol):
    """Links to stored pictures and files that expire, or not (spec 3, `files.link_seconds`)."""

    def signed(self, path: str) -> str:
        """Return what a link to `images/<name>` or `files/<name>` ends with."""

    def seconds_left(self, path: str, query: Mapping[str, str]) -> float:
        """Return how long a link is still good, 0 if it is not; `inf` while links do not expire."""


class TokenExchange(Protocol):
    """Credentials to access tokens (spec 4)."""

    async def caller(self, credential: Credential) -> Caller:
        """Return whom to act as, exchanging or reading the cache as needed.

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
    """Which credentials the upstream has accepted lately: before that, one owns nothing (spec 4)."""

    async def confirm(self, credential: Credential) -> None:
        """Pass once the upstream has accepted the credential within the last hour.

        Any call that it answered counts; where there was none, it is asked, once for all that
        wait. To be awaited before something of the credential's is stored, and before its body
        is received; reading and deleting what is there needs none of it.

        Raises:
            AuthError: the credential is known to be dead.
            TokenServiceError: the token service has a passing fault.
            UpstreamRefusedError: the upstream refuses it: its 401, 403 or 429.
            UnconfirmedError: the upstream cannot be asked now.
        """


class Assets(Protocol):
    """Fetches what an answer names and stores it."""

    async def resolve(
        self, caller: Caller, wanted: AssetWanted, public_url: str, *, needs_copy: bool = False
    ) -> AssetReady:
        """Return the link, or a record with `problem`; never raises ServiceError.

        `needs_copy`: store it even where links of the upstream are handed out.
        """


class Lane(Protocol):
    """Takes plain text to the caller while the next batch is awaited: `pipeline.fast_lane.FastLane`."""

    @property
    def count(self) -> int:
        """Events that were taken and that the turn's reader has not counted yet."""

    def begin(self, reader: Any, answer: Any) -> None:
        """Begin a turn that is read by these stages, a `Reader` and an `Answer` of the pipeline."""

    def take(self, chunk: bytes) -> bytes:
        """Send what a chunk says, and return what is left of it for the stages."""

    def left(self) -> list[Delta]:
        """Return deltas that go before all that the stages make from now on."""

    def end(self) -> bytes:
        """Return what is left for the stages at the end of a body."""


class Turns(Protocol):
    """One turn with the upstream."""

    def run(
        self, request: ChatRequest, credential: Credential, lane: Lane | None = None
    ) -> AsyncGenerator[list[Delta], None]:
        """Yield batches of deltas; the last delta is a `TurnEnded`.

        Closing the generator closes the upstream connection before it returns. Text may take the
        `lane` instead, while the next batch is being waited for.

        Raises:
            ServiceError: before the first batch, any branch: nothing was sent or
                the upstream refused.
        """

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""


class Sound(Struct, frozen=True):
    """A recording on its way; `size_bytes` None where nobody knows it yet."""

    media_type: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


class Speech(Protocol):
    """Answers read aloud."""

    def speak(
        self, order: SpeechOrder, credential: Credential
    ) -> AbstractAsyncContextManager[Sound]:
        """Open the sound of what was ordered; it is read inside.

        Raises:
            NotFoundError: the upstream reads nothing aloud, or not this message.
            RequestError: it does not know the format or the voice.
            UnmetDemandError: the model would not repeat the text.
            ServiceError: as for a turn; also while the sound is read.
        """


class Transcriptions(Protocol):
    """Recordings written down."""

    async def transcribe(
        self, recording: LocalFile, language: str | None, credential: Credential
    ) -> str:
        """Return the text of a recording, empty for one that nobody speaks in.

        Raises:
            NotFoundError: the upstream writes no recordings down.
            RequestError: it is no recording.
            ServiceError: as for a turn.
        """


class Catalogue(Protocol):
    """Public model names (spec 5)."""

    async def listing(self, caller: Caller | None) -> list[ModelInfo]:
        """Return the entries of `GET /v1/models`, each once.

        The table, the GPTs and, with a caller, what its upstream lists; an
        upstream list that cannot be read in time is left out.
        """


class Accounts(Protocol):
    """The accounts of a credential."""

    async def by_plan(self, caller: Caller) -> dict[str, list[str]]:
        """Return account ids by plan type; `plus` and `team` are always there (protocol 6.8).

        Raises:
            UpstreamError: the upstream refused or broke.
        """


class RouteState(Struct, frozen=True):
    """How a route to the upstream does, without its prefix, which may be a secret.

    After it has failed a route is `cooling` for so many seconds, then `on trial`
    until it answers.
    """

    index: int
    state: Literal["working", "cooling", "on trial"]
    cooling_seconds: float


class RouteStates(Protocol):
    """The routes to the upstream (setting `upstream.api_prefixes`)."""

    def states(self) -> Sequence[RouteState]:
        """Return how each does, by index."""
