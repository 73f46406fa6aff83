"""What a plan gives: the models of its catalogue (X5) and the windows of its limits (X4)."""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.accounts import Caller
from upstream.demo.ground.refusals import Refusal, detail

Kind = Literal["text", "pictures"]
"""Words and pictures have allowances of their own."""

PERCENT_PER_TURN = 0.5
MOST_PERCENT = 99.0
"""Short of the limit: only `/fault limit` reaches it."""
FIVE_HOURS, WEEK = 300, 10_080
"""Minutes of the two windows."""
REST_SECONDS = 3600.0
KEPT_ACCOUNTS = 10_000
_FAMILIES: dict[Kind, str] = {"text": "codex", "pictures": "image_gen"}
EFFORTS = ("none", "low", "medium", "high", "xhigh", "max")
IMAGE_MODELS = ("gpt-image-2", "gpt-image-1.5", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst")
"""Not in the catalogue; the last two are drawn by the tool only."""
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}")


class Model(msgspec.Struct, frozen=True):
    """One model of the catalogue."""

    slug: str
    priority: int
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh")
    visibility: str = "list"
    since: str = "0.60.0"
    """The first version of a client that is shown it."""
    is_for_free: bool = True
    sees: bool = True
    """Whether it takes pictures."""
    is_lite: bool = False
    context_window: int = 272_000


MODELS = (
    Model("gpt-6-sol", 1),
    Model("gpt-6.1-sol", 2, EFFORTS, since="0.150.0", is_for_free=False, context_window=400_000),
    Model("gpt-6-luna", 3, ("none", "low", "medium", "high"), context_window=128_000),
    Model("gpt-5.6-sol", 4, since="0.120.0", is_lite=True),
    Model("gpt-5.5", 5, is_for_free=False, sees=False),
    Model("codex-auto-review", 9, visibility="hide"),
)


def find_model(slug: object, plan: str) -> Model | None:
    """Return a model if the plan has it, whether it is listed or not."""
    allowed = (model for model in MODELS if model.is_for_free or plan != "free")
    return next((model for model in allowed if model.slug == slug), None)


def models_etag(caller: Caller, version: str = "") -> str:
    """Return the tag of the catalogue that an account would be shown."""
    digest = hashlib.sha256(_catalogue(caller, version or "999.0.0"))
    return f'W/"{digest.hexdigest()[:16]}"'


def answer_models(caller: Caller, version: str, known_etag: str) -> web.Response:
    """Return the catalogue, or 304 for who has it.

    Raises:
        Refusal: 400, `client_version` is missing or no version.
    """
    if not _VERSION.match(version):
        raise Refusal(400, detail("client_version is required"))
    headers = {"ETag": models_etag(caller, version)}
    if known_etag == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    body = _catalogue(caller, version)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _catalogue(caller: Caller, version: str) -> bytes:
    shown = [
        _entry(model)
        for model in MODELS
        if find_model(model.slug, caller.plan) and _number(model.since) <= _number(version)
    ]
    return orjson.dumps({"models": shown})


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _entry(model: Model) -> dict[str, Any]:
    return {
        "slug": model.slug,
        "display_name": model.slug.upper(),
        "description": f"{model.slug}, played by the demo upstream",
        "default_reasoning_level": "medium",
        "supported_reasoning_levels": [
            {"effort": effort, "description": f"Thinks with effort {effort}"}
            for effort in model.efforts
        ],
        "visibility": model.visibility,
        "supported_in_api": not model.is_lite,
        "priority": model.priority,
        "additional_speed_tiers": ["fast"],
        "base_instructions": "You are played by a demo.",
        "supports_reasoning_summaries": True,
        "support_verbosity": True,
        "default_verbosity": "low",
        "supports_parallel_tool_calls": not model.is_lite,
        "context_window": model.context_window,
        "max_context_window": model.context_window,
        "input_modalities": ["text", "image"] if model.sees else ["text"],
        "web_search_tool_type": "text_and_image",
        "minimal_client_version": model.since,
        "available_in_plans": ["plus", "pro", "team"] + ["free", "go"] * model.is_for_free,
        "use_responses_lite": model.is_lite,
    }


class Window(msgspec.Struct, frozen=True):
    """One window as it is at present."""

    used_percent: float
    minutes: int
    resets_at: int
    resets_in: int


class Used(msgspec.Struct):
    """What an account has used."""

    started_at: float
    turns: dict[tuple[Kind, int, int], int]
    """By kind, minutes of the window, and number of the window."""
    rests_until: dict[Kind, float]


