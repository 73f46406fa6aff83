"""Lists of models: asked for, remembered, done without."""

import asyncio

import pytest

from service.vocabulary.credentials import Caller
from service.vocabulary.errors import UpstreamError
from tests.scripted_codex import token_of
from upstream.codex.account.catalogue import FRESH_SECONDS, RETRY_SECONDS, CodexLists

CALLER = Caller(token_of("acc-1"), "acc-1", "a")
OTHER = Caller(token_of("acc-2"), "acc-2", "b")


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def lists(backend, now) -> CodexLists:
    return CodexLists(backend, "9.9.9", lambda: now[0])


async def test_a_list_is_by_priority_and_says_what_a_model_can(codex, lists):
    hidden, sol, lite = await lists.models(CALLER)
    assert (hidden.model.slug, hidden.is_shown) == ("gpt-6-hidden", False)
    assert (sol.model.slug, sol.model.efforts) == ("gpt-6-sol", ("low", "medium", "high"))
    assert (sol.context_window, sol.modalities) == (272_000, ("text", "image"))
    assert (lite.model.is_lite, sol.model.is_lite) == (True, False)
    assert codex.lists[0].query["client_version"] == "9.9.9"


async def test_those_who_ask_at_once_share_one_request(codex, lists):
    await asyncio.gather(*(lists.models(CALLER) for _ in range(5)))
    assert len(codex.lists) == 1
    await lists.models(OTHER)
    assert len(codex.lists) == 2


async def test_after_a_while_it_is_asked_whether_anything_has_changed(codex, lists, now):
    first = await lists.models(CALLER)
    now[0] = FRESH_SECONDS - 1
    await lists.models(CALLER)
    assert len(codex.lists) == 1
    now[0] = FRESH_SECONDS
    assert await lists.models(CALLER) == first
    assert codex.lists[1].headers["If-None-Match"] == '"one"'
    codex.etag, codex.models = '"two"', [{"slug": "gpt-7"}]
    now[0] = 2 * FRESH_SECONDS
    assert [one.model.slug for one in await lists.models(CALLER)] == ["gpt-7"]


async def test_the_last_list_is_good_until_there_is_another(codex, lists, now):
    codex.models_status = 403
    assert await lists.models(CALLER) is None
    assert await lists.models(CALLER) is None
    assert len(codex.lists) == 1
    codex.models_status = 200
    now[0] = RETRY_SECONDS
    known = await lists.models(CALLER)
    codex.models_status = 403
    now[0] = RETRY_SECONDS + FRESH_SECONDS
    assert await lists.models(CALLER) == known


async def test_one_who_wants_to_know_now_is_told_of_a_refusal(codex, lists):
    await lists.ask(CALLER)
    codex.models_status = 403
    with pytest.raises(UpstreamError):
        await lists.ask(CALLER)
    assert await lists.models(CALLER)


@pytest.mark.parametrize(
    "entries",
    [None, "x", [None, 3, {}, {"slug": 3}, {"slug": ""}], [{"slug": "m", "priority": "x"}]],
)
async def test_whatever_a_list_holds_it_is_read(codex, lists, entries):
    codex.models = entries
    found = await lists.models(CALLER)
    assert [one.model.slug for one in found or ()] == (["m"] if "'m'" in str(entries) else [])


async def test_a_list_of_no_model_is_none_at_all(codex, lists, now):
    good = await lists.models(CALLER)
    codex.etag, codex.models = '"two"', []
    now[0] = FRESH_SECONDS
    assert await lists.models(CALLER) == good
    assert await lists.models(OTHER) is None
