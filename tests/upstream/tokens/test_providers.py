"""Which service `tokens.provider` names."""

from service.settings.config import TokensConfig
from upstream.tokens.oaifree import OaifreeWire
from upstream.tokens.openai import OpenaiWire
from upstream.tokens.providers import wire_of


def test_the_provider_of_the_settings_is_asked() -> None:
    assert isinstance(wire_of(TokensConfig()), OaifreeWire)
    assert isinstance(wire_of(TokensConfig(provider="openai")), OpenaiWire)
