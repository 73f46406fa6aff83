"""The token service of Codex's login: JSON, and three error codes that are final (codex 1.3)."""

from http import HTTPStatus
from typing import Any

from service.settings.config import TokensConfig
from upstream.tokens.wire import Post, refused_seconds

FINAL_CODES = frozenset(
    {"refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated"}
)
FINAL_SECONDS = 3600.0  # how long a token with a final error is not tried again (spec 14.1)


class CodexWire:
    """Requests to the service at `tokens.codex_url`; implements `Wire`."""

    missing = ""

    def __init__(self, config: TokensConfig) -> None:
        self._config = config

    def post(self, refresh_token: str) -> Post:
        """Return the request that exchanges the token."""
        fields = {
            "client_id": self._config.codex_client_id,
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        }
        return Post(self._config.codex_url, fields)

    def refused_seconds(self, status: int, answer: object) -> float | None:
        """Return for how many seconds an answer stands as a refusal, None for a passing fault."""
        if status == HTTPStatus.UNAUTHORIZED and code_in(answer) in FINAL_CODES:
            return FINAL_SECONDS
        return refused_seconds(status, answer)


def code_in(answer: object) -> str:
    """Return the error code of an answer, or ''.

    It is in one of three places: `{"error": {"code": "…"}}`, `{"error": "…"}` or `{"code": "…"}`.
    """
    told: dict[str, Any] = answer if isinstance(answer, dict) else {}
    error = told.get("error")
    found = error.get("code") if isinstance(error, dict) else error or told.get("code")
    return found if isinstance(found, str) else ""
