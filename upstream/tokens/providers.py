"""The token service of `tokens.provider`."""

from service.settings.config import TokensConfig
from upstream.tokens.oaifree import OaifreeWire
from upstream.tokens.openai import OpenaiWire
from upstream.tokens.wire import Wire


def wire_of(config: TokensConfig) -> Wire:
    """Return how the provider of the settings is spoken to."""
    return OaifreeWire(config) if config.provider == "oaifree" else OpenaiWire(config)
