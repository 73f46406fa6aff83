"""The exception tree. Every branch names whose fault it was and its HTTP status.

    ServiceError                     500
      RequestError                   400  the caller's request is wrong
        NotFoundError                404
        MethodNotAllowedError        405
        UpgradeRequiredError         426
        BodySizeError                413
        UnmetDemandError             400  the model would not answer in the form asked for
      AuthError                      401  this credential is known to be dead, or missing
      SlowBodyError                  408  the request's body does not come
      KeyScopeError                  403  this gateway key is not for that
      QueueFullError                 429  too many turns of this account wait here
      KeyLimitError                  429  this gateway key asks more than it may
      OverloadedError                503  too many requests at once, whosever they are
      UpstreamError                  502  the upstream broke
        UpstreamProtocolError        502  its bytes are not what was promised
        UpstreamCutError             502  its body ended early
        EmptyResponseError           502  it ended the turn without an answer
        UpstreamRefusedError         as mapped from its status (protocol 4.2)
        UpstreamUnreachableError     502  no connection could be made
        UpstreamTimeoutError         504  it was silent for too long
      TokenServiceError              503  the token service has a passing fault
      UnconfirmedError               503  the upstream cannot be asked about this credential
      ShutdownError                  503  this gateway is being stopped
      StorageError                   500  disk, bucket or state store
        LockTimeoutError             500  a lock of the state store could not be had in time
        StorageFullError             507  this machine's disk is full

Anything else that leaves a module is a bug. Messages are for the caller: they
say what to do, hold no secret, and keep to the phrases of openai-wire 3.
"""

from typing_extensions import override

from service.vocabulary.events import Failure


class ServiceError(Exception):
    """Base of all errors that a caller may see.

    Args:
        message: a sentence for the caller.
        code: the error object's `code`, or None for the branch's own.
        param: the path of the offending field, if one is at fault.
        retry_after_seconds: how long to wait before the next try, if known.
    """

    status = 500
    type = "server_error"
    code: str | None = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        if code is not None:
            self.code = code

    @override
    def __str__(self) -> str:
        return self.message

    def failure(self) -> Failure:
        """Return the error as the record that ends a turn."""
        return Failure(
            status=self.status,
            message=self.message,
            type=self.type,
            code=self.code,
            param=self.param,
            retry_after_seconds=self.retry_after_seconds,
        )


class RequestError(ServiceError):
    """The request is wrong; sending it again will not help."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class NotFoundError(RequestError):
    """There is no such path, model, file or conversation."""

    status = 404
    code = "not_found"


NOT_OFFERED = "not_offered_by_account"  # code of what only accounts of the other upstream have


class MethodNotAllowedError(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class UpgradeRequiredError(RequestError):
    """The caller wants a WebSocket, which is not offered; clients know the status 426."""

    status = 426
    code = "upgrade_required"


class BodySizeError(RequestError):
    """The body is larger than a limit of this gateway."""

    status = 413
    code = "body_size_exceeded"


class UnmetDemandError(RequestError):
    """The model did not make the required call, or did not write the JSON that was asked for.

    It is a 400 because the caller has to change the request: the model has failed twice already,
    and clients retry every other status by themselves.
    """

    code = "tool_use_failed"


# LiteLLM tells a dead key from a wrong request by OpenAI's own sentence, not by the status.
WRONG_KEY = "Incorrect API key provided."


class AuthError(ServiceError):
    """The credential is missing or known to be dead."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class SlowBodyError(ServiceError):
    """The body of the request takes too long to arrive."""

    status = 408
    type = "invalid_request_error"
    code = "request_timeout"


class KeyScopeError(ServiceError):
    """The gateway key is valid, but not allowed to do this."""

    status = 403
    type = "permission_error"
    code = "permission_error"


class QueueFullError(ServiceError):
    """Too many turns of this account are waiting."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class KeyLimitError(ServiceError):
    """The gateway key has reached its limit of requests per minute or at once."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class OverloadedError(ServiceError):
    """This gateway already serves as many requests as it takes at once."""

    status = 503
    code = "server_overloaded"


class UpstreamError(ServiceError):
    """The upstream broke; the request was fine."""

    status = 502
    type = "upstream_error"
    code = "upstream_error"


class UpstreamProtocolError(UpstreamError):
    """The upstream's bytes are not what the protocol promises."""


class EmptyResponseError(UpstreamError):
    """The upstream ended the turn and nothing visible had arrived."""

    code = "empty_response"


class UpstreamCutError(UpstreamError):
    """The upstream's body ended before the answer was complete."""

    code = "upstream_cut"


class UpstreamUnreachableError(UpstreamError):
    """No connection to the upstream could be made."""


class UpstreamTimeoutError(UpstreamError):
    """The upstream was silent for longer than its limit."""

    status = 504
    code = "upstream_timeout"


class UpstreamRefusedError(UpstreamError):
    """The upstream answered with an error status, already translated in `failure`.

    `upstream_status` is the original status, for retries and cool-downs; `is_page` tells that the
    body was a CDN's page.
    """

    def __init__(self, failure: Failure, upstream_status: int, *, is_page: bool = False) -> None:
        super().__init__(
            failure.message,
            code=failure.code,
            param=failure.param,
            retry_after_seconds=failure.retry_after_seconds,
        )
        self.status = failure.status
        self.type = failure.type
        self.upstream_status = upstream_status
        self.is_page = is_page
        self._failure = failure

    @override
    def failure(self) -> Failure:
        return self._failure


class TokenServiceError(ServiceError):
    """The service that exchanges tokens has a passing fault."""

    status = 503
    type = "upstream_error"
    code = "token_service_unavailable"


class UnconfirmedError(ServiceError):
    """The upstream cannot be asked at present whether it accepts this credential."""

    status = 503
    type = "upstream_error"
    code = "upstream_unavailable"


class ShutdownError(ServiceError):
    """This gateway is being stopped."""

    status = 503
    code = "server_shutdown"


class StorageError(ServiceError):
    """The disk, the bucket or the state store failed."""

    code = "storage_error"


class LockTimeoutError(StorageError):
    """A lock of all processes was not free in time; callers see a translation of it."""


class StorageFullError(StorageError):
    """This machine's disk is full; a retry will not help until the operator makes room."""

    status = 507
    code = "insufficient_storage"
