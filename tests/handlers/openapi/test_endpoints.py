"""The table of endpoints and the application's router are the same list."""

import re
from collections.abc import Iterator

import pytest
from aiohttp import hdrs, web

from handlers.openapi.document import document
from handlers.openapi.endpoints import ENDPOINTS
from handlers.routes import add_routes
from service.settings.config import Config
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER


def routed(prefix: str) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route; HEAD is a GET without its body (RFC 9110)."""
    app = web.Application()
    add_routes(app, Config(server={"api_prefix": prefix}))
    for route in app.router.routes():
        assert route.resource is not None
        if route.method != hdrs.METH_HEAD:
            yield route.method.lower(), route.resource.canonical


@pytest.mark.parametrize(("prefix", "base"), [("", ""), ("secret", "/secret"), ("a/b", "/a/b")])
def test_every_route_is_described_and_nothing_else(prefix: str, base: str) -> None:
    described = {
        (method, path)
        for path, operations in document(base)["paths"].items()
        for method in operations
    }
    assert described == set(routed(prefix))


def test_every_get_has_its_head() -> None:
    app = web.Application()
    add_routes(app, Config())
    methods: dict[str, set[str]] = {}
    for route in app.router.routes():
        assert route.resource is not None
        methods.setdefault(route.resource.canonical, set()).add(route.method)
    assert all(("HEAD" in each) == ("GET" in each) for each in methods.values())


def test_parameters_of_a_path_are_those_in_it() -> None:
    for endpoint in ENDPOINTS:
        named = {one.name for one in endpoint.parameters if one.place == "path"}
        assert named == set(re.findall(r"{(\w+)}", endpoint.path)), endpoint.id


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic x"}, {"Authorization": "Bearer "}, BEARER]
)
async def test_a_key_is_needed_where_the_description_says_so(
    serve: Serve, headers: dict[str, str]
) -> None:
    client = await serve()
    for endpoint in ENDPOINTS:
        path = re.sub(r"{\w+}", "0", endpoint.path)
        response = await client.request(endpoint.method, path, headers=headers)
        is_refused = headers is not BEARER and endpoint.needs_key is True
        assert (response.status == 401) is is_refused, endpoint.id
        if is_refused:
            assert (await response.json())["error"]["code"] == "invalid_api_key"
