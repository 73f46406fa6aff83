"""The token service of oaiFree and PandoraNext: a form with the token alone (protocol 7.2)."""

from service.settings.config import TokensConfig
from upstream.tokens.wire import Post, refused_seconds


class OaifreeWire:
    """Requests to the service at `tokens.oaifree_url`; implements `Wire`.

    The setting is empty unless the operator names a service, so no token goes anywhere else.
    """

    refused_seconds = staticmethod(refused_seconds)

    def __init__(self, config: TokensConfig) -> None:
        self._url = config.oaifree_url

    @property
    def missing(self) -> str:
        """The name of the setting if it is empty, else ''."""
        return "" if self._url else "tokens.oaifree_url"

    def post(self, refresh_token: str) -> Post:
        """Return the request that exchanges the token: the form `refresh_token=…`."""
        return Post(self._url, {"refresh_token": refresh_token}, is_form=True)
