"""Assembles the parts that talk to the website's own routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from service.demands.imitated_turns import ImitatedTurns
from service.ports import Speech, Transcriptions, Turns
from service.program.upstreams.shared_parts import SharedParts, UpstreamParts
from service.vocabulary.credentials import Caller
from upstream.http.backend import Backend
from upstream.http.probe import UpstreamProbe
from upstream.http.routing import Routes
from upstream.tokens.accounts import UpstreamAccounts
from upstream.website.audio.speech import UpstreamSpeech
from upstream.website.audio.transcriptions import UpstreamTranscriptions
from upstream.website.files.assets import UpstreamAssets
from upstream.website.files.transfers import Transfers
from upstream.website.files.uploads import UpstreamUploads
from upstream.website.models.catalogue import ModelCatalogue
from upstream.website.models.gpts import Gpts
from upstream.website.models.lists import ModelLists
from upstream.website.turn.arkose import Arkose
from upstream.website.turn.client import TurnClient
from upstream.website.turn.conversations import Conversations
from upstream.website.turn.efforts import RefusedEfforts
from upstream.website.turn.turns import TurnServices, UpstreamTurns


class Website(Struct, frozen=True):
    """The parts of the website, including those that no other upstream has."""

    parts: UpstreamParts
    gpts: Gpts
    transfers: Transfers

    def speech(self, shared: SharedParts, turns: Turns) -> Speech:
        """Return the part that reads answers of these turns aloud."""
        is_temporary = shared.config.conversation.temporary
        return UpstreamSpeech(
            turns, shared.calls, self.parts.backend, self.transfers, is_temporary=is_temporary
        )

    def transcriptions(self, shared: SharedParts) -> Transcriptions:
        """Return the part that transcribes recordings."""
        return UpstreamTranscriptions(self.parts.backend, shared.calls)


@asynccontextmanager
async def open_website(shared: SharedParts, routes: Routes) -> AsyncIterator[Website]:
    """Open the parts for accounts that signed in by the website's login."""
    config, session = shared.config, shared.session
    backend = Backend(config.upstream, routes, session)
    transfers = Transfers(backend, config.files.host_rewrite)
    gpts = Gpts(
        config.gpts, config.gpts_key.get_secret_value(), backend, shared.state, shared.tokens
    )
    models = ModelCatalogue(
        config.models,
        gpts,
        ModelLists(backend),
        is_passthrough=config.models_passthrough,
        claude=config.messages.models,
    )

    async def ask(caller: Caller) -> None:
        await backend.call(caller, "GET", "models")

    async with Conversations(backend, shared.metrics) as conversations:
        services = _turn_services(shared, backend, transfers, models, conversations)
        kept = config.conversation
        is_kept = not (kept.temporary or kept.delete_after_response)
        parts = UpstreamParts(
            backend=backend,
            routes=routes,
            turns=ImitatedTurns(UpstreamTurns(services), is_kept=is_kept),
            catalogue=models,
            accounts=UpstreamAccounts(backend),
            ask=ask,
            probe=UpstreamProbe(backend),
        )
        yield Website(parts, gpts, transfers)


def _turn_services(
    shared: SharedParts,
    backend: Backend,
    transfers: Transfers,
    models: ModelCatalogue,
    conversations: Conversations,
) -> TurnServices:
    config = shared.config
    return TurnServices(
        config=config,
        tokens=shared.tokens,
        models=models,
        files=UpstreamUploads(backend, transfers, shared.fetcher, shared.state),
        uploads=shared.uploads,
        arkose=Arkose(config.arkose.urls, shared.session),
        queues=shared.queues,
        client=TurnClient(config.upstream, backend, shared.metrics.upstream_retries),
        assets=UpstreamAssets(
            backend,
            transfers,
            shared.blobs,
            hands_out_links=config.images.upstream_links,
            sign=shared.links.signed,
        ),
        conversations=conversations,
        efforts=RefusedEfforts(shared.state),
        metrics=shared.metrics,
        unknown_events=shared.unknown_events,
    )
