"""Accounts, and the tokens that speak for them.

Any refresh token works: what stands before its first `~` is the name of the account, and
words of the name choose the plan and the faults (`free-anna`, `expired-bob`; `docs/demo.md`
has the list). `anna~3f~9c` is the token after `anna~3f~77`: what stands before the last `~`
names the login, and each exchange ends the refresh token that was used.
"""

import base64
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import msgspec

from upstream.demo.ground.refusals import Refusal

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""The public client of Codex's command line."""
AUTH_CLAIM = "https://api.openai.com/auth"
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

    @property
    def email(self) -> str:
        """The address in the id token."""
        return self.name if "@" in self.name else f"{self.name}@example.org"


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the account of the header, and what the access token says."""

    account_id: str
    own_id: str
    """The account of the token itself."""
    plan: str
    serial: int
    """The number of the access token; 0 for one that was not issued here."""
    is_fedramp: bool = False


class Login(msgspec.Struct):
    """One login and the refresh token that is good at present."""

    account: Account
    refresh_token: str
    is_revoked: bool = False


class Accounts:
    """All logins, and the access tokens that ended before their time."""

    def __init__(self, access_seconds: float, clock: Callable[[], float]) -> None:
        self._access_seconds = access_seconds
        self._clock = clock
        self._logins: dict[str, Login] = {}
        self._serial = 0
        self._ended: dict[int, str] = {}
        self._ended_up_to = (0, "")

    def sign_in(self, name: str) -> dict[str, Any]:
        """Return the token answer of a new login."""
        key = f"{name}~{secrets.token_hex(6)}"
        return self._grant(key, self._remember(key, Login(Account(name), "")))

    def exchange(self, refresh_token: str) -> dict[str, Any]:
        """Return the token answer for a refresh token, which is used up by it.

        Raises:
            Refusal: 401 with one of the three codes that are final (X1.3).
        """
        key = _login_key(refresh_token)
        login = self._logins.get(key)
        if login is None:
            account = Account(refresh_token.partition("~")[0])
            login = self._remember(key, Login(account, refresh_token))
        words = login.account.words
        for word in words & _FINAL.keys():
            raise Refusal(401, _final_body(_FINAL[word], words))
        if login.is_revoked:
            raise Refusal(401, _final_body("refresh_token_invalidated", words))
        if login.refresh_token != refresh_token:
            raise Refusal(401, _final_body("refresh_token_reused", words))
        return self._grant(key, login)

    def is_known(self, refresh_token: str) -> bool:
        """Tell whether a refresh token was made here, and is good."""
        key = _login_key(refresh_token)
        return key != refresh_token and self._current(key) == refresh_token

    def revoke(self, token: str) -> bool:
        """End the login of a refresh or an access token; False if there is none."""
        claims = _claims(token)
        login = self._logins.get(str(claims.get("demo_login") or _login_key(token)))
        if login is None:
            return False
        login.is_revoked = True
        return True

    def end(self, serial: int, code: str = "token_expired") -> None:
        """End one access token."""
        self._ended[serial] = code
        if len(self._ended) > KEPT_LOGINS:
            del self._ended[next(iter(self._ended))]

    def end_all(self, code: str = "token_expired") -> None:
        """End all access tokens so far."""
        self._ended_up_to = (self._serial, code)

    def caller(self, bearer: str, account_id: str) -> Caller:
        """Return who an access token and an account header speak for.

        Raises:
            Refusal: 401, it is expired, revoked or no access token at all (X4).
        """
        claims = _claims(bearer)
        auth = claims.get(AUTH_CLAIM)
        if not isinstance(auth, dict) or not auth.get("chatgpt_account_id"):
            raise unauthorized("token_invalidated")
        serial = int(claims.get("demo_serial") or 0)
        if code := self._why_ended(claims, serial):
            raise unauthorized(code)
        return Caller(
            account_id=account_id,
            own_id=str(auth["chatgpt_account_id"]),
            plan=str(auth.get("chatgpt_plan_type") or DEFAULT_PLAN),
            serial=serial,
            is_fedramp=bool(auth.get("chatgpt_account_is_fedramp")),
        )

    def _current(self, key: str) -> str:
        login = self._logins.get(key)
        return login.refresh_token if login else ""

    def _why_ended(self, claims: dict[str, Any], serial: int) -> str:
        expires_at = claims.get("exp")
        if isinstance(expires_at, int | float) and expires_at <= self._clock():
            return "token_expired"
        login = self._logins.get(str(claims.get("demo_login")))
        if login is not None and login.is_revoked:
            return "token_revoked"
        last, code = self._ended_up_to
        return self._ended.get(serial) or (code if 0 < serial <= last else "")

    def _remember(self, key: str, login: Login) -> Login:
        self._logins[key] = login
        if len(self._logins) > KEPT_LOGINS:
            del self._logins[next(iter(self._logins))]
        return login

    def _grant(self, key: str, login: Login) -> dict[str, Any]:
        self._serial += 1
        account, claims = login.account, self._claims(login.account)
        own = {"jti": secrets.token_hex(8), "demo_serial": self._serial, "demo_login": key}
        access = {"aud": ["https://api.openai.com/v1"], "client_id": CLIENT_ID, **own}
        answer = {
            "access_token": jwt.encode(claims | access, _KEY),
            "expires_in": int(self._access_seconds),
            "token_type": "Bearer",
        }
        if "steady" in account.words and login.refresh_token:
            return answer
        login.refresh_token = f"{key}~{secrets.token_urlsafe(18)}"
        identity = {"aud": CLIENT_ID, "email": account.email}
        return answer | {
            "id_token": jwt.encode(claims | identity, _KEY),
            "refresh_token": login.refresh_token,
            "scope": "openid profile email offline_access",
        }

    def _claims(self, account: Account) -> dict[str, Any]:
        now = int(self._clock())
        user_id = f"user-{hashlib.sha256(account.id.encode()).hexdigest()[:24]}"
        auth = {
            "chatgpt_account_id": account.id,
            "chatgpt_plan_type": account.plan,
            "chatgpt_user_id": user_id,
            "user_id": user_id,
            "chatgpt_account_is_fedramp": "fedramp" in account.words,
        }
        times = {"iat": now, "exp": now + int(self._access_seconds)}
        issued = {"iss": "https://auth.openai.com", "sub": f"auth0|{user_id}"}
        return {**issued, **times, AUTH_CLAIM: auth}


def unauthorized(code: str) -> Refusal:
    """Return the 401 for an access token that is not good."""
    message = {
        "token_expired": "Provided authentication token is expired. Please try signing in again.",
        "token_revoked": "Encountered invalidated oauth token for user, failing request",
    }.get(code, "Your authentication token has been invalidated. Please try signing in again.")
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


def _claims(token: str) -> dict[str, Any]:
    try:
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    except jwt.PyJWTError:
        return {}


def _final_body(code: str, words: frozenset[str]) -> dict[str, Any]:
    """Return a final error in one of its three shapes (X1.3)."""
    message = "Your refresh token cannot be used any more. Please try signing in again."
    if "flat" in words:
        return {"error": code, "error_description": message}
    if "top" in words:
        return {"code": code, "message": message}
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return {"error": error}
