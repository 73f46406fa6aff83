"""Which token service exchanges a refresh token: the one of its upstream (spec 14.1)."""

from service.settings.config import TokensConfig
from service.vocabulary.credentials import UpstreamKind
from upstream.tokens.codex import CodexWire
from upstream.tokens.oaifree import OaifreeWire
from upstream.tokens.openai import OpenaiWire
from upstream.tokens.wire import Wire


def wires_of(config: TokensConfig) -> dict[UpstreamKind, Wire]:
    """Return the requests of each upstream's token service.

    When plain refresh tokens belong to Codex's login, the website's is never asked.
    """
    website = OpenaiWire(config) if config.provider == "openai" else OaifreeWire(config)
    return {UpstreamKind.WEBSITE: website, UpstreamKind.CODEX: CodexWire(config)}
