"""What both upstreams are built from, and what each brings to the program."""

from collections.abc import Awaitable, Callable

from aiohttp import ClientSession
from msgspec import Struct

from service.observing.metrics import Metrics
from service.observing.unknown_events import Drift
from service.ports import (
    Accounts,
    BlobStore,
    Catalogue,
    LinkSigner,
    Reachable,
    StateStore,
    TokenExchange,
    Turns,
    UploadStore,
)
from service.settings.config import Config
from service.vocabulary.credentials import Caller
from upstream.fetching.fetch import Fetcher
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.slots.acceptance import UpstreamAcceptance
from upstream.slots.calls import AccountCalls
from upstream.slots.queueing import AccountQueues


class SharedParts(Struct, frozen=True):
    """What upstreams are built from; each is described where it is defined."""

    config: Config
    session: ClientSession
    metrics: Metrics
    drift: Drift
    state: StateStore
    blobs: BlobStore
    uploads: UploadStore
    links: LinkSigner
    tokens: TokenExchange
    fetcher: Fetcher
    queues: AccountQueues
    calls: AccountCalls
    acceptance: UpstreamAcceptance


class UpstreamParts(Struct, frozen=True):
    """What an upstream brings; `ask` is any cheap call that only a good token gets an answer to."""

    backend: Backend
    routes: Routes
    turns: Turns
    catalogue: Catalogue
    accounts: Accounts
    ask: Callable[[Caller], Awaitable[object]]
    probe: Reachable
