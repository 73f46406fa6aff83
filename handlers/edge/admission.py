"""Admits requests: as many as the gateway serves at once, and only with a valid gateway key.

Every request passes here before its handler runs, except those for operators.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from handlers.edge.headers import CREDENTIAL, sent_credentials
from handlers.edge.links import is_admin_request
from handlers.edge.record import RECORD
from service.keys import CONFIG, GATEWAY_KEYS, KEY_LIMITS
from service.vocabulary.errors import AuthError, KeyScopeError, OverloadedError
from service.vocabulary.gateway_keys import GatewayKey, Granted, is_gateway_key

GATEWAY_KEY = web.RequestKey("GATEWAY_KEY", GatewayKey)  # set for gateway keys only

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# For probes and monitoring: a busy gateway must not be restarted because it is busy.
_FOR_OPERATORS = frozenset({"/healthz", "/readyz", "/metrics"})
_BUSY_SECONDS = 5.0  # of Retry-After


class _OpenRequests:
    """The number of requests that this process is answering: a context counts one for its block.

    Raises:
        OverloadedError: there are too many; a limit of 0 means none.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0

    def __enter__(self) -> None:
        if self._limit and self._number >= self._limit:
            message = (
                "The server is currently overloaded with other requests; "
                "please try again in a few seconds."
            )
            raise OverloadedError(message, retry_after_seconds=_BUSY_SECONDS)
        self._number += 1

    def __exit__(self, *_: object) -> None:
        self._number -= 1


_OPEN = web.AppKey("_OPEN", _OpenRequests)


def install_admission(app: web.Application) -> None:
    """Put the limits in front of the application's routes."""
    app[_OPEN] = _OpenRequests(app[CONFIG].server.max_requests)
    app.middlewares.append(admission)


@web.middleware
async def admission(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit a request, with the credential that its gateway key stands for.

    Raises:
        OverloadedError: there are too many requests.
        AuthError: the gateway key is unknown, or was revoked.
        KeyScopeError: it is for another account.
        KeyLimitError: it has reached one of its limits.
        StorageError: the gateway keys cannot be read.
    """
    if request.path in _FOR_OPERATORS:
        return await handler(request)
    with request.app[_OPEN]:
        granted = _granted(request)
        if granted is None:
            return await handler(request)
        request[CREDENTIAL] = granted.credential
        request[GATEWAY_KEY] = granted.key
        record = request[RECORD]
        record.gateway_key, record.credential = granted.key.id, granted.credential
        async with request.app[KEY_LIMITS].admitted(granted.key):
            return await handler(request)


def _granted(request: web.Request) -> Granted | None:
    """Return the key record and credential of the request's gateway key, None if it has none.

    Of several keys the first valid one counts.
    """
    keys = request.app.get(GATEWAY_KEYS)
    if keys is None or is_admin_request(request):
        return None
    try:
        sent = sent_credentials(request)
    except AuthError:
        return None  # a handler that needs a credential refuses it
    refused: AuthError | None = None
    for one in sent:
        if not is_gateway_key(one.token):
            request[CREDENTIAL] = one
            return None
        try:
            granted = keys.find(one.token)
        except AuthError as error:
            refused = refused or error
            continue
        if one.account_id not in (None, granted.credential.account_id):
            raise KeyScopeError("This key is for one account only; leave the account id out.")
        return granted
    if refused is not None:
        raise refused
    return None
