"""What a plan gives: the models of its catalogue (X5) and the windows of its limits (X4)."""

import hashlib
import math
import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.accounts import Caller
from upstream.demo.ground.recent import Recent
from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.templates import fill, load

Kind = Literal["text", "pictures"]
"""Words and pictures have allowances of their own."""

PERCENT_PER_TURN = 0.5
MOST_PERCENT = 99.0
"""Short of the limit: only `/fault limit` reaches it."""
FIVE_HOURS, WEEK = 300, 10_080
"""Minutes of the two windows."""
REST_SECONDS = 3600.0
KEPT_ACCOUNTS = 10_000
_NAMES = ("primary", "secondary")
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
    is_for_free: bool = True
    sees: bool = True
    """Whether it takes pictures."""
    is_lite: bool = False
    context_window: int = 272_000


TABLE = load(__file__)
MODELS = msgspec.convert(TABLE["models"], tuple[Model, ...])


def find_model(slug: object, plan: str) -> Model | None:
    """Return a model if the plan has it, whether it is listed or not."""
    allowed = (model for model in MODELS if model.is_for_free or plan != "free")
    return next((model for model in allowed if model.slug == slug), None)


def models_etag(caller: Caller, version: str = "999.0.0") -> str:
    """Return the tag of the catalogue that an account would be shown."""
    return f'W/"{hashlib.sha256(_catalogue(caller, version)).hexdigest()[:16]}"'


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


def _entry(model: Model) -> Any:
    levels = [{"effort": one, "description": f"Thinks with effort {one}"} for one in model.efforts]
    names = {
        "title": model.slug.upper(),
        "levels": levels,
        "is_heavy": not model.is_lite,
        "modalities": ["text", "image"] if model.sees else ["text"],
        "plans": ["plus", "pro", "team"] + ["free", "go"] * model.is_for_free,
    }
    return fill(TABLE["entry"], msgspec.structs.asdict(model) | names)


class Window(msgspec.Struct, frozen=True):
    """One window as it is at present."""

    used_percent: float
    minutes: int
    resets_at: int
    resets_in: int

    def told(self, name: str, **more: Any) -> Any:
        """Return the window in one of the forms of `plans.yaml`."""
        return fill(TABLE[name], {**msgspec.structs.asdict(self), **more})


class Used(msgspec.Struct):
    """What an account has used."""

    started_at: float
    turns: dict[tuple[Kind, int, int], int] = msgspec.field(default_factory=dict)
    """By kind, minutes of the window, and number of the window."""
    rests_until: dict[Kind, float] = msgspec.field(default_factory=dict)


class Limits:
    """The windows of all accounts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: Recent[str, Used] = Recent(KEPT_ACCOUNTS)

    def spend(self, caller: Caller, kind: Kind) -> None:
        """Count a turn."""
        used = self._of(caller)
        counted = {(kind, minutes, self._number(used, minutes)) for minutes in (FIVE_HOURS, WEEK)}
        kept = {key: count for key, count in used.turns.items() if key in counted or key[0] != kind}
        used.turns = kept | {key: kept.get(key, 0) + 1 for key in counted}

    def rest(self, caller: Caller, kind: Kind, seconds: float) -> None:
        """Let an account be at its limit."""
        # A whole second, so that it ends when callers are told that it does.
        self._of(caller).rests_until[kind] = math.floor(self._clock() + seconds)

    def is_resting(self, caller: Caller, kind: Kind) -> bool:
        """Tell whether an account is at its limit."""
        return self._of(caller).rests_until.get(kind, 0) > self._clock()

    def reached(self, caller: Caller, kind: Kind) -> Any:
        """Return the error object of an account at its limit."""
        resets_at = self._of(caller).rests_until.get(kind, self._clock())
        resets_in = max(0, int(resets_at - self._clock()))
        names = {"plan": caller.plan, "resets_at": int(resets_at), "resets_in": resets_in}
        return fill(TABLE["reached"], names)

    def refusal(self, caller: Caller, kind: Kind) -> Refusal:
        """Return the 429 of an account at its limit."""
        headers = {**self.headers(caller), "x-codex-active-limit": _FAMILIES[kind]}
        return Refusal(429, {"error": self.reached(caller, kind)}, headers)

    def headers(self, caller: Caller) -> dict[str, str]:
        """Return the headers that every answer has."""
        headers: dict[str, str] = fill(TABLE["headers"], {"plan": caller.plan})
        for kind, family in _FAMILIES.items():
            for name, window in zip(_NAMES, self.windows(caller, kind), strict=False):
                families = f"{family.replace('_', '-')}-{name}"
                headers |= window.told("window_headers", family=families)
        return headers

    def event(self, caller: Caller) -> Any:
        """Return the private event that may open a stream."""
        windows = self._told(caller, "text", "event_window")
        return fill(TABLE["event"], {"plan": caller.plan, **windows})

    def usage(self, caller: Caller) -> Any:
        """Return the body of `wham/usage`."""
        names: dict[str, Any] = {"plan": caller.plan}
        for kind in _FAMILIES:
            is_resting = self.is_resting(caller, kind)
            limit = {"is_allowed": not is_resting, "is_resting": is_resting}
            windows = self._told(caller, kind, "usage_window")
            names[kind] = fill(TABLE["usage_limit"], limit | windows)
        return fill(TABLE["usage"], names)

    def windows(self, caller: Caller, kind: Kind) -> list[Window]:
        """Return the windows, the shorter first; free plans and pictures have the week alone."""
        now, used = self._clock(), self._of(caller)
        has_both = caller.plan != "free" and kind != "pictures"
        windows: list[Window] = []
        for minutes in (FIVE_HOURS, WEEK) if has_both else (WEEK,):
            number = self._number(used, minutes)
            percent = PERCENT_PER_TURN * used.turns.get((kind, minutes, number), 0)
            percent, ends_at = (
                min(MOST_PERCENT, percent),
                used.started_at + (number + 1) * minutes * 60,
            )
            if self.is_resting(caller, kind) and not windows:
                percent, ends_at = 100.0, used.rests_until[kind]
            windows.append(Window(percent, minutes, int(ends_at), int(ends_at - now)))
        return windows

    def _told(self, caller: Caller, kind: Kind, form: str) -> dict[str, Any]:
        """Return the first and the second window in a form, None for one that there is not."""
        windows = self.windows(caller, kind)
        shown = [one.told(form, seconds=one.minutes * 60) for one in windows]
        return dict(zip(_NAMES, [*shown, None], strict=False))

    def _number(self, used: Used, minutes: int) -> int:
        return int((self._clock() - used.started_at) // (minutes * 60))

    def _of(self, caller: Caller) -> Used:
        used = self._used.pop(caller.account_id, None) or Used(self._clock())
        self._used[caller.account_id] = used  # the last asked stands last, the first is forgotten
        return used


LIMITS: web.AppKey[Limits] = web.AppKey("CODEX_LIMITS", Limits)
