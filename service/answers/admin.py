"""The answers of `/admin/…`; times are in seconds since 1970 (spec 17)."""

from typing import Literal

from msgspec import Struct

from service.vocabulary.credentials import UpstreamKind
from service.vocabulary.events import Outcome
from service.vocabulary.gateway_keys import Issuer
from service.vocabulary.ledger.budgets import Unit, Window
from service.vocabulary.ledger.calls import Dialect, Step


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

    `account` is the one that signed in, `problem` says why none did.
    """

    id: str
    state: Literal["waiting", "signed_in", "failed", "ended"]
    user_code: str
    address: str
    expires_at: int
    account: Account | None
    problem: str | None


class UsedBudget(Struct, frozen=True):
    """How much of one budget is used; `renews_at` is null while a sliding window is empty."""

    name: str
    unit: Unit
    window: Window
    limit: int
    used: int
    renews_at: int | None


class Key(Struct, frozen=True, kw_only=True, tag_field="object", tag="key"):
    """A gateway key; a limit of 0 means no limit, and empty `models` mean any.

    `account` is the id of the account that it stands for, null for a token. `budgets` has those
    that are set by their names, `used` what is used of them.
    """

    id: str
    name: str
    account: str | None
    created_at: int
    requests_per_minute: int
    concurrent_requests: int
    models: list[str]
    shows_account: bool
    budgets: dict[str, int]
    used: list[UsedBudget]


class KeyList(Struct, frozen=True, tag_field="object", tag="list"):
    """All gateway keys, the oldest first."""

    data: list[Key]


class NewKey(Struct, frozen=True, tag_field="object", tag="new_key"):
    """A key that was made; `secret` is the key itself, which is told here and nowhere else."""

    key: Key
    secret: str


class DeletedKey(Struct, frozen=True, tag_field="object", tag="key"):
    """The confirmation that a key was revoked."""

    id: str
    deleted: Literal[True] = True


class LoggedCall(Struct, frozen=True, kw_only=True, tag_field="object", tag="call"):
    """One call of the log; what is unknown is null. `account` is a hash, `key` the id of a key."""

    at: float
    request_id: str
    dialect: Dialect
    status: int
    outcome: Outcome | None
    key: str | None
    account: str | None
    model: str | None
    upstream_model: str | None
    upstream: UpstreamKind | None
    first_token_ms: int | None
    total_ms: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    is_estimated: bool
    bytes: int


class CallList(Struct, frozen=True, tag_field="object", tag="list"):
    """A page of calls, the newest first; `next` is for `after`, null on the last page."""

    data: list[LoggedCall]
    next: str | None


class Total(Struct, frozen=True, kw_only=True):
    """The sums of one hour or day; `group` is empty where calls have none, or are not told apart.

    `first_token_ms` is the mean of the calls that had a first token, null if none had.
    `first_token_counts` are these calls by that time, one number for each bound of the list and one
    for those above.
    """

    starts_at: int
    group: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    bytes: int
    first_token_ms: float | None
    first_token_counts: list[int]


class TotalList(Struct, frozen=True, tag_field="object", tag="list"):
    """Sums by hour or day, the oldest first; steps without calls are left out."""

    data: list[Total]
    step: Step
    first_token_bounds_ms: list[int]
