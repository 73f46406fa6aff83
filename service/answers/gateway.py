"""The gateway's answers about itself: health, readiness, billing stubs, the index (spec 12)."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class Subscription(Struct, frozen=True, tag_field="object", tag="billing_subscription"):
    """An unlimited subscription, in the form that balance buttons read."""

    has_payment_method: bool
    soft_limit_usd: float
    hard_limit_usd: float
    system_hard_limit_usd: float
    access_until: int


class BilledUsage(Struct, frozen=True, tag_field="object", tag="list"):
    """A usage of zero."""

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


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether requests can be served now; `checks` has `ok` or the problem of each part."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
    version: str | UnsetType = UNSET
    process: int | UnsetType = UNSET
    uptime_seconds: float | UnsetType = UNSET
    parts: dict[str, Part] | UnsetType = UNSET
    routes: list[RouteStatus] | UnsetType = UNSET
    drift: UnknownEventList | UnsetType = UNSET


class Index(Struct, frozen=True):
    """The name of the service, and the addresses of its parts."""

    name: str
    version: str
    default_profile: str
    picture_origin: str
    links: dict[str, str]
