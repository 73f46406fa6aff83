"""Accounts."""

from tests.upstream.demo.conftest import Asker


async def test_there_is_a_personal_plus_account_and_a_team(asker: Asker) -> None:
    answer = await asker.get("/backend-api/accounts/check/v4-2023-04-27?timezone_offset_min=-480")
    accounts = [one["account"] for one in answer["accounts"].values()]
    assert [(one["structure"], one["plan_type"]) for one in accounts] == [
        ("personal", "plus"),
        ("workspace", "team"),
    ]
    assert answer["account_ordering"] == [one["account_id"] for one in accounts]
    assert (await asker.get("/backend-api/me"))["object"] == "user"
