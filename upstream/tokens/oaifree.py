"""The token service of oaiFree and PandoraNext: a form with the token alone (protocol 7.2)."""

from service.settings.config import TokensConfig
from upstream.tokens.wire import Post, refused_seconds


class OaifreeWire:
    """Speaks to the service at `tokens.oaifree_url`; implements `Wire`.

    The setting is empty unless the operator names a service: a secret goes nowhere else.
    """

    refused_seconds = staticmethod(refused_seconds)

    def __init__(self, config: TokensConfig) -> None:
        self._url = config.oaifree_url

    @property
    def missing(self) -> str:
        """The setting that is empty, if it is."""
        return "" if self._url else "tokens.oaifree_url"

    def post(self, refresh_token: str) -> Post:
        """Return what exchanges the token: `refresh_token=…`."""
        return Post(self._url, {"refresh_token": refresh_token}, is_form=True)
