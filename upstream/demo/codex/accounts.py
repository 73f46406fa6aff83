"""Accounts, and the tokens that speak for them.

Any refresh token works: what stands before its first `~` is the name of the account, and
words of the name choose the plan and the faults (`free-anna`, `expired-bob`; `docs/demo.md`
has the list). `anna~3f~9c` is the token after `anna~3f~77`: what stands before the last `~`
names the login, and each exchange ends the refresh token that was used.
"""

import base64
import hmac
import re
import secrets
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from upstream.demo.ground.jwts import AUTH_CLAIM, claims_about, claims_of, is_expired, make_jwt
from upstream.demo.ground.recent import Recent
from upstream.demo.ground.refusals import Refusal

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""The public client of Codex's command line."""
PLANS = ("free", "go", "plus", "pro", "team", "business", "enterprise", "edu")
DEFAULT_PLAN = "plus"
KEPT_LOGINS = 10_000
_KEY = b"the key of the demo, which is not a secret"
_SEAL_BYTES = 12
_FINAL = {
    "expired": "refresh_token_expired",
    "reused": "refresh_token_reused",
    "invalidated": "refresh_token_invalidated",
    "dead": "refresh_token_invalidated",
}
"""Words of a name that end its login for good, when a refresh token is used."""
_ENDED = {
    "token_expired": "Provided authentication token is expired. Please try signing in again.",
    "token_revoked": "Encountered invalidated oauth token for user, failing request",
}


class Account(msgspec.Struct, frozen=True):
    """A person's account; all about it follows from its name."""

    name: str

    @property
    def words(self) -> frozenset[str]:
        """The words of the name."""
        return frozenset(re.findall(r"[a-z0-9]+", self.name.lower()))

    @property
    def plan(self) -> str:
        """The plan that the name says, or plus."""
        return next((plan for plan in PLANS if plan in self.words), DEFAULT_PLAN)

    @property
    def id(self) -> str:
        """The account id, always the same for the same name."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"demo Codex account of {self.name}"))


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the account of the header, and what the access token says."""

    account_id: str
    plan: str
    serial: int
    """The number of the access token; 0 for one that was not issued here."""
    is_fedramp: bool = False


class Login(msgspec.Struct):
    """One login and the refresh token that is good at present."""

    account: Account
    refresh_token: str = ""
    is_revoked: bool = False


