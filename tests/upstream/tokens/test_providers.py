"""Which token service exchanges the tokens of which upstream."""

from service.settings.config import TokensConfig
from service.vocabulary.credentials import UpstreamKind
from tests.rows import each_row
from upstream.tokens.codex import CodexWire
from upstream.tokens.oaifree import OaifreeWire
from upstream.tokens.openai import OpenaiWire
from upstream.tokens.providers import wires_of


@each_row(
    ("provider", "website"),
    [("oaifree", OaifreeWire), ("openai", OpenaiWire), ("codex", OaifreeWire)],
)
def test_each_upstream_has_its_own(provider: str, website: type) -> None:
    wires = wires_of(TokensConfig(provider=provider))
    assert isinstance(wires[UpstreamKind.WEBSITE], website)
    assert isinstance(wires[UpstreamKind.CODEX], CodexWire)
