import asyncio

import pytest
from aiohttp import web

from service.vocabulary.credentials import Caller
from tests.upstream.backends import CALLER
from upstream.website.models import lists as model_lists
from upstream.website.models.lists import LONGEST_SECONDS, SHORTEST_SECONDS, ModelLists

PATH = "/backend-api/models"
LISTED = {"models": [{"slug": "a"}, {"slug": "b"}, {"slug": "a"}, {"slug": None}, "x"]}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lists(backend, clock):
    return ModelLists(backend, clock)


async def test_slugs_are_listed_once_each(upstream, lists):
    upstream.answers("GET", PATH, LISTED)
    assert await lists.slugs(CALLER) == ("a", "b")
    assert upstream.requests[0].query["history_and_training_disabled"] == "false"


@pytest.mark.parametrize("answer", [{}, {"models": {}}])
async def test_an_answer_without_models_is_an_empty_list(upstream, lists, answer):
    upstream.answers("GET", PATH, answer)
    assert await lists.slugs(CALLER) == ()


async def test_a_list_is_kept_ten_minutes_for_what_is_in_it(upstream, lists, clock):
    upstream.answers("GET", PATH, LISTED)
    await lists.slugs(CALLER)
    clock.now += LONGEST_SECONDS - 1
    await lists.slugs(CALLER, "a")
    assert len(upstream.requests) == 1
    clock.now += 1
    await lists.slugs(CALLER, "a")
    assert len(upstream.requests) == 2


async def test_a_name_that_is_missing_is_looked_for_again_after_a_minute(upstream, lists, clock):
    upstream.answers("GET", PATH, LISTED, {"models": [{"slug": "new"}]})
    assert "new" not in await lists.slugs(CALLER, "new")
    await lists.slugs(CALLER, "new")
    assert len(upstream.requests) == 1
    clock.now += SHORTEST_SECONDS
    assert "new" in await lists.slugs(CALLER, "new")


async def test_a_failure_is_remembered_for_a_minute(upstream, lists, clock):
    upstream.answers("GET", PATH, (401, {"detail": "x"}), LISTED)
    assert await lists.slugs(CALLER) is None
    assert await lists.slugs(CALLER) is None
    assert len(upstream.requests) == 1
    clock.now += SHORTEST_SECONDS
    assert await lists.slugs(CALLER) == ("a", "b")


async def test_a_list_that_is_too_slow_cannot_be_read(upstream, lists, monkeypatch):
    async def slow(_request):
        await asyncio.sleep(5)
        return web.Response()

    monkeypatch.setattr(model_lists, "_ASK_SECONDS", 0.05)
    upstream.answers("GET", PATH, slow)
    assert await lists.slugs(CALLER) is None


async def test_many_askers_share_one_request_and_each_account_has_its_own(upstream, lists):
    upstream.answers("GET", PATH, LISTED)
    await asyncio.gather(*(lists.slugs(CALLER) for _ in range(20)))
    assert len(upstream.requests) == 1
    await lists.slugs(Caller("other", None, "account-2"))
    assert len(upstream.requests) == 2


async def test_only_so_many_accounts_are_remembered(upstream, lists, monkeypatch):
    monkeypatch.setattr(model_lists, "_MAX_ACCOUNTS", 2)
    upstream.answers("GET", PATH, LISTED)
    for account in ("1", "2", "3", "1"):
        await lists.slugs(Caller("t", None, account))
    assert len(upstream.requests) == 4
