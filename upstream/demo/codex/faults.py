"""The faults: a table of what is refused, and of how streams break off (X3, X4, X8)."""

import hashlib
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from aiohttp import web

from upstream.demo.codex.accounts import Caller, unauthorized
from upstream.demo.codex.login import ACCOUNTS
from upstream.demo.codex.plans import REST_SECONDS, Kind, Limits
from upstream.demo.codex.stats import STATS
from upstream.demo.codex.stream import Ending
from upstream.demo.codex.talk import Command
from upstream.demo.codex.validator import invalid
from upstream.demo.ground.refusals import Refusal, detail, page

Act = Literal["", "refuse", "abort", "stall", "garbage"]
Refuse = Callable[[web.Request, Caller, Command], web.Response | None]

KEPT_ONCE = 10_000
SILENT_SECONDS = 60.0
LATE_SECONDS = 2.0
LIMITS: web.AppKey[Limits] = web.AppKey("CODEX_LIMITS", Limits)

_MESSAGES = {
    "context_length_exceeded": "Your input exceeds the context window of this model."
    " Please adjust your input and try again.",
    "rate_limit_exceeded": "Rate limit reached for this model. Please try again in 11.054s.",
    "server_is_overloaded": "Our servers are currently overloaded. Please try again later.",
    "slow_down": "Please slow down your requests and try again later.",
    "insufficient_quota": "You exceeded your current quota, please check your plan.",
    "usage_not_included": "To use Codex with your ChatGPT plan, upgrade to Plus.",
    "invalid_prompt": "Invalid prompt: your prompt was flagged as violating our usage policy.",
    "cyber_policy": "This request was flagged for possible cybersecurity risk.",
}
_OVERLOADED = "server_is_overloaded"


class Fault(msgspec.Struct, frozen=True):
    """How a stream breaks; the status of the answer is 200 all the same."""

    ending: Callable[[Command], Ending] = lambda _fault: Ending()
    after: int | None = 0
    """Deltas before it, if the command has no number; None: all."""
    act: Act = ""
    silent_seconds: float = 0.0
    """Silence before the first item, if the command has no number."""
    late_seconds: float = 0.0
    """Silence before the head, likewise."""


class Once:
    """Remembers the faults that were to happen once."""

    def __init__(self) -> None:
        self._played: dict[bytes, None] = {}

    def is_first(self, *what: object) -> bool:
        """Tell whether this was not asked before."""
        key = hashlib.sha256(repr(what).encode("utf-8", "replace")).digest()
        is_first = key not in self._played
        self._played[key] = None
        if len(self._played) > KEPT_ONCE:
            del self._played[next(iter(self._played))]
        return is_first


ONCE: web.AppKey[Once] = web.AppKey("CODEX_ONCE", Once)


def find_fault(request: web.Request, command: Command, talk: object) -> Command:
    """Return the command, or an empty one if it was to happen once and has; so has `expired`."""
    is_once = command.is_once or command.name == "expired"
    if not is_once or request.app[ONCE].is_first(command, talk):
        return command
    return Command()


def answer_instead(request: web.Request, caller: Caller, fault: Command) -> web.Response | None:
    """Return what stands in the answer's place, or None.

    Raises:
        Refusal: for the faults that are error answers.
    """
    refuse = REFUSALS.get(fault.name)
    return refuse(request, caller, fault) if refuse else None


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
    kind = "service_unavailable_error" if code in {_OVERLOADED, "slow_down"} else "server_error"
    message = _MESSAGES.get(code, "An error occurred while processing your request.")
    return {"type": kind, "code": code, "message": message, "param": None, **more}


