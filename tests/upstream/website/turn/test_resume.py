"""Opening a handed-off turn again; whole turns with hand-offs are in test_turns."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from service.vocabulary.events import ResumeWanted
from tests.scripted_upstream import DONE, Abort, Head, ScriptedUpstream, Step, scripted_upstream
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session
from upstream.website.turn import resume
from upstream.website.turn.client import TurnClient
from upstream.website.turn.resume import MAX_TRIES, open_resumed

CALLER = Caller("fk-token", None, "account")
WANTED = ResumeWanted("c1", "conduit")


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedUpstream]:
    monkeypatch.setattr(resume, "_FIRST_PAUSE_SECONDS", 0.001)
    async with scripted_upstream() as running:
        yield running


@pytest.fixture
async def client(upstream: ScriptedUpstream) -> AsyncIterator[TurnClient]:
    config = UpstreamConfig(base_url=upstream.url, connect_seconds=1)
    retries = Counter("retries", "x", registry=CollectorRegistry())
    async with make_session(config) as session:
        backend = Backend(config, Routes(config.base_url), session)
        yield TurnClient(config, backend, retries)


async def test_an_offered_resume_is_opened(upstream, client) -> None:
    upstream.resume_script = (Head(), [DONE])
    body = await open_resumed(client, CALLER, WANTED, 4)
    assert body is not None
    body.close()
    assert upstream.resumed[0].body == {"conversation_id": "c1", "offset": 4}


@pytest.mark.parametrize(
    ("head", "step", "tries"),
    [
        (Head(410), {"detail": {"code": "persisted_final_available"}}, 1),
        (Head(403), {"detail": "no"}, 1),
        (Head(429), {"detail": "later"}, MAX_TRIES),
        (Head(502), {"detail": "later"}, MAX_TRIES),
        (Head(), Abort(), MAX_TRIES),
    ],
)
async def test_only_passing_failures_are_tried_again(  # noqa: PLR0917 - fixtures and cases
    upstream, client, monkeypatch, head: Head, step: Step, tries: int
) -> None:
    monkeypatch.setattr(resume, "_GROWTH", 1.0)
    upstream.resume_script = (head, [step])
    assert await open_resumed(client, CALLER, WANTED, 0) is None
    assert len(upstream.resumed) == tries


async def test_without_a_conversation_there_is_nothing_to_resume(upstream, client) -> None:
    assert await open_resumed(client, CALLER, ResumeWanted(None, "t"), 0) is None
    assert upstream.resumed == []
