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
