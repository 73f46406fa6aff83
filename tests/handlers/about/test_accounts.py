from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER


async def test_account_ids_are_listed_by_plan(serve: Serve) -> None:
    response = await (await serve()).post("/getAccountID", headers=BEARER)
    assert response.status == 200
    body = await response.json()
    assert body.keys() == {"plus", "team"}
    assert len(body["plus"]) == 1


async def test_a_key_is_needed_and_has_to_live(serve: Serve) -> None:
    client = await serve()
    for headers in ({}, {"Authorization": "Bearer dead"}):
        response = await client.post("/getAccountID", headers=headers)
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "invalid_api_key"
