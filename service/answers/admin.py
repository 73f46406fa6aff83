"""The answers of `/admin/…`; times are in seconds since 1970 (spec 17)."""

from typing import Literal

from msgspec import Struct

from service.vocabulary.gateway_keys import Issuer


class Account(Struct, frozen=True, kw_only=True, tag_field="object", tag="account"):
    """An account that signed in; its address is masked.

    `state` is `over` if its login is known to have ended, and `elsewhere` if it signed in at an
    issuer that this gateway does not speak to. `keys` are the names of its gateway keys.
    """

    id: str
    name: str
    email: str
    plan: str | None
    issuer: Issuer
    state: Literal["signed_in", "over", "elsewhere"]
    created_at: int
    keys: list[str]


class AccountList(Struct, frozen=True, tag_field="object", tag="list"):
    """All accounts, the oldest first."""

    data: list[Account]


class DeletedAccount(Struct, frozen=True, tag_field="object", tag="account"):
    """The confirmation that an account was removed; `revoked` are the names of its revoked keys."""

    id: str
    revoked: list[str]
    deleted: Literal[True] = True


class SignIn(Struct, frozen=True, kw_only=True, tag_field="object", tag="sign_in"):
    """A sign-in by device code: `user_code` is typed in at `address` before `expires_at`.

    `account` is who signed in, `problem` why nobody did.
    """

    id: str
    state: Literal["waiting", "signed_in", "failed", "ended"]
    user_code: str
    address: str
    expires_at: int
    account: Account | None
    problem: str | None
