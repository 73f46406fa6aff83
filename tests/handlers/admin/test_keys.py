"""Keys as the operator makes, changes and revokes them."""

from typing import Any

import pytest

from handlers.admin.keys import KeyChangeFields, NewKeyFields
from handlers.reading.json_body import decode_json
from service.vocabulary.credentials import Budgets, Credential
from service.vocabulary.errors import RequestError
from service.vocabulary.gateway_keys import KeyTerms
from service.vocabulary.wire import to_json
from tests.handlers.admin.conftest import ANNA, Operator

FIELDS = {"name": "phone", "account": ANNA.id}
LIMITED = {
    **FIELDS,
    "requests_per_minute": 60,
    "concurrent_requests": 2,
    "models": ["gpt-4o", " o3 ", "gpt-4o"],
    "shows_account": True,
    "budgets": {"requests_per_day": 3, "tokens_per_5_hours": 1000, "tokens_per_month": None},
}
BUDGETS = [
    f"{unit}_per_{time}"
    for unit in ("requests", "tokens")
    for time in ("5_hours", "day", "week", "month")
]


async def test_a_key_is_made_shown_once_and_listed(operator: Operator) -> None:
    status, made = await operator.ask("POST", "/admin/keys", json=LIMITED)
    assert status == 200
    secret, key = made["secret"], made["key"]
    assert operator.file.find(secret).credential.stored_account == ANNA.id
    assert (key["name"], key["account"], key["models"]) == ("phone", ANNA.id, ["gpt-4o", "o3"])
    assert (key["requests_per_minute"], key["concurrent_requests"]) == (60, 2)
    assert key["budgets"] == {"requests_per_day": 3, "tokens_per_5_hours": 1000}
    uses = {use["name"]: (use["used"], use["limit"]) for use in key["used"]}
    assert uses == {"requests_per_day": (0, 3), "tokens_per_5_hours": (0, 1000)}
    operator.answers.clear()
    _, body = await operator.ask("GET", "/admin/keys")
    assert body["data"] == [key]
    assert secret not in operator.answers[0]
    assert secret[14:] not in operator.answers[0]


async def test_what_a_key_has_used_is_shown(operator: Operator) -> None:
    """Of a key for a token: the operator made it on the command line."""
    terms = KeyTerms("old", budgets=Budgets(requests_per_day=2, tokens_per_week=10**6))
    secret = operator.file.add(terms, Credential("fk-a-token"))
    answers = [await operator.gateway.chat(token=secret) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    _, body = await operator.ask("GET", "/admin/keys")
    (key,) = body["data"]
    assert key["account"] is None
    uses = {use["name"]: use for use in key["used"]}
    assert uses["requests_per_day"]["used"] == 2
    assert uses["requests_per_day"]["renews_at"] % 86400 == 0
    tokens = sum(answer.json["usage"]["total_tokens"] for answer in answers[:2])
    assert uses["tokens_per_week"]["used"] == tokens


async def test_only_what_is_given_is_changed_and_it_counts_at_once(operator: Operator) -> None:
    secret = operator.file.add(KeyTerms("bot", models=("gpt-4o",)), Credential("fk-a-token"))
    (key,) = operator.file.listing()
    path = f"/admin/keys/{key.id}"
    assert (await operator.gateway.chat(token=secret)).status == 200
    status, changed = await operator.ask("POST", path, json={"models": ["o1-mini"]})
    assert (status, changed["name"], changed["models"]) == (200, "bot", ["o1-mini"])
    assert (await operator.gateway.chat(token=secret)).status == 404
    fields = {"name": "robot", "models": [], "budgets": {"requests_per_day": 1}}
    _, changed = await operator.ask("POST", path, json=fields)
    assert (changed["name"], changed["budgets"]) == ("robot", {"requests_per_day": 1})
    assert (await operator.gateway.chat(token=secret)).status == 200
    assert (await operator.gateway.chat(token=secret)).status == 429
    _, changed = await operator.ask("POST", path, json={"budgets": None})
    assert (changed["budgets"], changed["used"]) == ({}, [])
    assert (await operator.gateway.chat(token=secret)).status == 200


async def test_a_revoked_key_is_refused_from_the_next_request_on(operator: Operator) -> None:
    _, made = await operator.ask("POST", "/admin/keys", json=FIELDS)
    path = f"/admin/keys/{made['key']['id']}"
    status, body = await operator.ask("DELETE", path)
    assert (status, body) == (200, {"object": "key", "id": made["key"]["id"], "deleted": True})
    assert (await operator.gateway.chat(token=made["secret"])).status == 401
    for method in ("DELETE", "POST"):
        assert await operator.refused(method, path, json={}) == (404, "not_found", None)


async def test_of_two_keys_of_a_name_one_is_made(operator: Operator) -> None:
    assert (await operator.ask("POST", "/admin/keys", json=FIELDS))[0] == 200
    told = (400, "invalid_request", "name")
    assert await operator.refused("POST", "/admin/keys", json=FIELDS) == told
    _, other = await operator.ask("POST", "/admin/keys", json={**FIELDS, "name": "other"})
    path = f"/admin/keys/{other['key']['id']}"
    assert await operator.refused("POST", path, json={"name": "phone"}) == told
    assert (await operator.ask("POST", path, json={"name": "other"}))[0] == 200


@pytest.mark.parametrize("value", [0, -1, "10", 1.5, True, 10**30, [1]])
@pytest.mark.parametrize("name", BUDGETS)
def test_a_bad_budget_is_named(value: Any, name: str) -> None:
    for shape, fields in ((NewKeyFields, FIELDS), (KeyChangeFields, {})):
        body = to_json({**fields, "budgets": {name: value}})
        with pytest.raises(RequestError) as refused:
            decode_json(body, shape)
        assert refused.value.param == f"budgets.{name}"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"account": "none"}, "account"),
        ({"account": None}, "account"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"concurrent_requests": 10**10}, "concurrent_requests"),
        ({"models": ["a\nb"]}, "model"),
        ({"models": ["m"] * 101}, "models"),
        ({"shows_account": "yes"}, "shows_account"),
        ({"budgets": {"requests_per_year": 1}}, "budgets"),
        ({"budgets": 5}, "budgets"),
        ({"request_per_minute": 1}, None),
    ],
)
async def test_a_bad_field_is_named_and_no_key_made(
    operator: Operator, change: dict[str, Any], param: str | None
) -> None:
    told = await operator.refused("POST", "/admin/keys", json={**FIELDS, **change})
    assert told == (400, "invalid_request", param)
    assert operator.file.listing() == []
