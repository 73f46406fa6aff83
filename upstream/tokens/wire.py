"""Where token services differ: what each is sent, and which of its answers are final.

Each provider is one small module with a `Wire`; `providers.py` chooses. All that they have in
common, retries and the reading of answers, is in `service.py`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from msgspec import Struct

REFUSED_SECONDS = 60.0  # how long a dead token is not tried again (spec 4)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Post(Struct, frozen=True):
    """One POST to a token service: JSON, or a form where `is_form`."""

    url: str
    fields: Mapping[str, str]
    is_form: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The argument of the HTTP client that carries the fields."""
        return {"data" if self.is_form else "json": dict(self.fields)}


class Wire(Protocol):
    """How one provider is spoken to."""

    @property
    def missing(self) -> str:
        """The setting without which no token may leave, for example `tokens.oaifree_url`, or ''."""

    def post(self, refresh_token: str) -> Post:
        """Return what exchanges the token."""

    def refused_seconds(self, status: int, answer: object) -> float | None:
        """Return for how long an answer stands as the token's refusal; None for a passing fault.

        Args:
            status: of the answer, an error.
            answer: its JSON, None where it is none.
        """


def refused_seconds(status: int, answer: object) -> float | None:
    """Return what spec 4 says of any provider: 400, 401 and 403 with JSON are the token's end."""
    is_refusal = status in _REFUSALS and isinstance(answer, dict | list | str)
    return REFUSED_SECONDS if is_refusal else None
