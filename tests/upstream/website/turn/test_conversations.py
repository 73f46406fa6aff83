import asyncio
import json

import pytest
from aiohttp import web

from service.observing.metrics import Metrics
from service.vocabulary.errors import UpstreamRefusedError
from tests.upstream.backends import CALLER
from upstream.website.turn import conversations as module
from upstream.website.turn.conversations import MAX_TRIES, Conversations

PATH = "/backend-api/conversation/c-1"
STOP = "/backend-api/stop_conversation"


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def _hasty(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.001)


def failed(metrics):
    return metrics.deletions_failed._value.get()


async def test_a_conversation_is_hidden_in_the_background(upstream, backend, metrics):
    upstream.answers("PATCH", PATH, {"success": True})
    async with Conversations(backend, metrics) as conversations:
        conversations.hide_later(CALLER, "c-1")
        assert upstream.requests == []
    assert json.loads(upstream.bodies[0]) == {"is_visible": False}
    assert failed(metrics) == 0


@pytest.mark.usefixtures("_hasty")
async def test_a_passing_failure_is_tried_again(upstream, backend, metrics):
    upstream.answers("PATCH", PATH, (500, {}), (429, {"detail": "x"}), {"success": True})
    async with Conversations(backend, metrics) as conversations:
        conversations.hide_later(CALLER, "c-1")
    assert len(upstream.requests) == 3
    assert failed(metrics) == 0


@pytest.mark.usefixtures("_hasty")
async def test_a_conversation_that_cannot_be_hidden_is_counted(upstream, backend, metrics):
    upstream.answers("PATCH", PATH, (500, {}))
    async with Conversations(backend, metrics) as conversations:
        conversations.hide_later(CALLER, "c-1")
    assert len(upstream.requests) == MAX_TRIES
    assert failed(metrics) == 1


async def test_a_refusal_for_good_is_counted_and_not_tried_again(upstream, backend, metrics):
    upstream.answers("PATCH", PATH, (401, {"detail": "Unauthorized"}))
    async with Conversations(backend, metrics) as conversations:
        conversations.hide_later(CALLER, "c-1")
    assert len(upstream.requests) == 1
    assert failed(metrics) == 1


async def test_a_conversation_that_is_gone_needs_no_hiding(upstream, backend, metrics):
    upstream.answers("PATCH", PATH, (404, {"detail": {"code": "conversation_not_found"}}))
    async with Conversations(backend, metrics) as conversations:
        conversations.hide_later(CALLER, "c-1")
    assert failed(metrics) == 0


async def test_closing_does_not_wait_for_pauses_but_makes_the_last_tries(
    upstream, backend, metrics, monkeypatch
):
    monkeypatch.setattr("upstream.website.turn.conversations._FIRST_PAUSE_SECONDS", 60)
    upstream.answers("PATCH", PATH, (500, {}), {"success": True})
    conversations = Conversations(backend, metrics)
    conversations.hide_later(CALLER, "c-1")
    async with asyncio.timeout(20):  # the first pause alone is a minute
        await conversations.close()
    assert len(upstream.requests) == 2


async def test_closing_waits_only_so_long(upstream, backend, metrics):
    async def silent(_request):
        await asyncio.sleep(60)
        return web.Response()

    upstream.answers("PATCH", PATH, silent)
    conversations = Conversations(backend, metrics)
    conversations.hide_later(CALLER, "c-1")
    async with asyncio.timeout(20):
        await conversations.close(0.1)


async def test_a_conversation_is_stopped_before_it_is_hidden(upstream, backend, metrics):
    async def slow(_request):
        await asyncio.sleep(0.05)
        return web.json_response({})

    upstream.answers("POST", STOP, slow)
    upstream.answers("PATCH", PATH, {"success": True})
    async with Conversations(backend, metrics) as conversations:
        conversations.stop_later(CALLER, "c-1")
        conversations.hide_later(CALLER, "c-1")
    assert [request.method for request in upstream.requests] == ["POST", "PATCH"]
    assert json.loads(upstream.bodies[0])["conversation_id"] == "c-1"


