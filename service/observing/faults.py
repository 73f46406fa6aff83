"""The log of bugs: a traceback without the caller's secrets, which a library may quote in it."""

import logging
import traceback
from collections.abc import Iterable

from service.observing.redaction import REDACTED

_log = logging.getLogger("gateway.faults")


def log_fault(error: Exception, request_id: str, secrets: Iterable[str]) -> None:
    """Log a bug with its traceback.

    Args:
        error: as it was raised.
        request_id: of the request that met it.
        secrets: of the caller, the longest first.
    """
    trace = "".join(traceback.format_exception(error)).rstrip()
    for secret in secrets:
        trace = trace.replace(secret, REDACTED)
    _log.error("unhandled fault in request %s\n%s", request_id, trace)
