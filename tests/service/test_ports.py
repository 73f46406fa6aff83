"""What stands behind a port takes the same arguments as the port says."""

import inspect

import pytest

from service import ports
from storage.blobs import FileBlobs, StoredBlob
from storage.link_signer import LinkSigner
from storage.state import DegradingStore
from storage.uploads import FileUploads
from upstream.accounts import UpstreamAccounts
from upstream.assets import UpstreamAssets
from upstream.models import ModelCatalogue
from upstream.probe import UpstreamProbe
from upstream.routing import Routes
from upstream.speech import UpstreamSpeech
from upstream.tokens import Tokens
from upstream.transcriptions import UpstreamTranscriptions
from upstream.turns import UpstreamTurns

IMPLEMENTATIONS = {
    ports.StateStore: DegradingStore,
    ports.Blob: StoredBlob,
    ports.BlobStore: FileBlobs,
    ports.LinkSigner: LinkSigner,
    ports.UploadStore: FileUploads,
    ports.TokenExchange: Tokens,
    ports.Assets: UpstreamAssets,
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


@pytest.mark.parametrize(
    ("port", "implementation"), IMPLEMENTATIONS.items(), ids=lambda each: each.__name__
)
def test_it_takes_what_the_port_promises(port: type, implementation: type) -> None:
    for name, promised in inspect.getmembers(port, inspect.isfunction):
        if not name.startswith("_"):
            given = inspect.signature(getattr(implementation, name)).parameters
            assert list(given) == list(inspect.signature(promised).parameters), name
