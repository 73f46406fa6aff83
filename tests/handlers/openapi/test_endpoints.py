"""The rows of the table are consistent."""

import re

import pytest

from handlers.openapi.endpoints import ENDPOINTS
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER


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
            error = (await response.json())["error"]
            assert error.get("code", error["type"]) in ("invalid_api_key", "authentication_error")
