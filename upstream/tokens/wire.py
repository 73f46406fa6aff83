"""What differs between token services: the request, and which answers are final.

Each provider is a small module with a `Wire`; `providers.py` chooses one. Retries and the reading
of answers are common to all, in `service.py`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from msgspec import Struct

REFUSED_SECONDS = 60.0  # how long a refused token is not tried again (spec 4)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Post(Struct, frozen=True):
    """One POST to a token service, in JSON, or as a form if `is_form`."""

    url: str
    fields: Mapping[str, str]
    is_form: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The keyword argument of the HTTP client that carries the fields: `json` or `data`."""
        return {"data" if self.is_form else "json": dict(self.fields)}


class Wire(Protocol):
    """The requests of one provider, and the meaning of its errors."""

    @property
    def missing(self) -> str:
        """The empty setting that has to be filled first, such as `tokens.oaifree_url`, or ''."""

    def post(self, refresh_token: str) -> Post:
        """Return the request that exchanges the token."""

    def refused_seconds(self, status: int, answer: object) -> float | None:
        """Return for how many seconds an answer stands as a refusal, None for a passing fault.

        Args:
            status: of the answer, an error.
            answer: its JSON, None if it has none.
        """


def refused_seconds(status: int, answer: object) -> float | None:
    """Return the default of spec 4: 400, 401 and 403 with JSON refuse the token for a minute."""
    is_refusal = status in _REFUSALS and isinstance(answer, dict | list | str)
    return REFUSED_SECONDS if is_refusal else None
