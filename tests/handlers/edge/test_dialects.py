import pytest
from aiohttp.test_utils import make_mocked_request

from handlers.edge import dialects
from service.keys import CONFIG
from service.settings.config import Config
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER
from tests.rows import each_row

VERSION = {"anthropic-version": "2023-06-01"}


@each_row(
    ("path", "is_versioned", "is_theirs"),
    [
        ("/v1/messages", False, True),
        ("/v1/messages/count_tokens", False, True),
        ("/v1/messages/batches", False, True),
        ("/v1/complete", False, True),
        ("/v1/models", False, False),
        ("/v1/models", True, True),
        ("/v1/skills", True, True),
        ("/v1/chat/completions", True, False),
        ("/v1/responses", True, False),
        ("/v1/messagesx", False, False),
        ("/messages", False, False),
    ],
)
def test_a_dialect_is_told_by_path_and_header(
    path: str, is_versioned: bool, is_theirs: bool
) -> None:
    app = {CONFIG: Config()}
    headers = VERSION if is_versioned else {}
    request = make_mocked_request("GET", path, headers=headers, app=app)
    assert dialects.speaks_messages(request) is is_theirs


@pytest.mark.parametrize(
    ("call", "headers", "status", "kind"),
    [
        ("POST /v1/messages", {}, 401, "authentication_error"),
        ("GET /v1/messages", BEARER, 405, "invalid_request_error"),
        ("POST /v1/messages", {**BEARER, "Content-Type": "multipart/form-data"}, 400, None),
        ("POST /v1/messages/batches", BEARER, 404, "not_found_error"),
        ("GET /v1/messages/batches/x/results", BEARER, 404, "not_found_error"),
        ("POST /v1/complete", BEARER, 404, "not_found_error"),
        ("POST /v1/skills", {**BEARER, **VERSION}, 404, "not_found_error"),
        ("GET /v1/organizations/x", {**BEARER, **VERSION}, 404, "not_found_error"),
        ("GET /v1/files", {**BEARER, **VERSION}, 404, "not_found_error"),
        ("POST /v1/files", {**BEARER, **VERSION}, 404, "not_found_error"),
    ],
)
async def test_39_every_refusal_has_the_form_the_id_and_no_second_try(
    serve: Serve, call: str, headers: dict[str, str], status: int, kind: str | None
) -> None:
    """A8 2, 19, 39: `request_id` is the header's, and permanent errors are not retried."""
    client = await serve()
    method, _, path = call.partition(" ")
    response = await client.request(method, path, headers=headers, data=b"{}")
    body = await response.json()
    assert response.status == status
    assert body["type"] == "error"
    assert body["error"]["type"] == (kind or "invalid_request_error")
    assert body["error"]["message"]
    assert body["request_id"] == response.headers["request-id"]
    assert response.headers["x-should-retry"] == "false"


async def test_files_stay_openais_without_that_header(serve: Serve) -> None:
    response = await (await serve()).get("/v1/responses/none", headers={**BEARER, **VERSION})
    assert "request-id" not in response.headers
    assert (await (await serve()).post("/v1/chat/completions", headers=VERSION)).status == 401
