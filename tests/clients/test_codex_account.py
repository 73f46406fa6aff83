"""Agents and their libraries on an account of Codex's login, unmodified: their loops, with true calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.clients import CLIENTS, Client
from tests.clients.conftest import SECONDS, Place, placed

pytestmark = [pytest.mark.whole, pytest.mark.timeout(2 * SECONDS)]
# Codex's command line knows the other one, and would tell of no tool before it is searched for;
# aider does not, and would put its rules behind the question.
MODELS = {"@openai/codex": "gpt-4o", "aider-chat": "gpt-4o"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A gateway before a demo that pauses between the pieces of an answer, as the back end does."""
    with placed(tmp_path_factory.mktemp("gateway"), "--delay-seconds", "0.005") as made:
        yield made


@pytest.mark.parametrize(
    "client", [each for each in CLIENTS if each.codex], ids=lambda client: client.package
)
def test_a_client_gets_all_it_asks_for(client: Client, place: Place, tmp_path: Path) -> None:
    if not client.is_installed:
        pytest.skip("the clients are not installed")
    key, model = f"codex:{client.place}-plus~1", MODELS.get(client.package, "gpt-6-sol")
    wanted = client.codex_features
    assert place.passed(client, tmp_path, key=key, model=model, features=wanted) == wanted