async def test_a_failed_stop_is_no_error(upstream, backend, metrics):
    upstream.answers("POST", STOP, (500, {}))
    async with Conversations(backend, metrics) as conversations:
        conversations.stop_later(CALLER, "c-1")
    assert failed(metrics) == 0


def node(node_id, parent, message=True):
    return {"id": node_id, "parent": parent, "message": {"id": node_id} if message else None}


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"mapping": [], "current_node": "a"},
        {"mapping": {"a": None}, "current_node": "a"},
        {"mapping": {}, "current_node": 7},
    ],
)
async def test_a_stored_conversation_without_messages_has_none(upstream, backend, metrics, stored):
    upstream.answers("GET", PATH, stored)
    assert await Conversations(backend, metrics).messages_since(CALLER, "c-1", {"sent"}) == []


async def test_a_circle_of_messages_ends(upstream, backend, metrics):
    nodes = {"a": node("a", "b"), "b": node("b", "a")}
    upstream.answers("GET", PATH, {"mapping": nodes, "current_node": "a"})
    assert await Conversations(backend, metrics).messages_since(CALLER, "c-1", {"sent"}) == []


async def test_an_id_from_outside_stays_one_step_of_the_path(upstream, backend, metrics):
    with pytest.raises(UpstreamRefusedError):
        await Conversations(backend, metrics).messages_since(CALLER, "../me?x=/#", {"sent"})
    assert upstream.requests[0].raw_path == "/backend-api/conversation/..%2Fme%3Fx%3D%2F%23"


# --- what came after a turn -----------------------------------------------------------


def line(*links, current=""):
    """Return a stored conversation made of (id, parent, role)."""
    nodes = {
        name: {"id": name, "parent": parent, "message": {"id": name, "author": {"role": role}}}
        for name, parent, role in links
    }
    return {"mapping": nodes, "current_node": current}


BRANCHED = line(
    ("u1", "", "user"),
    ("a1", "u1", "assistant"),
    ("u2", "a1", "user"),
    ("t1", "u2", "tool"),
    ("picture", "u2", "tool"),
    current="t1",
)


@pytest.mark.parametrize(
    ("stored", "sent", "found"),
    [
        (BRANCHED, {"u2"}, ["t1", "picture"]),
        (BRANCHED, {"u1", "u2"}, ["t1", "picture"]),
        (BRANCHED, {"unknown"}, ["t1"]),
        (BRANCHED, {"t1"}, []),
        (
            line(("a1", "", "assistant"), ("a2", "a1", "assistant"), current="a2"),
            {"u1"},
            ["a1", "a2"],
        ),
        (line(("u1", "t1", "user"), ("t1", "u1", "tool"), current="t1"), {"u1"}, []),
        ({"mapping": {"u1": None}, "current_node": "u1"}, {"u1"}, []),
        ({}, {"u1"}, []),
    ],
)
async def test_what_came_after_what_was_sent_is_found_on_every_branch(  # noqa: PLR0917 - cases
    upstream, backend, metrics, stored, sent, found
):
    upstream.answers("GET", PATH, stored)
    messages = await Conversations(backend, metrics).messages_since(CALLER, "c-1", sent)
    assert [message["id"] for message in messages] == found


async def test_of_several_branches_the_current_one_may_be_wanted(upstream, backend, metrics):
    upstream.answers("GET", PATH, BRANCHED)
    read = Conversations(backend, metrics).messages_since
    messages = await read(CALLER, "c-1", {"u2"}, is_chosen=True)
    assert [message["id"] for message in messages] == ["t1"]
    upstream.answers("GET", PATH, BRANCHED | {"current_node": "u2"})
    messages = await read(CALLER, "c-1", {"u2"}, is_chosen=True)
    assert [message["id"] for message in messages] == ["t1", "picture"]


@pytest.mark.parametrize("answer", [{"tasks": [{"task_id": "t"}, 7]}, {"tasks": None}, {}])
async def test_tasks_are_listed(upstream, backend, metrics, answer):
    upstream.answers("GET", "/backend-api/tasks", answer)
    tasks = await Conversations(backend, metrics).tasks(CALLER)
    assert tasks == [one for one in answer.get("tasks") or [] if one != 7]