class Accounts:
    """All logins, and the access tokens that ended before their time."""

    def __init__(self, access_seconds: float, clock: Callable[[], float]) -> None:
        self._access_seconds = int(access_seconds)
        self._clock = clock
        self._logins: Recent[str, Login] = Recent(KEPT_LOGINS)
        self._serial = 0
        self._ended: Recent[int, str] = Recent(KEPT_LOGINS)
        self._ended_up_to = (0, "")

    def sign_in(self, name: str) -> dict[str, Any]:
        """Return the token answer of a new login."""
        key = f"{name}~{secrets.token_hex(6)}"
        self._logins[key] = Login(Account(name))
        return self._grant(key, self._logins[key])

    def exchange(self, refresh_token: str) -> dict[str, Any]:
        """Return the token answer for a refresh token, which is used up by it.

        Raises:
            Refusal: 401 with one of the three codes that are final (X1.3).
        """
        key = _login_key(refresh_token)
        if key not in self._logins:
            self._logins[key] = Login(Account(refresh_token.partition("~")[0]), refresh_token)
        login = self._logins[key]
        words = login.account.words
        code = next((_FINAL[word] for word in words if word in _FINAL), "")
        if login.is_revoked:
            code = code or "refresh_token_invalidated"
        elif login.refresh_token != refresh_token:
            code = code or "refresh_token_reused"
        if code:
            raise Refusal(401, _final_body(code, words))
        return self._grant(key, login)

    def is_known(self, refresh_token: str) -> bool:
        """Tell whether a refresh token was made here, and is good."""
        key = _login_key(refresh_token)
        login = self._logins.get(key)
        return login is not None and key != refresh_token == login.refresh_token

    def revoke(self, token: str) -> bool:
        """End the login of a refresh or an access token; False if there is none."""
        login = self._logins.get(str(claims_of(token).get("demo_login") or _login_key(token)))
        if login is not None:
            login.is_revoked = True
        return login is not None

    def end(self, serial: int) -> None:
        """End one access token."""
        self._ended[serial] = "token_expired"

    def end_all(self, code: str = "token_expired") -> None:
        """End all access tokens so far."""
        self._ended_up_to = (self._serial, code)

    def caller(self, bearer: str, account_id: str) -> Caller:
        """Return the caller that an access token and an account header name.

        Raises:
            Refusal: 401, it is expired, revoked or no access token at all (X4).
        """
        claims = claims_of(bearer)
        auth = claims.get(AUTH_CLAIM)
        if not isinstance(auth, dict) or not auth.get("chatgpt_account_id"):
            raise unauthorized("token_invalidated")
        serial = int(claims.get("demo_serial") or 0)
        if code := self._why_ended(claims, serial):
            raise unauthorized(code)
        return Caller(
            account_id=account_id,
            plan=str(auth.get("chatgpt_plan_type") or DEFAULT_PLAN),
            serial=serial,
            is_fedramp=bool(auth.get("chatgpt_account_is_fedramp")),
        )

    def _why_ended(self, claims: dict[str, Any], serial: int) -> str:
        if is_expired(claims, self._clock()):
            return "token_expired"
        login = self._logins.get(str(claims.get("demo_login")))
        if login is not None and login.is_revoked:
            return "token_revoked"
        last, code = self._ended_up_to
        return self._ended.get(serial) or (code if 0 < serial <= last else "")

    def _grant(self, key: str, login: Login) -> dict[str, Any]:
        self._serial += 1
        account, now = login.account, self._clock()
        times, is_fedramp = (now, now + self._access_seconds), "fedramp" in account.words
        more = {"chatgpt_account_is_fedramp": is_fedramp}
        claims = claims_about(account.id, account.plan, times, **more)
        own = {"jti": secrets.token_hex(8), "demo_serial": self._serial, "demo_login": key}
        access = {"aud": ["https://api.openai.com/v1"], "client_id": CLIENT_ID, **own}
        answer = {
            "access_token": make_jwt(claims | access),
            "expires_in": self._access_seconds,
            "token_type": "Bearer",
        }
        if "steady" in account.words and login.refresh_token:
            return answer
        login.refresh_token = f"{key}~{secrets.token_urlsafe(18)}"
        email = account.name if "@" in account.name else f"{account.name}@example.org"
        identity = {"aud": CLIENT_ID, "email": email}
        return answer | {
            "id_token": make_jwt(claims | identity),
            "refresh_token": login.refresh_token,
            "scope": "openid profile email offline_access",
        }


def unauthorized(code: str) -> Refusal:
    """Return the 401 for an access token that is not good."""
    invalid = "Your authentication token has been invalidated. Please try signing in again."
    message = _ENDED.get(code, invalid)
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": None}
    headers = {"x-openai-authorization-error": code}
    return Refusal(401, {"error": error, "status": 401}, headers)


def seal(account_id: str, text: str) -> str:
    """Return encrypted content that is good for this account alone."""
    raw = text.encode("utf-8", "replace")
    return "gAAAA" + base64.urlsafe_b64encode(_mac(account_id, raw) + raw).decode()


def unseal(account_id: str, sealed: str) -> str | None:
    """Return the text of encrypted content, None if it is not of this account."""
    try:
        raw = base64.urlsafe_b64decode(sealed.removeprefix("gAAAA").encode())
    except ValueError:
        return None
    mac, text = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    return text.decode() if hmac.compare_digest(mac, _mac(account_id, text)) else None


def _mac(account_id: str, raw: bytes) -> bytes:
    return hmac.digest(_KEY, account_id.encode() + b"\0" + raw, "sha256")[:_SEAL_BYTES]


def _login_key(refresh_token: str) -> str:
    return refresh_token.rpartition("~")[0] or refresh_token


def _final_body(code: str, words: frozenset[str]) -> dict[str, Any]:
    """Return a final error in one of its three shapes (X1.3)."""
    message = "Your refresh token cannot be used any more. Please try signing in again."
    if "flat" in words:
        return {"error": code, "error_description": message}
    if "top" in words:
        return {"code": code, "message": message}
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return {"error": error}
