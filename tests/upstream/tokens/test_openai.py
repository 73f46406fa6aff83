"""Requests to OpenAI's own token service."""

import time

import aiohttp

from service.settings.config import TokensConfig
from tests.upstream.token_services import running_token_service
from upstream.tokens.openai import OpenaiWire
from upstream.tokens.service import TokenService

SECRET = "v1.canary/refresh+token=0123456789"


async def test_it_gets_the_json_of_the_app() -> None:
    async with running_token_service() as fake, aiohttp.ClientSession() as session:
        config = TokensConfig(provider="openai", openai_url=f"{fake.url}/oauth/token")
        service = TokenService(session, time.time, 0.01)
        assert (await service.exchange(OpenaiWire(config), SECRET)).access_token
    assert fake.content_types == ["application/json"]
    assert fake.calls == [
        {
            "grant_type": "refresh_token",
            "client_id": "pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh",
            "redirect_uri": "com.openai.chat://auth0.openai.com/ios/com.openai.chat/callback",
            "refresh_token": SECRET,
        }
    ]
    assert OpenaiWire(config).missing == ""
