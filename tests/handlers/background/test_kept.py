"""What is kept of a response whose writer is gone, or lives."""

from collections.abc import Callable
from typing import Any

import pytest

from handlers.background import kept as kept_module
from handlers.background.kept import (
    found_response,
    is_written,
    kept_events,
    kept_responses,
    writers,
)
from handlers.background.lost_output import LOST
from handlers.background.running import RUNNING
from service.answers.responses import ModelResponse
from service.stages.encode.responses import ResponseEvents
from service.turns.kept_events import EventPart
from service.turns.kept_responses import KeptResponse
from service.turns.kept_values import KeptValues
from service.vocabulary.rendered import ContentText
from tests.conftest import StartGateway
from tests.gateway import Gateway
from tests.response_events import begun
from tests.scripted_upstream import ScriptedUpstream

ID = "resp_0123"
Keep = Callable[..., Any]


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(scripted.url)


async def left(gateway: Gateway, status: str) -> None:
    """Keep a response, and some of its events, as a writer that died has left them."""
    response: ModelResponse = begun(id=ID, status=status, background=True)
    events = ResponseEvents(response, is_queued=True)
    frames = events.opening + events.begin() + events.feed_batch([ContentText("Hel")])
    kept = KeptResponse({**_plain(response), "status": status})
    await kept_responses(gateway.app).keep("me", kept)
    await kept_events(gateway.app, "me", ID).add(0, EventPart(frames))


def _plain(response: ModelResponse) -> dict[str, Any]:
    plain: dict[str, Any] = kept_module.to_builtins(response)
    return plain


@pytest.mark.parametrize("status", ["queued", "in_progress"])
async def test_one_without_a_writer_has_failed_with_what_had_arrived(
    gateway: Gateway, status: str
) -> None:
    await left(gateway, status)
    assert not await is_written(gateway.app, "me", ID)
    found = await found_response(gateway.app, "me", ID)
    assert found is not None
    assert (found.response["status"], found.response["error"]["code"]) == ("failed", LOST.code)
    assert found.response["output"][0]["content"][0]["text"] == "Hel"
    assert await kept_responses(gateway.app).find("me", ID) == found
    assert await found_response(gateway.app, "you", ID) is None


async def test_one_whose_writer_lives_is_as_it_was(gateway: Gateway) -> None:
    await left(gateway, "in_progress")
    async with writers(gateway.app).writing("me", ID):
        found = await found_response(gateway.app, "me", ID)
        assert found is not None
        assert found.response["status"] == "in_progress"
    await gateway.app[RUNNING].close()  # ends the wait for the writer's death


async def test_one_that_has_ended_stays_as_it_is(gateway: Gateway) -> None:
    await left(gateway, "completed")
    found = await found_response(gateway.app, "me", ID)
    assert found is not None
    assert found.response["status"] == "completed"


async def test_all_is_kept_in_the_gateways_own_limits(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    limits = {"max_bytes_per_owner": 500, "max_bytes": 900}
    gateway = await start_gateway(scripted.url, responses=limits)
    values: KeptValues = kept_module.kept_values(gateway.app)
    assert values.fits(b"x" * 500)
    assert not values.fits(b"x" * 501)
