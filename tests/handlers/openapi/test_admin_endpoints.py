"""The rows of the operator's routes: described with an admin key, each behind the door."""

import inspect

import pytest

from handlers.admin.door import for_admin
from handlers.openapi.admin_endpoints import ADMIN_ENDPOINTS
from handlers.openapi.endpoint import Endpoint, Place
from handlers.openapi.endpoints import document
from handlers.openapi.schemas import references_in


@pytest.mark.parametrize("endpoint", ADMIN_ENDPOINTS, ids=lambda endpoint: endpoint.id)
def test_each_row_is_behind_the_door_and_below_admin(endpoint: Endpoint) -> None:
    assert endpoint.path.startswith("/admin/")
    assert endpoint.place is Place.ROOT
    assert endpoint.is_for_admin
    door = inspect.unwrap(for_admin(endpoint.handler), stop=lambda one: one is not None)
    assert endpoint.handler.__code__ is door.__code__


def test_they_are_described_with_an_admin_key_only() -> None:
    plain, whole = document(""), document("", has_admin=True)
    added = whole["paths"].keys() - plain["paths"].keys()
    assert added == {endpoint.path for endpoint in ADMIN_ENDPOINTS}
    for path, operations in whole["paths"].items():
        for operation in operations.values():
            is_admin = operation["security"] == [{"adminKey": []}]
            assert is_admin is (path in added)
            if is_admin:
                assert {"200", "401", "403", "429", "500"} <= operation["responses"].keys()
    assert "adminKey" in whole["components"]["securitySchemes"]
    assert "adminKey" not in plain["components"]["securitySchemes"]
    for found in (plain, whole):
        assert set(references_in(found["paths"])) <= found["components"]["schemas"].keys()
    unknown = whole["components"]["schemas"].keys() - plain["components"]["schemas"].keys()
    assert {"NewKeyRequest", "LoggedCall", "TotalList"} <= unknown
