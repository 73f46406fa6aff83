"""The service that signs in: its addresses, one call to it, and why a sign-in fails (codex 1.1, 1.2).

All addresses are at the origin of `tokens.codex_url`:

    https://auth.openai.com/oauth/token                            (tokens.codex_url itself)
    https://auth.openai.com/oauth/authorize                        (in a browser)
    https://auth.openai.com/oauth/revoke
    https://auth.openai.com/api/accounts/deviceauth/usercode
    https://auth.openai.com/api/accounts/deviceauth/token
    https://auth.openai.com/codex/device                           (where people type the code)
"""

from collections.abc import Mapping
from http import HTTPStatus

import aiohttp
import aiohttp_socks
import yarl
from msgspec import Struct

from service.settings.config import TokensConfig
from service.version import VERSION
from upstream.http.bodies import json_object, read_start

MAX_BODY_BYTES = 256 * 1024  # tokens take a few kilobytes; more is a page
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_HEADERS = {"User-Agent": f"backend-to-v1/{VERSION}", "Accept": "application/json"}
# aiohttp-socks reports its proxy by errors of its own.
_BROKEN_CALLS = (
    aiohttp.ClientError,
    OSError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyError,
    aiohttp_socks.ProxyTimeoutError,
)


class LoginError(Exception):
    """Why somebody is not signed in, and what to do, in one sentence without any secret."""


class UnreachableError(LoginError):
    """The service cannot be reached, or its answer broke off."""


class IssuerAnswer(Struct, frozen=True):
    """A status, and the JSON object that came with it; empty where none did."""

    status: int
    fields: Mapping[str, object]

    @property
    def is_good(self) -> bool:
        """Tell whether the status says so."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_passing(self) -> bool:
        """Tell whether the same may be answered otherwise later."""
        is_busy = self.status == HTTPStatus.TOO_MANY_REQUESTS
        return is_busy or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def text(self, *names: str) -> str:
        """Return the first of these fields that is a text, or ''."""
        found = (self.fields.get(name) for name in names)
        return next((value for value in found if isinstance(value, str) and value), "")


class LoginIssuer:
    """The service at the origin of `tokens.codex_url`.

    Args:
        config: its address and the client that signs in.
        session: for the calls.
    """

    def __init__(self, config: TokensConfig, session: aiohttp.ClientSession) -> None:
        self.client_id = config.codex_client_id
        self.token_url = config.codex_url
        self.origin = str(yarl.URL(config.codex_url).origin())
        self._session = session

    def url(self, path: str) -> str:
        """Return the address of a path of it."""
        return f"{self.origin}{path}"

    async def post(
        self, url: str, fields: Mapping[str, str], *, is_form: bool = False
    ) -> IssuerAnswer:
        """Send fields as JSON, or as a form, and return the answer whatever its status.

        Raises:
            UnreachableError: there is no answer.
        """
        form, body = (dict(fields), None) if is_form else (None, dict(fields))
        try:
            # A redirect would hand the fields on to whomever the service names.
            async with self._session.post(
                url,
                data=form,
                json=body,
                headers=_HEADERS,
                timeout=_TIMEOUT,
                allow_redirects=False,
            ) as response:
                raw = await read_start(response, MAX_BODY_BYTES)
        except _BROKEN_CALLS as error:
            reason = str(error) or "it does not answer in time"
            message = (
                f"{self.origin} cannot be reached ({reason}): check the network and "
                "upstream.proxy, then try again."
            )
            raise UnreachableError(message) from error
        return IssuerAnswer(response.status, json_object(raw) or {})
