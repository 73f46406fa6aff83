"""Requests to the token service of Codex's login, and which of its answers are final."""

import time

import aiohttp
import pytest

from service.settings.config import TokensConfig
from tests.rows import each_row
from tests.upstream.token_services import running_token_service
from upstream.tokens.codex import CodexWire
from upstream.tokens.service import TokenRefusedError, TokenService

SECRET = "rt_canary.refresh-token-0123456789"


async def test_it_gets_the_json_of_the_command_line() -> None:
    async with running_token_service() as fake, aiohttp.ClientSession() as session:
        wire = CodexWire(TokensConfig(codex_url=f"{fake.url}/oauth/token"))
        assert (await TokenService(session, time.time, 0.01).exchange(wire, SECRET)).access_token
    assert fake.content_types == ["application/json"]
    assert fake.calls == [
        {
            "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
            "grant_type": "refresh_token",
            "refresh_token": SECRET,
        }
    ]
    assert wire.missing == ""


@each_row(
    ("status", "answer", "seconds"),
    [
        (401, {"error": {"code": "refresh_token_reused"}}, 3600),
        (401, {"error": "refresh_token_expired"}, 3600),
        (401, {"code": "refresh_token_invalidated"}, 3600),
        (400, {"error": {"code": "refresh_token_reused"}}, 60),
        (401, {"error": {"code": "other"}}, 60),
        (401, {"error": []}, 60),
        (401, "No.", 60),
        (401, None, None),
        (429, {"error": {"code": "refresh_token_reused"}}, None),
        (500, {"error": "refresh_token_reused"}, None),
    ],
)
def test_three_codes_are_final_wherever_they_stand(status, answer, seconds) -> None:
    assert CodexWire(TokensConfig()).refused_seconds(status, answer) == seconds


async def test_a_final_refusal_quotes_no_token() -> None:
    async with running_token_service() as fake, aiohttp.ClientSession() as session:
        fake.fail(401, f'{{"error":{{"code":"refresh_token_reused","message":"Used: {SECRET}"}}}}')
        wire = CodexWire(TokensConfig(codex_url=f"{fake.url}/oauth/token"))
        with pytest.raises(TokenRefusedError) as caught:
            await TokenService(session, time.time, 0.01).exchange(wire, SECRET)
    assert caught.value.stands_seconds == 3600
    assert SECRET not in caught.value.message
    assert "refresh_token_reused" in caught.value.message
