"""The door before `/admin/…`."""

import pytest

from handlers.openapi.admin_endpoints import ADMIN_ENDPOINTS
from service.admin.admin_key import MAX_WRONG
from service.vocabulary.gateway_keys import new_key
from tests.conftest import StartGateway
from tests.handlers.admin.conftest import ADMIN_KEY, Operator
from tests.handlers.conftest import Serve

ROUTES = [(each.method.upper(), each.path.replace("{id}", "x")) for each in ADMIN_ENDPOINTS]


async def test_every_route_wants_the_key_and_is_told_apart_from_none_without_one(
    operator: Operator,
) -> None:
    for method, path in ROUTES:
        assert await operator.refused(method, path, key=None) == (401, "invalid_api_key", None)
    status, body = await operator.ask(
        "GET", "/admin/keys", key=None, headers={"api-key": ADMIN_KEY}
    )
    assert (status, "You didn't provide" in body["error"]["message"]) == (401, True)
    assert await operator.refused("GET", "/admin/nothing") == (404, "not_found", None)


async def test_wrong_keys_are_few_and_the_right_one_always_passes(operator: Operator) -> None:
    wrong = ["wrong", ADMIN_KEY[:-1], new_key(), "rt-of-somebody", f"{ADMIN_KEY},account"]
    for method, path in ROUTES[:MAX_WRONG]:
        key = wrong[len(path) % len(wrong)]
        assert (await operator.refused(method, path, key=key))[0] == 401
    told = await operator.refused("GET", "/admin/keys", key="wrong")
    assert told == (429, "rate_limit_exceeded", None)
    assert (await operator.ask("GET", "/admin/keys"))[0] == 200
    assert (await operator.ask("GET", "/admin/keys", key=f" {ADMIN_KEY} "))[0] == 200
    assert (await operator.refused("GET", "/admin/keys", key=None))[0] == 401
    async with operator.gateway.session.get(f"{operator.gateway.url}/demo/none") as response:
        assert response.status == 404  # others notice nothing


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
async def test_a_page_of_another_origin_gets_nothing(operator: Operator, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Origin": "https://evil.example"}
    told = await operator.refused("GET", "/admin/keys", headers=headers)
    assert told == (403, "permission_error", None)


async def test_no_browser_is_told_that_another_origin_may_read_it(operator: Operator) -> None:
    origin = {"Origin": "https://evil.example"}
    preflight = {**origin, "Access-Control-Request-Method": "GET"}
    for method, headers in (("GET", origin), ("OPTIONS", preflight)):
        for path in ("/admin/keys", "/admin/nothing"):
            url = f"{operator.gateway.url}{path}"
            sent = {**headers, "Authorization": f"Bearer {ADMIN_KEY}"}
            async with operator.gateway.session.request(method, url, headers=sent) as response:
                assert not any("Access-Control" in name for name in response.headers)
                assert response.status in (200, 404, 405)
    for site in ("same-origin", "none"):
        assert (await operator.ask("GET", "/admin/keys", headers={"Sec-Fetch-Site": site}))[
            0
        ] == 200


async def test_without_an_admin_key_there_is_nothing_that_could_be_told_apart(serve: Serve) -> None:
    """Status, headers and body are those of a path that was never there, but for its name."""
    client = await serve()
    for key in ({}, {"Authorization": "Bearer x"}, {"Sec-Fetch-Site": "cross-site"}):
        for method, path in [*ROUTES, ("OPTIONS", "/admin/keys"), ("GET", "/console/admin")]:
            told = []
            for place in (path, path.replace("admin", "nowhere")):
                headers = {**key, "x-request-id": "one", "Origin": "https://a.example"}
                response = await client.request(method, place, headers=headers)
                body = (await response.text()).replace(place, "<path>")
                kept = {
                    n: v for n, v in response.headers.items() if n not in ("Date", "Content-Length")
                }
                told.append((response.status, kept, body))
            assert told[0] == told[1]
            assert told[0][0] in (404, 204)
    text = await (await client.get("/openapi.json")).text()
    index = await (await client.get("/")).text()
    assert "admin" not in text.lower()
    assert "admin" not in index


async def test_a_prefix_moves_no_admin_route(demo: str, start_gateway: StartGateway) -> None:
    server = {"admin_key": ADMIN_KEY, "api_prefix": "secret"}
    gateway = await start_gateway(demo, server=server)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    for path, status in (("/admin/keys", 200), ("/secret/admin/keys", 404)):
        async with gateway.session.get(f"{gateway.url}{path}", headers=headers) as response:
            assert response.status == status
