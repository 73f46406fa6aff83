"""Requests to oaiFree's service; without its address nothing is sent."""

import time

import aiohttp

from service.settings.config import TokensConfig
from tests.rows import each_row
from tests.upstream.token_services import running_token_service
from upstream.tokens.oaifree import OaifreeWire
from upstream.tokens.service import TokenService

SECRET = "v1.canary/refresh+token=0123456789"


async def test_it_gets_a_form_with_the_token_alone() -> None:
    async with running_token_service() as fake, aiohttp.ClientSession() as session:
        service = TokenService(session, time.time, 0.01)
        assert (await service.exchange(OaifreeWire(fake.config), SECRET)).access_token
    assert fake.calls == [{"refresh_token": SECRET}]
    assert fake.content_types == ["application/x-www-form-urlencoded"]


@each_row(("url", "missing"), [("", "tokens.oaifree_url"), ("https://example.org/refresh", "")])
def test_without_an_address_the_setting_is_named(url: str, missing: str) -> None:
    assert OaifreeWire(TokensConfig(oaifree_url=url)).missing == missing


def test_no_address_is_the_default() -> None:
    assert OaifreeWire(TokensConfig()).missing