class Limits:
    """The windows of all accounts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: dict[str, Used] = {}

    def spend(self, caller: Caller, kind: Kind) -> None:
        """Count a turn."""
        used = self._of(caller)
        counted = {(kind, minutes, self._number(used, minutes)) for minutes in (FIVE_HOURS, WEEK)}
        kept = {key: count for key, count in used.turns.items() if key in counted or key[0] != kind}
        used.turns = kept | {key: kept.get(key, 0) + 1 for key in counted}

    def rest(self, caller: Caller, kind: Kind, seconds: float) -> None:
        """Let an account be at its limit."""
        self._of(caller).rests_until[kind] = self._clock() + seconds

    def is_resting(self, caller: Caller, kind: Kind) -> bool:
        """Tell whether an account is at its limit."""
        return self._of(caller).rests_until.get(kind, 0) > self._clock()

    def reached(self, caller: Caller, kind: Kind) -> dict[str, Any]:
        """Return the error object of an account at its limit."""
        resets_at = self._of(caller).rests_until.get(kind, self._clock())
        return {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": caller.plan,
            "resets_at": int(resets_at),
            "resets_in_seconds": max(0, int(resets_at - self._clock())),
        }

    def refusal(self, caller: Caller, kind: Kind) -> Refusal:
        """Return the 429 of an account at its limit."""
        headers = {**self.headers(caller), "x-codex-active-limit": _FAMILIES[kind]}
        return Refusal(429, {"error": self.reached(caller, kind)}, headers)

    def headers(self, caller: Caller) -> dict[str, str]:
        """Return the headers that every answer has."""
        headers = {
            "x-codex-plan-type": caller.plan,
            "x-codex-credits-has-credits": "False",
            "x-codex-credits-unlimited": "0",
            "x-codex-credits-balance": "0",
            "x-image-gen-limit-name": "image_gen",
        }
        for kind, family in _FAMILIES.items():
            for name, window in zip(
                ("primary", "secondary"), self.windows(caller, kind), strict=False
            ):
                head = f"x-{family.replace('_', '-')}-{name}"
                headers[f"{head}-used-percent"] = str(window.used_percent)
                headers[f"{head}-window-minutes"] = str(window.minutes)
                headers[f"{head}-reset-at"] = str(window.resets_at)
                headers[f"{head}-reset-after-seconds"] = str(window.resets_in)
        return headers

    def event(self, caller: Caller) -> dict[str, Any]:
        """Return the private event that may open a stream."""
        shown = [
            {
                "used_percent": one.used_percent,
                "window_minutes": one.minutes,
                "reset_at": one.resets_at,
            }
            for one in self.windows(caller, "text")
        ]
        return {
            "type": "codex.rate_limits",
            "plan_type": caller.plan,
            "rate_limits": {"primary": shown[0], "secondary": shown[1] if shown[1:] else None},
            "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
            "metered_limit_name": "codex",
        }

    def usage(self, caller: Caller) -> dict[str, Any]:
        """Return the body of `wham/usage`."""
        pictures = {"limit_name": "image_gen", "metered_feature": "image_gen"}
        return {
            "plan_type": caller.plan,
            "rate_limit": self._rate_limit(caller, "text"),
            "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
            "additional_rate_limits": [
                {**pictures, "rate_limit": self._rate_limit(caller, "pictures")}
            ],
            "rate_limit_reset_credits": {"available_count": 0},
        }

    def windows(self, caller: Caller, kind: Kind) -> list[Window]:
        """Return the windows, the shorter first; free plans and pictures have the week alone."""
        now, used = self._clock(), self._of(caller)
        is_resting = self.is_resting(caller, kind)
        windows: list[Window] = []
        for minutes in (
            (WEEK,) if caller.plan == "free" or kind == "pictures" else (FIVE_HOURS, WEEK)
        ):
            number = self._number(used, minutes)
            turns = used.turns.get((kind, minutes, number), 0)
            percent = min(MOST_PERCENT, PERCENT_PER_TURN * turns)
            resets_at = used.started_at + (number + 1) * minutes * 60
            is_full = is_resting and not windows
            if is_full:
                resets_at = used.rests_until[kind]
            windows.append(
                Window(100.0 if is_full else percent, minutes, int(resets_at), int(resets_at - now))
            )
        return windows

    def _rate_limit(self, caller: Caller, kind: Kind) -> dict[str, Any]:
        shown = [
            {
                "used_percent": one.used_percent,
                "limit_window_seconds": one.minutes * 60,
                "reset_after_seconds": one.resets_in,
                "reset_at": one.resets_at,
            }
            for one in self.windows(caller, kind)
        ]
        is_resting = self.is_resting(caller, kind)
        return {
            "allowed": not is_resting,
            "limit_reached": is_resting,
            "primary_window": shown[0],
            "secondary_window": shown[1] if shown[1:] else None,
        }

    def _number(self, used: Used, minutes: int) -> int:
        return int((self._clock() - used.started_at) // (minutes * 60))

    def _of(self, caller: Caller) -> Used:
        used = self._used.pop(caller.account_id, None) or Used(self._clock(), {}, {})
        self._used[caller.account_id] = used  # the last asked stands last, the first is forgotten
        if len(self._used) > KEPT_ACCOUNTS:
            del self._used[next(iter(self._used))]
        return used
