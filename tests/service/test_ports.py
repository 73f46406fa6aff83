"""Each implementation of a port takes the arguments that the port declares."""

import inspect

from service import ports
from service.pipeline.fast_lane import FastLane
from service.turns.shared_turns import _Shared
from storage.files.blobs import FileBlobs, StoredBlob
from storage.files.uploads import FileUploads
from storage.secrets.account_file import AccountFile
from storage.secrets.link_signer import LinkSigner
from storage.state.journal import FileJournal
from storage.state.store import DegradingStore
from tests.rows import each_row
from upstream.codex.account.usage import CodexAllowances
from upstream.http.probe import UpstreamProbe
from upstream.http.routing import Routes
from upstream.slots.acceptance import UpstreamAcceptance
from upstream.tokens.accounts import UpstreamAccounts
from upstream.tokens.tokens import Tokens
from upstream.website.audio.speech import UpstreamSpeech
from upstream.website.audio.transcriptions import UpstreamTranscriptions
from upstream.website.files.assets import UpstreamAssets
from upstream.website.models.catalogue import ModelCatalogue
from upstream.website.turn.turns import UpstreamTurns

IMPLEMENTATIONS = {
    ports.AccountTokens: AccountFile,
    ports.StateStore: DegradingStore,
    ports.Journal: FileJournal,
    ports.Acceptance: UpstreamAcceptance,
    ports.Blob: StoredBlob,
    ports.BlobStore: FileBlobs,
    ports.LinkSigner: LinkSigner,
    ports.UploadStore: FileUploads,
    ports.TokenExchange: Tokens,
    ports.Assets: UpstreamAssets,
    ports.Lane: FastLane,
    ports.DeltaSink: _Shared,
    ports.Allowances: CodexAllowances,
    ports.Turns: UpstreamTurns,
    ports.Catalogue: ModelCatalogue,
    ports.Accounts: UpstreamAccounts,
    ports.Reachable: UpstreamProbe,
    ports.RouteStates: Routes,
    ports.Speech: UpstreamSpeech,
    ports.Transcriptions: UpstreamTranscriptions,
}


def test_every_port_has_an_implementation() -> None:
    protocols = {
        each
        for each in vars(ports).values()
        if inspect.isclass(each)
        and getattr(each, "_is_protocol", False)
        and each.__module__ == ports.__name__
    }
    assert protocols == set(IMPLEMENTATIONS)


@each_row(("port", "implementation"), IMPLEMENTATIONS.items(), ids=lambda each: each.__name__)
def test_it_takes_what_the_port_promises(port: type, implementation: type) -> None:
    assert_takes_as_promised(port, implementation)


def assert_takes_as_promised(port: type, implementation: type) -> None:
    """Compare the parameters of each method of a port with those of an implementation."""
    for name, promised in inspect.getmembers(port, inspect.isfunction):
        if not name.startswith("_"):
            given = inspect.signature(getattr(implementation, name)).parameters
            assert list(given) == list(inspect.signature(promised).parameters), name
