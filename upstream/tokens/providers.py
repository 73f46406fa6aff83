"""Which token service a refresh token is exchanged by: that of its upstream (spec 14.1)."""

from service.settings.config import TokensConfig
from service.vocabulary.credentials import UpstreamKind
from upstream.tokens.codex import CodexWire
from upstream.tokens.oaifree import OaifreeWire
from upstream.tokens.openai import OpenaiWire
from upstream.tokens.wire import Wire


def wires_of(config: TokensConfig) -> dict[UpstreamKind, Wire]:
    """Return how the token service of each upstream is spoken to.

    Where plain refresh tokens are of Codex's login, none is for the website.
    """
    website = OpenaiWire(config) if config.provider == "openai" else OaifreeWire(config)
    return {UpstreamKind.WEBSITE: website, UpstreamKind.CODEX: CodexWire(config)}
