"""When a turn is tried again, and what is changed for it (codex 1.3, 2.3, 3).

    401                         a fresh token, once
    invalid_encrypted_content   without what is sealed, once
    no such way of drawing      by the model's tool, once
    a passing fault             as it is, after a pause, `upstream.retries` times

All of it only while nothing of an answer has come.
"""

import re
from enum import Enum, auto
from http import HTTPStatus

from msgspec import Struct

from service.upstream_errors.codex_refusals import (
    UNSEALABLE,
    CodexRefusedError,
    Judged,
    UsageLimit,
)
from service.vocabulary.errors import UpstreamRefusedError, UpstreamUnreachableError
from service.vocabulary.events import Outcome, TurnEnded
from upstream.http.retries import pause_before_retry

Fault = UpstreamUnreachableError | UpstreamRefusedError

_NO_WAY = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
_FIELDS = re.compile(r"\b(?:stream|partial_images|mask)\b")  # that sources disagree about (codex 5)


class Change(Enum):
    """What is changed for the next try."""

    TOKEN = auto()
    UNSEALED = auto()
    BY_TOOL = auto()
    NOTHING = auto()


class Repair(Struct, frozen=True):
    """The next try: what is changed for it, and seconds before it."""

    change: Change
    pause: float = 0.0


class Repairs:
    """What has been tried for one turn.

    Args:
        retries: how often it may be sent again as it is.
        can_renew: whether the caller's token can be had anew.
        has_sealed: whether it carries what the back end may refuse to unseal.
        is_order: it orders pictures in a way that the back end may not have.
    """

    def __init__(
        self, retries: int, *, can_renew: bool, has_sealed: bool, is_order: bool = False
    ) -> None:
        self._left = retries
        self._tries = 0
        self._can_renew = can_renew
        self._has_sealed = has_sealed
        self._is_order = is_order

    def after(self, fault: Fault) -> Repair | None:
        """Return the repair to try after a fault, None if none is worth it; each is returned once."""
        status = fault.upstream_status if isinstance(fault, UpstreamRefusedError) else None
        if status == HTTPStatus.UNAUTHORIZED and self._can_renew:
            self._can_renew = False
            return Repair(Change.TOKEN)
        if fault.code == UNSEALABLE and self._has_sealed:
            self._has_sealed = False
            return Repair(Change.UNSEALED)
        if self._is_order and is_no_way(fault):
            self._is_order = False
            return Repair(Change.BY_TOOL)
        if isinstance(fault, UpstreamRefusedError) and fault.failure().is_final:
            return None  # an account at its limit rests, however short the time is
        pause = pause_before_retry(fault, self._tries + 1)
        if pause is None or self._tries >= self._left:
            return None
        self._tries += 1
        return Repair(Change.NOTHING, pause)


def is_no_way(fault: Fault) -> bool:
    """Tell whether a fault means that the back end draws in no such way, or not with this field."""
    if not isinstance(fault, UpstreamRefusedError):
        return False
    if fault.upstream_status == HTTPStatus.BAD_REQUEST:
        named = fault.upstream_param if isinstance(fault, CodexRefusedError) else ""
        return named == "model" or bool(_FIELDS.search(f"{named} {fault.message}"))
    return fault.upstream_status in _NO_WAY


def fault_of(ended: TurnEnded, limit: UsageLimit | None) -> Fault | None:
    """Return the error that an end of status 200 stands for, None for one that no try changes."""
    if ended.failure is None:
        return None
    if ended.outcome is Outcome.CUT:
        return UpstreamUnreachableError(ended.failure.message)
    if ended.outcome in (Outcome.FAILED, Outcome.REFUSED):
        return CodexRefusedError(Judged(ended.failure, limit), ended.failure.status)
    return None
