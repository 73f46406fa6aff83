"""When a turn is sent again, while nothing of its answer has come (spec 3, `upstream.retries`)."""

import random
from http import HTTPStatus

from service.vocabulary.errors import UpstreamRefusedError, UpstreamUnreachableError

# Spec 3, upstream.retries: when the upstream asks for a longer wait, the caller is told at once.
MAX_LIMIT_WAIT_SECONDS = 5.0
_PASSING_STATUSES = (502, 503, 504)
_FIRST_PAUSE_SECONDS = 0.25


def pause_before_retry(
    error: UpstreamUnreachableError | UpstreamRefusedError, tries: int
) -> float | None:
    """Return the seconds to wait before the turn is sent again, None if it must not be."""
    wait = error.retry_after_seconds
    pause: float = _FIRST_PAUSE_SECONDS * 2 ** (tries - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
    if isinstance(error, UpstreamUnreachableError):
        return pause
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return wait if wait is not None and wait <= MAX_LIMIT_WAIT_SECONDS else None
    if error.upstream_status not in _PASSING_STATUSES:
        return None
    if wait is not None and wait > MAX_LIMIT_WAIT_SECONDS:
        return None
    return max(pause, wait or 0.0)
