"""`GET /v1/usage`: the account's part for those who may see it, the key's for gateway keys."""

from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service import keys
from service.turns.key_limits import KeyLimits
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import NotFoundError
from service.vocabulary.gateway_keys import KeyTerms
from service.vocabulary.native import Allowance, Credits, LimitWindow, Scope
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings, make_gateway

ALLOWANCE = Allowance(
    "plus",
    (LimitWindow("primary", 12.3456, 300, 1_738_880_000.2), LimitWindow("image_gen:primary", 4.0)),
    Credits(has_credits=True, is_unlimited=False, balance="9.99"),
    {Scope.TEXT: 1_738_880_000.0, Scope.PICTURES: None},
)
OF_ACCOUNT = {
    "plan": "plus",
    "windows": [
        {
            "name": "primary",
            "used_percent": 12.35,
            "window_minutes": 300,
            "resets_at": 1_738_880_001,
        },
        {
            "name": "image_gen:primary",
            "used_percent": 4.0,
            "window_minutes": None,
            "resets_at": None,
        },
    ],
    "credits": {"has_credits": True, "unlimited": False, "balance": "9.99"},
    "resting": {"text": 1_738_880_000, "pictures": None},
}


async def test_who_brings_the_credential_sees_the_account(
    serve: Serve, around: Surroundings
) -> None:
    around.allowance = ALLOWANCE
    response = await (await serve()).get("/v1/usage", headers=BEARER)
    assert (response.status, await response.json()) == (200, {"object": "usage", **OF_ACCOUNT})


async def test_what_is_not_told_is_null(serve: Serve, around: Surroundings) -> None:
    around.allowance = Allowance("", (), None, {Scope.TEXT: None, Scope.PICTURES: None})
    answer = await (await (await serve()).get("/v1/usage", headers=BEARER)).json()
    assert answer == {
        "object": "usage",
        "plan": None,
        "windows": [],
        "credits": None,
        "resting": {"text": None, "pictures": None},
    }


async def test_an_account_that_has_no_allowance_is_not_found(
    serve: Serve, around: Surroundings
) -> None:
    around.allowance = NotFoundError("None here.", code="not_offered_by_account")
    response = await (await serve()).get("/v1/usage", headers=BEARER)
    assert response.status == 404
    assert (await response.json())["error"]["code"] == "not_offered_by_account"
    assert (await (await serve()).get("/v1/usage")).status == 401


@pytest.mark.parametrize(
    ("shows_account", "found", "seen"),
    [
        (True, ALLOWANCE, OF_ACCOUNT),
        (False, ALLOWANCE, {}),
        (True, NotFoundError("None here."), {}),
    ],
    ids=["shown", "not shown", "of the website"],
)
async def test_a_key_has_a_part_of_its_own_and_the_account_s_where_it_may_see_it(
    around: Surroundings, tmp_path: Path, shows_account, found, seen
) -> None:
    around.allowance = found
    file = KeyFile(tmp_path / "keys.json", Cipher(b"secret"))
    key = file.add(KeyTerms("bot", shows_account=shows_account), Credential("fk-stored"))
    app = make_gateway(around)
    app[keys.GATEWAY_KEYS], app[keys.KEY_LIMITS] = file, KeyLimits()
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/v1/usage", headers={"Authorization": f"Bearer {key}"})
        answer = await response.json()
    assert (response.status, answer) == (200, {"object": "usage", **seen, "key": {}})
