"""Assembles the parts that talk to Codex's back end."""

from functools import partial

from service.program.upstreams.shared_parts import SharedParts, UpstreamParts
from upstream.codex.account.catalogue import CodexLists
from upstream.codex.account.limits import AccountLimits, show_allowances
from upstream.codex.account.models import CodexModels, names_in
from upstream.codex.account.names import AccountNames
from upstream.codex.account.plans import CodexAccounts
from upstream.codex.account.rests import AccountRests
from upstream.codex.account.usage import CodexAllowances, KnownOfAccounts
from upstream.codex.connection.backend import CodexBackend
from upstream.codex.turn.inline_files import InlineFiles
from upstream.codex.turn.pictures import AnswerPictures
from upstream.codex.turn.sending import CodexSender
from upstream.codex.turn.trying import CodexTries, TryParts
from upstream.codex.turn.turn_states import TurnStates
from upstream.codex.turn.turns import CodexServices, CodexTurns
from upstream.http.backend import Backend
from upstream.http.probe import UpstreamProbe
from upstream.http.routing import Routes


def codex_parts(shared: SharedParts, routes: Routes) -> UpstreamParts:
    """Return the parts for accounts that signed in by Codex's login."""
    config = shared.config
    # The operator's headers are meant for proxies in front of the website.
    upstream = config.upstream.model_copy(update={"headers": {}})
    backend = CodexBackend(config.codex, Backend(upstream, routes, shared.session))
    lists = CodexLists(backend, config.codex.client_version)
    models = CodexModels(names_in(config), lists)
    known = _known_of_accounts(shared, backend)
    return UpstreamParts(
        backend=backend.http,
        routes=routes,
        turns=CodexTurns(_services(shared, backend, models, known)),
        catalogue=models,
        accounts=CodexAccounts(),
        ask=lists.ask,
        probe=UpstreamProbe(backend.http, "models"),
        allowances=CodexAllowances(backend, shared.calls, shared.state, known),
        jobs=(partial(show_allowances, known.limits, shared.metrics),),
    )


def _known_of_accounts(shared: SharedParts, backend: CodexBackend) -> KnownOfAccounts:
    names = AccountNames(shared.acceptance.is_known)
    limits = AccountLimits(names)
    backend.watch(limits.hear)
    return KnownOfAccounts(names, limits, AccountRests(shared.state, names, limits, shared.metrics))


def _services(
    shared: SharedParts, backend: CodexBackend, models: CodexModels, known: KnownOfAccounts
) -> CodexServices:
    config, states = shared.config, TurnStates(shared.state)
    parts = TryParts(
        backend=backend,
        sender=CodexSender(config.upstream, backend, states),
        rests=known.rests,
        limits=known.limits,
        states=states,
        pictures=AnswerPictures(shared.blobs, shared.links.signed),
        unknown_events=shared.unknown_events,
        stream=config.stream,
    )
    return CodexServices(
        retries=config.upstream.retries,
        tokens=shared.tokens,
        models=models,
        files=InlineFiles(shared.fetcher, shared.blobs),
        uploads=shared.uploads,
        queues=shared.queues,
        rests=known.rests,
        tries=CodexTries(parts),
        metrics=shared.metrics,
    )
