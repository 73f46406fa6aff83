"""Accounts, models and GPTs."""

from tests.upstream.demo.conftest import Asker


async def test_models_are_listed(asker: Asker) -> None:
    answer = await asker.get("/backend-api/models?history_and_training_disabled=false")
    assert {"gpt-4o", "o1"} <= {one["slug"] for one in answer["models"]}
    assert "owned_by" not in answer["models"][0]


async def test_any_gpt_exists_but_the_missing_one(asker: Asker) -> None:
    answer = await asker.get("/backend-api/gizmos/g-abc123XYZ-my-helper")
    assert answer["gizmo"]["id"] == "g-abc123XYZ"
    assert answer["gizmo"]["display"]["name"]
    await asker.get("/backend-api/gizmos/g-missing", status=404)
    await asker.get("/backend-api/gizmos/other", status=404)
    assert (await asker.get("/backend-api/gizmos/bootstrap"))["gizmos"]


async def test_nothing_is_required_of_callers(asker: Asker) -> None:
    async with asker.post("/backend-api/sentinel/chat-requirements", {}) as response:
        assert (await response.json())["proofofwork"] == {"required": False}
    assert (await asker.get("/public-api/conversation_limit"))["message_cap"] == 40


async def test_a_token_service_and_an_index_answer(asker: Asker) -> None:
    async with asker.session.post(asker.base + "/api/arkose/token", data={"type": "gpt-4"}) as got:
        assert (await got.json())["token"].startswith("demo-arkose-")
    assert (await asker.stats())["arkose"] == 1
    assert (await asker.get("/"))["service"] == "demo upstream"


async def test_there_is_a_personal_plus_account_and_a_team(asker: Asker) -> None:
    answer = await asker.get("/backend-api/accounts/check/v4-2023-04-27?timezone_offset_min=-480")
    accounts = [one["account"] for one in answer["accounts"].values()]
    assert [(one["structure"], one["plan_type"]) for one in accounts] == [
        ("personal", "plus"),
        ("workspace", "team"),
    ]
    assert answer["account_ordering"] == [one["account_id"] for one in accounts]
    assert (await asker.get("/backend-api/me"))["object"] == "user"
