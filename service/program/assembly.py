"""Joins the parts of the program; it is the only module that knows all packages."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web

from handlers.edge.middleware import install_edge
from handlers.routes import add_routes
from service import keys
from service.admin.admin_key import AdminKey
from service.ledger.budgeted_turns import BudgetedTranscriptions, BudgetedTurns
from service.observing.metrics import Metrics
from service.observing.tracing import open_tracing
from service.observing.unknown_events import UnknownEvents
from service.program.background import background
from service.program.kept import (
    DATA,
    SECRET_FILE,
    issuer_of,
    key_file,
    old_secrets,
    secret_of,
    token_stores,
)
from service.program.ledger import BUDGET_STORE, BUDGETS, budgets_ctx, calls_ctx
from service.program.preloading import preload
from service.program.upstreams.codex import codex_parts
from service.program.upstreams.shared_parts import SharedParts, UpstreamParts
from service.program.upstreams.website import Website, open_website
from service.settings.config import Config, kinds_taken, upstream_choice
from service.turns.chosen import (
    ChosenAccounts,
    ChosenCatalogue,
    ChosenTurns,
    CodexOnlyAllowances,
    WebsiteSpeech,
    WebsiteTranscriptions,
)
from service.turns.key_limits import KeyLimits
from service.turns.model_permissions import PermittedTurns
from service.turns.shared_turns import SharedTurns
from service.vocabulary.credentials import Caller, UpstreamKind
from service.vocabulary.errors import StorageError
from storage.files.retention import Swept
from storage.files.stores import Stores
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from storage.secrets.link_signer import LinkSigner
from storage.state.store import open_state
from upstream.fetching.fetch import Fetcher
from upstream.fetching.host_names import HostNames
from upstream.http.cooling import SharedCooling
from upstream.http.routing import Route, Routes
from upstream.http.session import make_session
from upstream.login.accounts import LoginAccounts
from upstream.login.issuer import LoginIssuer
from upstream.login.sign_ins import DeviceSignIns
from upstream.slots.acceptance import UpstreamAcceptance
from upstream.slots.calls import AccountCalls
from upstream.slots.leases import Leases
from upstream.slots.queueing import AccountQueues
from upstream.tokens.cache import SEALED_PREFIX, TokenCache
from upstream.tokens.tokens import TokenOptions, Tokens

_log = logging.getLogger("gateway.app")

_CIPHER = web.AppKey("_CIPHER", Cipher)
_KEY_FILE = web.AppKey("_KEY_FILE", KeyFile)
_ROUTES = web.AppKey("_ROUTES", dict[UpstreamKind, Routes])
_LEASES = web.AppKey("_LEASES", Leases)
_CALLS = web.AppKey("_CALLS", AccountCalls)
_NAMES = web.AppKey("_NAMES", HostNames)
SWEEP_SECONDS = 3600.0  # retention is counted in days


def make_app(config: Config) -> web.Application:
    """Return the application; its startup opens, reads and starts everything."""
    app = web.Application(client_max_size=config.server.max_body_bytes)
    app[keys.CONFIG] = config
    app[keys.CHOICE] = upstream_choice(config.tokens, kinds_taken(config))
    app[keys.METRICS] = metrics = Metrics()
    app[keys.UNKNOWN_EVENTS] = UnknownEvents(metrics)
    app[keys.DRAINING] = asyncio.Event()
    install_edge(app)
    add_routes(app, config)
    app.cleanup_ctx.extend(
        (
            tracing_ctx,
            secret_ctx,
            state_ctx,
            blobs_ctx,
            sharing_ctx,
            keys_ctx,
            budgets_ctx,
            calls_ctx,
            names_ctx,
            upstream_ctx,
            admin_ctx,
        )
    )
    return app


def prepare(config: Config) -> None:
    """Prepare what all processes share and a start depends on. Blocks.

    Raises:
        StorageError: the secret cannot be read or created; the message says what to change.
    """
    try:
        secret_of(config)
    except StorageError as error:
        hint = f"Make {SECRET_FILE.parent}/ writable, or set tokens.secret."
        raise StorageError(f"{error.message}. {hint}") from error
    preload(config)


async def drain(app: web.Application, seconds: float) -> None:
    """Refuse new turns and calls, and let running ones finish for at most `seconds`."""
    app[keys.DRAINING].set()
    async with asyncio.TaskGroup() as group:
        group.create_task(app[keys.TURNS].drain(seconds))
        group.create_task(app[_CALLS].drain(seconds))


@asynccontextmanager
async def tracing_ctx(app: web.Application) -> AsyncIterator[None]:
    """Send traces if they are wanted; closes last, so that the last spans are sent too."""
    tracing = await asyncio.to_thread(open_tracing)  # the import may take long
    if tracing is not None:
        app[keys.TRACING] = tracing
    yield
    if tracing is not None:
        await asyncio.to_thread(tracing.close)


@asynccontextmanager
async def secret_ctx(app: web.Application) -> AsyncIterator[None]:
    """Read the secret; build from it the encryption of tokens and the signer of links."""
    config = app[keys.CONFIG]
    secret, old = await asyncio.to_thread(secret_of, config), old_secrets(config)
    app[_CIPHER] = app[keys.SEALER] = Cipher(secret, old)
    app[keys.LINKS] = LinkSigner(secret, config.files.link_seconds, old)
    yield


@asynccontextmanager
async def state_ctx(app: web.Application) -> AsyncIterator[None]:
    """Open the state store; encrypt anew the values that an old secret still protects."""
    metrics, cipher = app[keys.METRICS], app[_CIPHER]
    state = open_state(
        app[keys.CONFIG].storage.state,
        lambda kind: metrics.state_failures.labels(kind).inc(),
        is_alone=_is_alone(app[keys.CONFIG]),
    )
    app[keys.STATE] = app[BUDGET_STORE] = state

    async def renew() -> None:
        number = await state.rewrite(SEALED_PREFIX, cipher.renewed)
        _log.info("%d stored tokens were encrypted anew with tokens.secret", number)

    async with background(*([renew] if app[keys.CONFIG].tokens.old_secrets else [])):
        yield
    await state.close()


@asynccontextmanager
async def blobs_ctx(app: web.Application) -> AsyncIterator[None]:
    """Open the stores of pictures, files and uploads, and keep them within their limits."""
    config = app[keys.CONFIG]
    stores = Stores(config.storage.blobs, DATA)
    app[keys.BLOBS] = stores.blobs
    app[keys.UPLOADS] = stores.uploads

    async def sweep() -> None:
        limits, metrics = config.files, app[keys.METRICS]
        while True:
            try:
                swept = await stores.sweep(limits.keep_days, limits.max_store_bytes)
            except (OSError, StorageError) as error:
                _log.warning("stored files could not be looked through: %s", error)
            else:
                for store, account in swept.items():
                    _account(metrics, store, account)
            await asyncio.sleep(SWEEP_SECONDS)

    async with background(sweep):
        yield


def _account(metrics: Metrics, store: str, swept: Swept) -> None:
    """Set the metrics of what a sweep removed and left."""
    metrics.store_files.labels(store).set(swept.kept_files)
    metrics.store_bytes.labels(store).set(swept.kept_bytes)
    metrics.store_removed_files.labels(store).inc(swept.removed_files)
    metrics.store_removed_bytes.labels(store).inc(swept.removed_bytes)
    if swept.removed_files:
        _log.info(
            "removed %d files of %s, %d bytes", swept.removed_files, store, swept.removed_bytes
        )


@asynccontextmanager
async def sharing_ctx(app: web.Application) -> AsyncIterator[None]:
    """Open the parts by which processes agree through the state store: cool-downs and slots."""
    config, metrics, state = app[keys.CONFIG], app[keys.METRICS], app[keys.STATE]
    every = app[_ROUTES] = _routes(config)
    app[keys.ROUTES] = routes = next(iter(every.values()))
    _count_failures(routes, metrics)
    if _is_alone(config):
        yield
        return
    leases = app[_LEASES] = Leases(state)
    async with background(SharedCooling(routes, state).run, leases.run):
        yield
    await leases.close()


def _routes(config: Config) -> dict[UpstreamKind, Routes]:
    """Return the routes to each upstream; those of the first are the ones that operators see."""
    every = {
        UpstreamKind.WEBSITE: Routes(config.upstream.base_url, config.upstream.api_prefixes),
        UpstreamKind.CODEX: Routes(config.codex.base_url),
    }
    taken = kinds_taken(config)
    return {kind: routes for kind, routes in every.items() if kind in taken}


@asynccontextmanager
async def keys_ctx(app: web.Application) -> AsyncIterator[None]:
    """Read gateway keys, also from a file that is created later."""
    leases = app.get(_LEASES)
    app[keys.GATEWAY_KEYS] = app[_KEY_FILE] = file = key_file(app[keys.CONFIG], app[_CIPHER])
    await asyncio.to_thread(_renew_key_file, file)
    app[keys.KEY_LIMITS] = KeyLimits(app[keys.STATE] if leases else None, leases)
    yield


def _renew_key_file(file: KeyFile) -> None:
    """Encrypt anew the keys that an old secret protects; a read-only file stays as it is."""
    try:
        number = file.renew()
    except StorageError as error:
        _log.warning("gateway keys stay as they are: %s", error)
    else:
        if number:
            _log.info("%d gateway keys and accounts were encrypted anew", number)


@asynccontextmanager
async def names_ctx(app: web.Application) -> AsyncIterator[None]:
    """Start the resolver for hosts that callers name."""
    async with HostNames(app[keys.CONFIG].fetch.resolve_seconds) as names:
        app[_NAMES] = names
        yield


@asynccontextmanager
async def upstream_ctx(app: web.Application) -> AsyncIterator[None]:
    """Open everything that talks to the outside, in the order of dependence."""
    config, jobs = app[keys.CONFIG], _Jobs()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(make_session(config.upstream))
        app[keys.TOKENS] = tokens = _tokens(app, session, jobs.daily)
        asks: dict[UpstreamKind, _Ask] = {}
        shared = _shared_parts(app, session, tokens, asks)
        routes, website = app[_ROUTES], None
        upstreams: dict[UpstreamKind, UpstreamParts] = {}
        if UpstreamKind.WEBSITE in routes:
            opening = open_website(shared, routes[UpstreamKind.WEBSITE])
            website = await stack.enter_async_context(opening)
            upstreams[UpstreamKind.WEBSITE] = website.parts
            jobs.daily.append(website.gpts.renew)
            jobs.at_start.append(website.gpts.start)
        if UpstreamKind.CODEX in routes:
            upstreams[UpstreamKind.CODEX] = codex_parts(shared, routes[UpstreamKind.CODEX])
        for kind, parts in upstreams.items():
            asks[kind] = parts.ask
            jobs.at_start.extend(parts.jobs)
            parts.backend.watch(shared.acceptance.note)
        _join(app, shared, upstreams, website)
        async with background(tokens.run, *jobs.at_start):
            yield
            await tokens.close()


_Ask = Callable[[Caller], Awaitable[object]]


class _Jobs:
    """Background work: daily jobs, and jobs of the start."""

    def __init__(self) -> None:
        self.daily: list[Callable[[], Awaitable[None]]] = []
        self.at_start: list[Callable[[], Coroutine[Any, Any, None]]] = []


def _shared_parts(
    app: web.Application,
    session: ClientSession,
    tokens: Tokens,
    asks: Mapping[UpstreamKind, _Ask],
) -> SharedParts:
    config, metrics = app[keys.CONFIG], app[keys.METRICS]
    queues = AccountQueues(config.upstream, metrics.queued_turns, app.get(_LEASES))
    app[_CALLS] = calls = AccountCalls(tokens, queues)

    async def ask(caller: Caller) -> None:
        await asks[caller.upstream](caller)

    app[keys.ACCEPTANCE] = accepted = UpstreamAcceptance(calls, ask, app[keys.STATE])
    return SharedParts(
        config=config,
        session=session,
        metrics=metrics,
        unknown_events=app[keys.UNKNOWN_EVENTS],
        state=app[keys.STATE],
        blobs=app[keys.BLOBS],
        uploads=app[keys.UPLOADS],
        links=app[keys.LINKS],
        tokens=tokens,
        fetcher=Fetcher(config.fetch, config.upstream, app[_NAMES]),
        queues=queues,
        calls=calls,
        acceptance=accepted,
    )


def _join(
    app: web.Application,
    shared: SharedParts,
    upstreams: Mapping[UpstreamKind, UpstreamParts],
    website: Website | None,
) -> None:
    """Put the parts that handlers need into the application, joined over both upstreams."""
    choice = app[keys.CHOICE]
    chosen = ChosenTurns(choice, {kind: parts.turns for kind, parts in upstreams.items()})
    budgets = app[BUDGETS]
    turns = PermittedTurns(BudgetedTurns(chosen, budgets))
    app[keys.TURNS] = SharedTurns(turns)
    app[keys.CATALOGUE] = ChosenCatalogue(
        {kind: parts.catalogue for kind, parts in upstreams.items()}
    )
    app[keys.ACCOUNTS] = ChosenAccounts({kind: parts.accounts for kind, parts in upstreams.items()})
    codex = upstreams.get(UpstreamKind.CODEX)
    app[keys.ALLOWANCES] = CodexOnlyAllowances(choice, codex.allowances if codex else None)
    app[keys.UPSTREAM] = next(iter(upstreams.values())).probe
    speech = transcriptions = None
    if website is not None:
        speech, transcriptions = website.speech(shared, turns), website.transcriptions(shared)
    app[keys.SPEECH] = WebsiteSpeech(choice, speech)
    app[keys.TRANSCRIPTIONS] = BudgetedTranscriptions(
        WebsiteTranscriptions(choice, transcriptions), budgets
    )


@asynccontextmanager
async def admin_ctx(app: web.Application) -> AsyncIterator[None]:
    """Open what the operator manages, if there is an admin key."""
    config, file = app[keys.CONFIG], app[_KEY_FILE]
    key = config.server.admin_key.get_secret_value()
    if not key:
        yield
        return
    app[keys.ADMIN_KEY], app[keys.MANAGED_KEYS] = AdminKey(key, app[keys.STATE]), file
    cache = TokenCache(
        token_stores(config, app[keys.STATE], app[_CIPHER], app[_KEY_FILE]), time.time
    )
    accounts = LoginAccounts(file.accounts, cache, issuer_of(config))
    async with make_session(config.upstream) as session:
        issuer = LoginIssuer(config.tokens, session)
        app[keys.SIGN_INS] = sign_ins = DeviceSignIns(
            issuer, accounts, app[keys.STATE], app[_CIPHER]
        )
        async with background(sign_ins.run):
            yield


def _tokens(
    app: web.Application, session: ClientSession, renewals: list[Callable[[], Awaitable[None]]]
) -> Tokens:
    config, metrics = app[keys.CONFIG], app[keys.METRICS]
    options = TokenOptions(
        daily=renewals,
        on_refresh=lambda result: metrics.refreshes.labels(result).inc(),
        is_demo=config.is_demo,
        taken=kinds_taken(config),
    )
    return Tokens(
        config.tokens,
        session,
        token_stores(config, app[keys.STATE], app[_CIPHER], app[_KEY_FILE]),
        options,
    )


def _count_failures(routes: Routes, metrics: Metrics) -> None:
    def count(route: Route, is_failing: bool) -> None:
        metrics.failing_routes.labels(str(route.index)).set(is_failing)
        metrics.route_failures.labels(str(route.index)).inc(is_failing)

    for route in routes.all:
        count(route, is_failing=False)
    routes.watch(count)


def _is_alone(config: Config) -> bool:
    """Tell whether this is the only process, with a state file of its own and no peers."""
    return config.server.workers == 1 and config.storage.state.startswith("sqlite:")
