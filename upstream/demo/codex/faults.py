"""The faults: a table of what is refused, and how streams break off (X3, X4, X8)."""

from typing import Any

import msgspec
from aiohttp import web

from upstream.demo.codex.accounts import Caller, unauthorized
from upstream.demo.codex.login import ACCOUNTS
from upstream.demo.codex.plans import LIMITS, REST_SECONDS, Kind
from upstream.demo.codex.stats import STATS
from upstream.demo.codex.stream import Ending
from upstream.demo.ground import refusals
from upstream.demo.ground.templates import load
from upstream.demo.ground.words import Fault, Once

SILENT_SECONDS = 60.0
LATE_SECONDS = 2.0
ONCE: web.AppKey[Once] = web.AppKey("CODEX_ONCE", Once)
TABLE = load(__file__)
REFUSALS = msgspec.convert(TABLE["refusals"], dict[str, refusals.Instead])
TOKEN_ENDS = {"401": "token_invalidated", "expired": "token_expired", "revoked": "token_revoked"}
REFUSED = {*TOKEN_ENDS, "limit", *(name.partition(":")[0] for name in REFUSALS)}
_OVERLOADED = "server_is_overloaded"
BREAKS = {
    *("failed", "error", "error-flat", "overloaded-in-200", "limit-in-200"),
    *("cut", "close", "stall", "refuse"),
}
"""The faults that come before all deltas, if they have no number."""
DELAYS = {"silent": SILENT_SECONDS, "slow": LATE_SECONDS}
"""The faults whose number is of seconds: after the first events, and before the head."""
STREAM_FAULTS = {*BREAKS, *DELAYS, "incomplete", "garbage"}


def find_fault(request: web.Request, fault: Fault, talk: object) -> Fault:
    """Return the fault, or none if it was to happen once and has; so has `expired`."""
    is_once = fault.is_once or fault.name == "expired"
    if not is_once or request.app[ONCE].is_first(fault, talk):
        return fault
    return Fault()


def answer_instead(request: web.Request, caller: Caller, fault: Fault) -> web.Response | None:
    """Return the response that stands in the answer's place, or None.

    Raises:
        Refusal: for the faults that are error answers.
    """
    if fault.name == "expired":  # the token itself, so that only another one helps
        request.app[ACCOUNTS].end(caller.serial)
    if fault.name in TOKEN_ENDS:
        raise unauthorized(TOKEN_ENDS[fault.name])
    if fault.name == "limit":
        kind: Kind = "pictures" if fault.variant == "pictures" else "text"
        request.app[LIMITS].rest(caller, kind, fault.number(REST_SECONDS))
        raise request.app[LIMITS].refusal(caller, kind)
    return refusals.answer_instead(REFUSALS, fault, {"error": failure(fault.variant)})


def check_rest(request: web.Request, caller: Caller, kind: Kind) -> None:
    """Refuse an account that is at its limit, and count that it was asked.

    Raises:
        Refusal: 429 with `usage_limit_reached`.
    """
    if request.app[LIMITS].is_resting(caller, kind):
        request.app[STATS].counts["asked_while_resting"] += 1
        raise request.app[LIMITS].refusal(caller, kind)


def failure(code: str, **more: Any) -> dict[str, Any]:
    """Return an error object of the model's side."""
    is_busy = code in {_OVERLOADED, "slow_down"}
    kind = "service_unavailable_error" if is_busy else "server_error"
    message = TABLE["messages"].get(code, TABLE["messages"]["other"])
    return {"type": kind, "code": code, "message": message, "param": None, **more}


def deltas_before(fault: Fault) -> int | None:
    """Return the number of deltas before a fault; None: all."""
    is_early = fault.name in BREAKS or fault.numbers
    return int(fault.number(0)) if is_early and fault.name not in DELAYS else None


def delay_of(fault: Fault, name: str) -> float:
    """Return the seconds of the fault with this name, 0 for any other."""
    return fault.number(DELAYS[name]) if fault.name == name else 0.0


def ending_of(fault: Fault) -> Ending:
    """Return the ending of a stream with a fault; the status of the answer is 200 all the same."""
    error = failure(fault.variant or "server_error")
    flat = {name: error[name] for name in ("code", "message", "param")}  # the event has a type
    if (fault.name, fault.variant) == ("failed", "402"):
        more = {"status_code": 402, "resets_in_seconds": int(REST_SECONDS)}
        error = failure("insufficient_quota", **more)
    endings = {
        "failed": Ending("failed", error),
        "error": Ending("error", {"error": error, "status": 500}),
        "error-flat": Ending("error", flat),
        "overloaded-in-200": Ending("error", {"error": failure(_OVERLOADED), "status": 503}),
        "incomplete": Ending("incomplete", {"reason": fault.variant or "max_output_tokens"}),
        **dict.fromkeys(("cut", "close", "stall"), Ending("nothing")),
    }
    return endings.get(fault.name, Ending())
