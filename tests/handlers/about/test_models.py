import pytest

from handlers.about import models
from service.vocabulary.errors import TokenServiceError
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings


async def test_the_list_needs_no_key_and_names_each_model(
    serve: Serve, around: Surroundings
) -> None:
    response = await (await serve()).get("/v1/models")
    assert response.status == 200
    assert await response.json() == {
        "object": "list",
        "data": [
            {"id": "gpt-4o", "object": "model", "created": 1, "owned_by": "openai"},
            {"id": "org/model", "object": "model", "created": 2, "owned_by": "x"},
            {"id": "claude-opus", "object": "model", "created": 1, "owned_by": "messages"},
            {"id": "claude-sonnet", "object": "model", "created": 1, "owned_by": "messages"},
        ],
    }
    assert around.callers == [None]


async def test_a_usable_bearer_lists_for_its_account(serve: Serve, around: Surroundings) -> None:
    client = await serve()
    headers = {"Authorization": "Bearer fk-test,team-1"}
    assert (await client.get("/v1/models", headers=headers)).status == 200
    [caller] = around.callers
    assert caller is not None
    assert caller.account_id == "team-1"


@pytest.mark.parametrize("authorization", ["Bearer dead", "Basic x", "Bearer a\tb"])
async def test_an_unusable_bearer_lists_the_rest(
    serve: Serve, around: Surroundings, authorization: str
) -> None:
    response = await (await serve()).get("/v1/models", headers={"Authorization": authorization})
    assert response.status == 200
    assert around.callers == [None]


async def test_a_token_service_that_fails_or_is_slow_does_not_spoil_the_list(
    serve: Serve, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: object) -> None:
        raise TokenServiceError("It is down.")

    async def is_slow(_: object) -> None:
        raise TimeoutError

    for caller in (fails, is_slow):
        monkeypatch.setattr(around, "caller", caller)
        assert (await (await serve()).get("/v1/models", headers=BEARER)).status == 200
    assert around.callers == [None, None]
    assert models.TOKEN_SECONDS < 10


@pytest.mark.parametrize("path", ["gpt-4o", "org%2Fmodel", "org/model"])
async def test_one_model_is_found_by_its_name(serve: Serve, path: str) -> None:
    response = await (await serve()).get(f"/v1/models/{path}")
    assert response.status == 200
    model = await response.json()
    assert model["id"] == path.replace("%2F", "/")
    assert model["object"] == "model"


async def test_an_unknown_model_names_the_closest(serve: Serve) -> None:
    response = await (await serve()).get("/v1/models/gpt-4p")
    assert response.status == 404
    error = (await response.json())["error"]
    assert error["code"] == "model_not_found"
    assert error["param"] == "model"
    assert "'gpt-4o'" in error["message"]


CLAUDE = {"anthropic-version": "2023-06-01"}


async def test_38_the_list_has_the_form_of_the_dialect_that_asks(serve: Serve) -> None:
    """A8 38, A9.13: the header alone decides; names that stand for a model come first."""
    listed = await (await (await serve()).get("/v1/models", headers=CLAUDE)).json()
    assert [each["id"] for each in listed["data"]] == [
        *("claude-opus", "claude-sonnet", "gpt-4o", "org/model")
    ]
    assert listed["data"][2] == {
        "type": "model",
        "id": "gpt-4o",
        "display_name": "gpt-4o",
        "created_at": "1970-01-01T00:00:01Z",
    }
    ends = (listed["first_id"], listed["last_id"], listed["has_more"])
    assert ends == ("claude-opus", "org/model", False)


async def test_38_a_list_is_answered_a_page_at_a_time(serve: Serve) -> None:
    client = await serve()
    ids: list[str] = []
    page: dict[str, object] = {"has_more": True, "last_id": ""}
    while page["has_more"]:
        query = {"limit": "3", "after_id": str(page["last_id"])}
        page = await (await client.get("/v1/models", headers=CLAUDE, params=query)).json()
        ids += [each["id"] for each in page["data"]]  # type: ignore[attr-defined]
    assert ids == ["claude-opus", "claude-sonnet", "gpt-4o", "org/model"]
    query = {"before_id": "org/model", "limit": "2"}
    page = await (await client.get("/v1/models", headers=CLAUDE, params=query)).json()
    assert [each["id"] for each in page["data"]] == ["claude-sonnet", "gpt-4o"]  # type: ignore[attr-defined]
    assert page["has_more"] is True
    wrong = await client.get("/v1/models", headers=CLAUDE, params={"limit": "0"})
    assert (await wrong.json())["error"]["type"] == "invalid_request_error"


async def test_38_one_name_has_that_form_too_and_an_unknown_one_is_told_in_it(serve: Serve) -> None:
    client = await serve()
    found = await (await client.get("/v1/models/claude-opus", headers=CLAUDE)).json()
    assert found["type"] == "model"
    missing = await client.get("/v1/models/none", headers=CLAUDE)
    assert missing.status == 404
    assert (await missing.json())["error"]["type"] == "not_found_error"


async def test_a_setting_says_what_the_names_stand_for(serve: Serve) -> None:
    client = await serve(messages={"models": {"haiku": "org/model", "opus": "none"}})
    listed = await (await client.get("/v1/models")).json()
    names = {each["id"] for each in listed["data"]}
    assert {"claude-haiku", "claude-sonnet"} < names
    assert "claude-opus" not in names
