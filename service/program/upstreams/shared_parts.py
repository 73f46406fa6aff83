"""The parts that both upstreams are built from, and the parts that each provides."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import ClientSession
from msgspec import Struct

from service.observing.metrics import Metrics
from service.observing.unknown_events import UnknownEvents
from service.ports import (
    Accounts,
    Allowances,
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
    """The parts that upstreams are built from; each is documented where it is defined."""

    config: Config
    session: ClientSession
    metrics: Metrics
    unknown_events: UnknownEvents
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
    """The parts that an upstream provides.

    `ask` is any cheap call that needs a good token, `jobs` run beside the application;
    `allowances` is None where the upstream tells none.
    """

    backend: Backend
    routes: Routes
    turns: Turns
    catalogue: Catalogue
    accounts: Accounts
    ask: Callable[[Caller], Awaitable[object]]
    probe: Reachable
    allowances: Allowances | None = None
    jobs: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()
