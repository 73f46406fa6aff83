"""The gateway's answers about itself: health, readiness, billing stubs, the index (spec 12)."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class Subscription(Struct, frozen=True, tag_field="object", tag="billing_subscription"):
    """The budget of a key, or none, in the form that balance buttons read."""

    has_payment_method: bool
    soft_limit_usd: float
    hard_limit_usd: float
    system_hard_limit_usd: float
    access_until: int


class BilledUsage(Struct, frozen=True, tag_field="object", tag="list"):
    """What is used of it, in hundredths."""

    daily_costs: list[Any] = []
    total_usage: float = 0


class Health(Struct, frozen=True):
    """The answer of `/healthz`: the process is alive."""

    status: Literal["ok"] = "ok"


class Part(Struct, frozen=True):
    """One part of the service, in detail."""

    ok: bool
    problem: str | None
    milliseconds: float


class RouteStatus(Struct, frozen=True):
    """One route to the upstream, by its place in `upstream.api_prefixes`."""

    route: int
    state: str
    cooling_seconds: float


class UnknownKind(Struct, frozen=True):
    """One kind of unknown event of the upstream; times in ISO 8601."""

    kind: str
    count: int
    first: str
    last: str


class UnknownEventList(Struct, frozen=True):
    """The unknown events of the upstream that this process has seen since it started."""

    since: str
    kinds: list[UnknownKind]


class UsedWindow(Struct, frozen=True):
    """One window of an account's allowance; `resets_at` in seconds since 1970, null if unknown."""

    name: str
    used_percent: float
    window_minutes: int | None
    resets_at: int | None


class BoughtCredits(Struct, frozen=True):
    """The credits of an account; `balance` is the upstream's own text."""

    has_credits: bool
    unlimited: bool
    balance: str


class Resting(Struct, frozen=True):
    """Until when the account is sent no requests, in seconds since 1970; null if it does not rest."""

    text: int | None
    pictures: int | None


class UsedBudget(Struct, frozen=True):
    """One budget of a gateway key; `renews_at` in seconds since 1970, null while none is used."""

    limit: int
    used: int
    renews_at: int | None


class AccountUsage(Struct, frozen=True, kw_only=True, tag_field="object", tag="usage"):
    """What is used of an account's allowance, and of the budgets of a gateway key.

    The account's part is left out for a key that may not see it; `key` is there for gateway keys
    only: its budgets by name, such as `requests_per_day`.
    """

    plan: str | UnsetType | None = UNSET
    windows: list[UsedWindow] | UnsetType = UNSET
    credits: BoughtCredits | UnsetType | None = UNSET
    resting: Resting | UnsetType = UNSET
    key: dict[str, UsedBudget] | UnsetType = UNSET


class AccountWindows(Struct, frozen=True):
    """The windows of one account, which is not named."""

    windows: list[UsedWindow]


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether requests can be served now; `checks` has `ok` or the problem of each part."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
    version: str | UnsetType = UNSET
    process: int | UnsetType = UNSET
    uptime_seconds: float | UnsetType = UNSET
    parts: dict[str, Part] | UnsetType = UNSET
    routes: list[RouteStatus] | UnsetType = UNSET
    accounts: list[AccountWindows] | UnsetType = UNSET
    drift: UnknownEventList | UnsetType = UNSET


class Index(Struct, frozen=True):
    """The name of the service, and the addresses of its parts."""

    name: str
    version: str
    default_profile: str
    picture_origin: str
    links: dict[str, str]
