"""Failures in Anthropic's dialect: the words for each status, and whether to retry.

The table of anthropic-wire 4 decides, and clients act on it: they do not retry permanent errors,
they shorten a prompt that is too long if the message says so, and they retry any other 400 five
times with parts left out. So only errors that the gateway itself has found are a 400.
"""

import re

from msgspec import UNSET, structs

from service.answers.messages import MessageError, MessageFault
from service.vocabulary.events import Failure

OVERLOADED = 529  # Anthropic's own status
MAX_CONTEXT_TOKENS = 128_000  # for a model that does not tell its own
THREAD_CODE = "thread_unsupported_request"
_UNMET_CODE = "tool_use_failed"  # two answers did not meet the demand
OVERFLOW_CODE = "context_length_exceeded"
REFUSAL_CODES = frozenset({"content_policy_violation", "cyber_policy", "invalid_prompt"})
_OVERLOADED_CODES = frozenset({"server_overloaded", "server_is_overloaded", "slow_down"})
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
_INDEX = re.compile(r"\[(\d+)\]")
_MISSING = "this field is required"
_WRONG, _FORBIDDEN, _ABSENT = 400, 403, 404
_REQUEST_FAULTS = range(400, 500)
_PASSING = frozenset({408, 409, 429})


def as_message_failure(failure: Failure) -> Failure:
    """Return a failure with the status, type and words of this dialect.

    A place in the request is `messages.0.content` here, `messages[0].content` in other dialects.
    """
    status = OVERLOADED if failure.code in _OVERLOADED_CODES else failure.status
    default = "invalid_request_error" if status in _REQUEST_FAULTS else "api_error"
    message = failure.message
    if failure.param and message.startswith(failure.param):
        rest = message.removeprefix(failure.param).replace(_MISSING, "Field required")
        message = _INDEX.sub(r".\1", failure.param) + rest
    return structs.replace(
        failure, status=status, type=_TYPES.get(status, default), message=message
    )


def of_turn(
    failure: Failure, input_tokens: int, context_tokens: int = MAX_CONTEXT_TOKENS
) -> Failure:
    """Return the failure of a turn that had begun.

    Args:
        failure: in the form of the other dialects.
        input_tokens: an estimate of the request's tokens.
        context_tokens: the model's limit.
    """
    if failure.code == OVERFLOW_CODE:
        return structs.replace(failure, message=_overflow(input_tokens, context_tokens))
    is_found_here = failure.param is not None and failure.code != _UNMET_CODE
    if failure.status == _WRONG and not is_found_here:
        return structs.replace(failure, status=_FORBIDDEN)
    if failure.status == _ABSENT and failure.code != "model_not_found":
        return structs.replace(failure, status=_FORBIDDEN)
    return failure


def _overflow(input_tokens: int, most: int) -> str:
    return (
        f"prompt is too long: {max(input_tokens, most + 1)} tokens > {most} maximum "
        f"(this model's maximum context length is {most} tokens; {OVERFLOW_CODE})"
    )


def is_permanent(status: int) -> bool:
    """Tell whether a retry is in vain, so that clients have to be told not to."""
    return status in _REQUEST_FAULTS and status not in _PASSING


def message_error(failure: Failure, request_id: str, partial: str = "") -> MessageError:
    """Return the error object of a failure, with the partial text."""
    told = as_message_failure(failure)
    details = {"error_code": THREAD_CODE, "unsupported": ["thread"]}
    fault = MessageFault(
        told.type,
        told.message,
        partial or UNSET,
        details if failure.code == THREAD_CODE else UNSET,
    )
    return MessageError(fault, request_id)
