"""Reads how much of an account's allowance is used, as Codex's back end reports it.

x-codex-primary-used-percent: 12.5      (codex 4; with `secondary`, and `x-<limit>-…` of others)
{"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 12.5, …}}}   (codex 3)
{"plan_type": "plus", "rate_limit": {"primary_window": {"used_percent": 12, …}}}       (wham/usage)
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from service.stages.codex.raw_events import Event
from service.vocabulary.native import LimitsKnown, LimitWindow

MAX_LIMITS = 16  # families of headers, or additional limits, per answer
_WINDOWS = ("primary", "secondary")
_USED = re.compile(r"x-([a-z0-9-]{1,64})-(?:primary|secondary)-used-percent")
_GENERAL = "codex"
_MAX_WORD_CHARS = 64
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_SECONDS_PER_MINUTE = 60


def limits_in_headers(headers: Mapping[str, str], now: float) -> list[LimitsKnown]:
    """Return the limits in the headers of an answer, the general one first.

    Args:
        headers: of the answer, names in any case.
        now: seconds since 1970, from which `reset-after-seconds` counts.
    """
    told = {name.lower(): value for name, value in headers.items()}
    families = {found[1] for name in told if (found := _USED.fullmatch(name))}
    names = sorted(families, key=lambda name: (name != _GENERAL, name))[:MAX_LIMITS]
    return [_family(told, name, now) for name in names]


def limits_in_event(event: Event) -> LimitsKnown | None:
    """Return the limits of a `codex.rate_limits` event, None where it has none."""
    limits = event.rate_limits or {}
    windows = [
        window
        for name in _WINDOWS
        if isinstance(limits.get(name), dict) and (window := _window(name, limits[name]))
    ]
    if not windows and event.credits is None:
        return None
    name = _name(event.metered_limit_name or event.limit_name)
    known = LimitsKnown(tuple(windows), name, plan=_word(event.plan_type))
    return _with_credits(known, event.credits or {})


def limits_in_usage(answer: Mapping[str, Any], now: float) -> list[LimitsKnown]:
    """Return the limits in an answer of `wham/usage`, the general one first."""
    plan, paid = _word(answer.get("plan_type")), answer.get("credits")
    general = LimitsKnown(_windows_of(answer.get("rate_limit"), now), plan=plan)
    found = [_with_credits(general, paid if isinstance(paid, dict) else {})]
    further = answer.get("additional_rate_limits")
    for entry in further[:MAX_LIMITS] if isinstance(further, list) else ():
        if not isinstance(entry, dict):
            continue
        if name := _name(entry.get("metered_feature") or entry.get("limit_name")):
            windows = _windows_of(entry.get("rate_limit"), now)
            found.append(LimitsKnown(windows, name, plan=plan))
    return found


def _family(told: Mapping[str, str], name: str, now: float) -> LimitsKnown:
    windows = []
    for which in _WINDOWS:
        start = f"x-{name}-{which}-"
        used = number(told.get(f"{start}used-percent"))
        if used is not None:
            minutes = number(told.get(f"{start}window-minutes"))
            at = number(told.get(f"{start}reset-at"))
            after = number(told.get(f"{start}reset-after-seconds"))
            resets_at = now + after if at is None and after is not None else at
            windows.append(LimitWindow(which, used, _whole(minutes), resets_at))
    is_general = name == _GENERAL
    return LimitsKnown(
        tuple(windows),
        _name(name),
        plan=_word(told.get("x-codex-plan-type")),
        has_credits=_flag(told.get("x-codex-credits-has-credits")) if is_general else None,
        is_unlimited=_flag(told.get("x-codex-credits-unlimited")) if is_general else None,
        credits_balance=_word(told.get("x-codex-credits-balance")) if is_general else "",
    )


def _windows_of(limit: object, now: float) -> tuple[LimitWindow, ...]:
    """Return the windows of a `rate_limit`, whose lengths are in seconds."""
    if not isinstance(limit, dict):
        return ()
    windows = []
    for name in _WINDOWS:
        entry = limit.get(f"{name}_window")
        used = number(entry.get("used_percent")) if isinstance(entry, dict) else None
        if isinstance(entry, dict) and used is not None:
            length, at = number(entry.get("limit_window_seconds")), number(entry.get("reset_at"))
            after = number(entry.get("reset_after_seconds"))
            minutes = None if length is None else _whole(length / _SECONDS_PER_MINUTE)
            resets_at = now + after if at is None and after is not None else at
            windows.append(LimitWindow(name, used, minutes, resets_at))
    return tuple(windows)


def _window(name: str, entry: Mapping[str, Any]) -> LimitWindow | None:
    used = number(entry.get("used_percent"))
    if used is None:
        return None
    minutes, at = number(entry.get("window_minutes")), number(entry.get("reset_at"))
    return LimitWindow(name, used, _whole(minutes), at)


def _with_credits(limits: LimitsKnown, paid: Mapping[str, Any]) -> LimitsKnown:
    balance = paid.get("balance")
    return LimitsKnown(
        limits.windows,
        limits.name,
        limits.plan,
        has_credits=_flag(paid.get("has_credits")),
        is_unlimited=_flag(paid.get("unlimited")),
        credits_balance=_word(balance if isinstance(balance, str) else number_text(balance)),
    )


def number(value: object) -> float | None:
    """Return a number given as a number or as text, else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def number_text(value: object) -> str:
    """Return a number as text, empty for anything else."""
    found = number(value)
    return "" if found is None else f"{found:g}"


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _flag(value: object) -> bool | None:
    """Return the truth value of True, False, 1 or 0, as text in any case or not as text."""
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _name(value: object) -> str:
    """Return the name of a limit, the same from each of its forms; empty for the general one.

    Headers write `image-gen` what others write `image_gen`.
    """
    name = _word(value).replace("-", "_")
    return "" if name == _GENERAL else name


def _word(value: object) -> str:
    return value.strip()[:_MAX_WORD_CHARS] if isinstance(value, str) else ""