def _status(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Refuse:
    def refuse(_request: web.Request, _caller: Caller, _fault: Command) -> web.Response:
        raise Refusal(status, body, headers)

    return refuse


def _bad_token(code: str) -> Refuse:
    def refuse(request: web.Request, caller: Caller, fault: Command) -> web.Response:
        if fault.name == "expired":  # the token itself, so that only another one helps
            request.app[ACCOUNTS].end(caller.serial)
        raise unauthorized(code)

    return refuse


def _reach_limit(request: web.Request, caller: Caller, fault: Command) -> web.Response:
    kind: Kind = "pictures" if fault.variant == "pictures" else "text"
    request.app[LIMITS].rest(caller, kind, fault.number(REST_SECONDS))
    raise request.app[LIMITS].refusal(caller, kind)


def _bad_field(_request: web.Request, _caller: Caller, fault: Command) -> web.Response:
    name = fault.variant or "demo"
    raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def _overloaded(_request: web.Request, _caller: Caller, fault: Command) -> web.Response:
    raise Refusal(503, {"error": failure(fault.variant or _OVERLOADED)})


def _page(status: int) -> Refuse:
    return lambda _request, _caller, _fault: page(status)


REFUSALS: dict[str, Refuse] = {
    "400": _bad_field,
    "401": _bad_token("token_invalidated"),
    "402": _status(402, {"error": failure("insufficient_quota", type="insufficient_quota")}),
    "403": _status(403, {"error": failure("account_deactivated", type="invalid_request_error")}),
    "404": _status(404, detail("Not Found")),
    "405": _status(405, detail("Method Not Allowed")),
    "413": _status(413, detail("Request body is too large")),
    "429": _status(429, {"error": failure("rate_limit_exceeded")}, {"Retry-After": "1"}),
    "500": _status(500, {"error": failure("server_error")}),
    "501": _status(501, detail("Not Implemented")),
    "502": _status(502, detail("Bad Gateway")),
    "503": _overloaded,
    "expired": _bad_token("token_expired"),
    "revoked": _bad_token("token_revoked"),
    "limit": _reach_limit,
    "not-included": _status(
        429, {"error": failure("usage_not_included", type="usage_not_included")}
    ),
    "capacity": _status(
        400, detail("Selected model is at capacity. Please try a different model.")
    ),
    "detail-object": _status(400, detail("The demo was told to refuse.", "demo_refusal")),
    "cloudflare": _page(403),
    "html200": _page(200),
    "error200": lambda *_: web.json_response({"error": failure("server_error")}),
    "empty-404": lambda *_: web.Response(status=404),
}
"""What stands in the answer's place."""


def _failed(fault: Command) -> Ending:
    if fault.variant == "402":
        more = {"status_code": 402, "resets_in_seconds": int(REST_SECONDS)}
        return Ending("failed", failure("insufficient_quota", **more))
    return Ending("failed", failure(fault.variant or "server_error"))


def _error(fault: Command) -> Ending:
    return Ending("error", {"error": failure(fault.variant or "server_error"), "status": 500})


def _flat_error(fault: Command) -> Ending:
    flat = failure(fault.variant or "server_error")
    del flat["type"]  # the event has one of its own
    return Ending("error", flat)


def _incomplete(fault: Command) -> Ending:
    return Ending("incomplete", {"reason": fault.variant or "max_output_tokens"})


def _nothing(_fault: Command) -> Ending:
    return Ending("nothing")


FAULTS: dict[str, Fault] = {
    "failed": Fault(_failed),
    "error": Fault(_error),
    "error-flat": Fault(_flat_error),
    "overloaded-in-200": Fault(
        lambda _fault: Ending("error", {"error": failure(_OVERLOADED), "status": 503})
    ),
    "limit-in-200": Fault(_error),  # with the fields of the account's limit
    "incomplete": Fault(_incomplete, after=None),
    "cut": Fault(_nothing, act="abort"),
    "close": Fault(_nothing),
    "stall": Fault(_nothing, act="stall"),
    "silent": Fault(after=None, silent_seconds=SILENT_SECONDS),
    "slow": Fault(after=None, late_seconds=LATE_SECONDS),
    "refuse": Fault(act="refuse"),
    "garbage": Fault(after=None, act="garbage"),
}
"""What happens within the stream."""
