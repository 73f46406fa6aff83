"""Signing in by a code that is typed in on any other device (codex 1.2); best for a server.

POST usercode {"client_id"}                    {"device_auth_id", "user_code", "interval": "5"}
POST token {"device_auth_id", "user_code"}     403 or 404 until the code was typed in, then
{"authorization_code", "code_verifier", …}
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from msgspec import Struct
from typing_extensions import override

from upstream.login.exchange import AuthorizationCode
from upstream.login.issuer import IssuerAnswer, LoginError, LoginIssuer, UnreachableError
from upstream.tokens.codex import code_in

LIFE_SECONDS = 900.0  # how long a code is good
DEFAULT_INTERVAL = 5.0
_INTERVALS = (1.0, 60.0)  # bounds of what the service may ask for
_MAX_FAULTS = 3  # passing ones in a row
_USER_CODE_PATH = "/api/accounts/deviceauth/usercode"
_TOKEN_PATH = "/api/accounts/deviceauth/token"  # noqa: S105 - a path
_PAGE_PATH = "/codex/device"
_CALLBACK_PATH = "/deviceauth/callback"
_NOT_YET = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_DENIED = "access_denied"
_EXPIRED = "expired_token"

_OFF = (
    "Sign-in by device code is switched off: switch it on in ChatGPT under Settings > Security (in "
    "a workspace its admin has to), or sign in with `python -m service login --browser`."
)
_TOO_OLD = "The code was not typed in within 15 minutes and is no longer good: sign in again."


class DeviceCode(Struct, frozen=True):
    """What is shown, and how often to ask. `expires_at` is of the clock that was given."""

    device_id: str
    user_code: str
    address: str
    interval: float
    expires_at: float

    @override
    def __repr__(self) -> str:
        """Never show the codes."""
        return "DeviceCode(…)"


class DeviceLogin:
    """A sign-in by device code.

    Args:
        issuer: signs in.
        clock: monotonic seconds.
        sleep: waits.
    """

    def __init__(
        self,
        issuer: LoginIssuer,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._issuer = issuer
        self._clock = clock
        self._sleep = sleep

    async def begin(self) -> DeviceCode:
        """Return a new code.

        Raises:
            LoginError: device codes are switched off, or the service is out of order.
        """
        url = self._issuer.url(_USER_CODE_PATH)
        answer = await self._issuer.post(url, {"client_id": self._issuer.client_id})
        if answer.status == HTTPStatus.NOT_FOUND:
            raise LoginError(_OFF)
        device_id, user_code = answer.text("device_auth_id"), answer.text("user_code", "usercode")
        if not answer.is_good or not device_id or not user_code.isprintable() or not user_code:
            raise LoginError(_out_of_order(self._issuer, answer))
        return DeviceCode(
            device_id,
            user_code,
            self._issuer.url(_PAGE_PATH),
            _interval(answer.fields.get("interval")),
            self._clock() + LIFE_SECONDS,
        )

    async def wait(self, code: DeviceCode, on_wait: Callable[[float], None]) -> AuthorizationCode:
        """Wait until the code is typed in, and return the authorization code for it.

        Args:
            code: that was shown.
            on_wait: told, before each pause, for how many seconds the code is good yet.

        Raises:
            LoginError: it was denied or not typed in in time, or the service is out of order.
        """
        faults = 0
        while (left := code.expires_at - self._clock()) > 0:
            on_wait(left)
            await self._sleep(min(code.interval, left))
            try:
                found = await self.poll(code)
            except UnreachableError:
                faults += 1
                if faults >= _MAX_FAULTS:
                    raise
            else:
                faults = 0
                if found is not None:
                    return found
        raise LoginError(_TOO_OLD)

    async def poll(self, code: DeviceCode) -> AuthorizationCode | None:
        """Ask once whether the code was typed in; None: not yet.

        Raises:
            UnreachableError: a passing fault.
            LoginError: this sign-in is over.
        """
        fields = {"device_auth_id": code.device_id, "user_code": code.user_code}
        answer = await self._issuer.post(self._issuer.url(_TOKEN_PATH), fields)
        if answer.status in _NOT_YET:
            return None
        if answer.is_good:
            return self._code_in(answer)
        if code_in(answer.fields) == _DENIED:
            raise LoginError("The sign-in was denied: sign in again, and allow it in the browser.")
        if code_in(answer.fields) == _EXPIRED or answer.status == HTTPStatus.GONE:
            raise LoginError(_TOO_OLD)
        if answer.is_passing:
            raise UnreachableError(_out_of_order(self._issuer, answer))
        raise LoginError(_out_of_order(self._issuer, answer))

    def _code_in(self, answer: IssuerAnswer) -> AuthorizationCode:
        code, verifier = answer.text("authorization_code"), answer.text("code_verifier")
        if not code or not verifier:
            raise LoginError(_out_of_order(self._issuer, answer))
        return AuthorizationCode(code, verifier, self._issuer.url(_CALLBACK_PATH))


def _out_of_order(issuer: LoginIssuer, answer: IssuerAnswer) -> str:
    return (
        f"{issuer.origin} answered the sign-in with status {answer.status} and no code: "
        "try again later."
    )


def _interval(value: object) -> float:
    """Return the pause that the service asks for: a number, or the text of one."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else DEFAULT_INTERVAL
    except ValueError:
        seconds = DEFAULT_INTERVAL
    least, most = _INTERVALS
    return min(max(seconds, least), most) if math.isfinite(seconds) else DEFAULT_INTERVAL
