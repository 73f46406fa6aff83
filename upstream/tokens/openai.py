"""OpenAI's own token service, spoken to in JSON as its phone app does (protocol 7.1)."""

from service.settings.config import TokensConfig
from upstream.tokens.wire import Post, refused_seconds


class OpenaiWire:
    """Requests to the service at `tokens.openai_url`; implements `Wire`."""

    missing = ""
    refused_seconds = staticmethod(refused_seconds)

    def __init__(self, config: TokensConfig) -> None:
        self._config = config

    def post(self, refresh_token: str) -> Post:
        """Return the request that exchanges the token."""
        fields = {
            "grant_type": "refresh_token",
            "client_id": self._config.openai_client_id,
            "redirect_uri": self._config.openai_redirect_uri,
            "refresh_token": refresh_token,
        }
        return Post(self._config.openai_url, fields)
