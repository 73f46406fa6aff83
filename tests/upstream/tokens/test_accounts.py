import pytest

from service.vocabulary.errors import UpstreamRefusedError
from tests.upstream.backends import CALLER
from upstream.tokens.accounts import UpstreamAccounts

PATH = "/backend-api/accounts/check/v4-2023-04-27"


def entry(account_id, plan):
    return {"account": {"account_id": account_id, "plan_type": plan}}


async def test_accounts_are_sorted_by_plan_each_once(upstream, backend):
    upstream.answers(
        "GET",
        PATH,
        {
            "accounts": {
                "default": entry("a-1", "plus"),
                "a-1": entry("a-1", "plus"),
                "t-1": entry("t-1", "team"),
                "t-2": entry(None, "team"),
                "e-1": entry("e-1", "enterprise"),
                "broken": None,
                "odd": {"account": {"account_id": 7, "plan_type": None}},
            },
            "account_ordering": ["t-2", "t-1", "unknown"],
        },
    )
    assert await UpstreamAccounts(backend).by_plan(CALLER) == {
        "plus": ["a-1"],
        "team": ["t-2", "t-1"],
        "enterprise": ["e-1"],
    }


@pytest.mark.parametrize("answer", [{}, {"accounts": []}, {"accounts": {"default": {}}}])
async def test_plus_and_team_are_always_there(upstream, backend, answer):
    upstream.answers("GET", PATH, answer)
    assert await UpstreamAccounts(backend).by_plan(CALLER) == {"plus": [], "team": []}


async def test_a_refusal_keeps_its_status(upstream, backend):
    upstream.answers("GET", PATH, (401, {"detail": "Unauthorized"}))
    with pytest.raises(UpstreamRefusedError) as caught:
        await UpstreamAccounts(backend).by_plan(CALLER)
    assert caught.value.status == 401


async def test_the_demo_has_a_personal_account_and_a_team(demo_backend):
    plans = await UpstreamAccounts(demo_backend).by_plan(CALLER)
    assert len(plans["team"]) == 1
    assert plans["plus"]
