import re

import openai
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from openai import AsyncOpenAI

from handlers.edge.not_offered import PARTS, REASONS, reason_for
from handlers.routes import add_routes
from service.settings.config import Config
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER
from tests.rows import each_row

# Clients read more into these than is meant (openai-wire 3).
LOADED = re.compile(
    r"credit|balance|quota|permission|429|rate limit|not found|tool|function|too large"
)


@pytest.fixture
async def client(serve: Serve) -> TestClient:
    return await serve()


@each_row("method", ["GET", "POST", "DELETE", "PATCH", "HEAD"])
@each_row("path", sorted(REASONS))
async def test_a_part_that_is_not_here_says_why_as_json(
    client: TestClient, path: str, method: str
) -> None:
    response = await client.request(method, f"/v1/{path}", headers=BEARER, json={})
    assert response.status == 404
    assert response.content_type == "application/json"
    if method != "HEAD":
        error = (await response.json())["error"]
        assert error == {
            "message": f"There is no /v1/{path} here: {REASONS[path]}.",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }


async def test_what_is_below_it_says_the_same(serve: Serve) -> None:
    client = await serve()
    response = await client.post("/v1/threads/thread_1/runs?stream=true", headers=BEARER)
    message = (await response.json())["error"]["message"]
    assert message.startswith("There is no /v1/threads/thread_1/runs here: what the upstream keeps")


@each_row(
    ("path", "base", "is_known"),
    [
        ("/v1/embeddings", "", True),
        ("/v1/audio/translations", "", True),
        ("/v1/audio", "", False),
        ("/v1/embeddingses", "", False),
        ("/v1/", "", False),
        ("/embeddings", "", False),
        ("/secret/v1/embeddings", "/secret", True),
        ("/v1/embeddings", "/secret", False),
    ],
)
def test_only_the_official_api_has_reasons(path: str, base: str, is_known: bool) -> None:
    assert (reason_for(path, base) is not None) == is_known


async def test_a_hidden_api_tells_nothing_at_its_old_place(serve: Serve) -> None:
    client = await serve(server={"api_prefix": "secret"})
    body = await (await client.post("/v1/embeddings", headers=BEARER)).json()
    assert body["error"]["message"] == "There is nothing at /v1/embeddings."


def test_nothing_that_is_here_is_said_to_be_missing() -> None:
    app = web.Application()
    add_routes(app, Config())
    offered = {route.resource.canonical for route in app.router.routes() if route.resource}
    assert offered.isdisjoint(f"/v1/{path}" for path in REASONS)


def test_no_reason_is_taken_for_another_error() -> None:
    reasons = (REASONS | PARTS).values()
    assert [reason for reason in reasons if LOADED.search(reason)] == []


@pytest.mark.parametrize(
    ("method", "path", "status", "part"),
    [
        ("GET", "chat/completions", 405, "chat/completions"),
        ("GET", "chat/completions/chatcmpl-1", 404, "chat/completions"),
        ("DELETE", "models/gpt-4o", 405, "models"),
    ],
)
async def test_calls_that_are_missing_beside_others_say_why(
    serve: Serve, method: str, path: str, status: int, part: str
) -> None:
    client = await serve()
    response = await client.request(method, f"/v1/{path}", headers=BEARER, json={})
    assert response.status == status
    error = (await response.json())["error"]
    assert error["message"].endswith(f": {PARTS[part]}.")
    assert ("Allow" in response.headers) is (status == 405)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sk-gw-unknown"}, BEARER])
@pytest.mark.parametrize("upgrade", [{}, {"Upgrade": "websocket", "Connection": "Upgrade"}])
async def test_a_web_socket_is_refused_before_the_key_is_looked_at(
    serve: Serve, headers: dict[str, str], upgrade: dict[str, str]
) -> None:
    client = await serve(server={"api_prefix": "secret"})
    response = await client.get("/secret/v1/responses", headers={**headers, **upgrade})
    assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
    assert (await response.json())["error"]["code"] == "upgrade_required"
    assert (await client.get("/v1/responses", headers=headers)).status == 404


async def test_the_official_sdk_shows_the_reason(serve: Serve) -> None:
    client = await serve()
    async with AsyncOpenAI(base_url=str(client.make_url("/v1")), api_key="fk-test") as sdk:
        with pytest.raises(openai.NotFoundError, match="the upstream makes no embeddings"):
            await sdk.embeddings.create(model="text-embedding-3-small", input="Hi")
        with pytest.raises(openai.NotFoundError, match="the upstream judges no text"):
            await sdk.moderations.create(input="Hi")
