"""Calls to the upstream's companion endpoints (protocol 6), and what all its clients share.

The client of turns is a separate one and uses the headers, routes and errors of this one. No
`aiohttp.ClientError` leaves this module: a broken connection is the route's fault, an error status
becomes a refusal of `service/upstream_errors/refusals.py`.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import aiohttp_socks
import orjson
import yarl
from msgspec import Struct
from multidict import CIMultiDict
from typing_extensions import override

from service.observing.throttled import Throttled
from service.settings.config import UpstreamConfig
from service.upstream_errors.refusals import is_route_fault, refusal
from service.version import VERSION
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import (
    UpstreamError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from service.vocabulary.ledger.sent import note_sent
from upstream.http.bodies import json_object, long_json_object, read_limited, read_start
from upstream.http.routing import Route, Routes
from upstream.http.session import proxy_of
from upstream.line.direct import OWN_HEADERS, DirectPoster
from upstream.line.tapped_session import UpstreamAnswer, tapped_session

USER_AGENT = f"backend-to-v1/{VERSION}"
MAX_JSON_BYTES = 64 * 1024 * 1024  # a stored conversation of hundreds of turns
MAX_EVENTS_BYTES = 1024 * 1024  # of an answer in events: a dozen, a few hundred bytes each
MAX_ERROR_BYTES = 64 * 1024  # more than any error object; an HTML page may be cut off
_MIN_SECRET_CHARS = 8  # a shorter header value is a word that any sentence may have
_PAUSE_SECONDS = 0.2  # before the second try; doubles
_RETRIED_STATUSES = frozenset(
    {
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
# aiohttp-socks reports its proxy by errors of its own, none of them a ClientError.
_NO_CONNECTION = (
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientConnectorError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyError,
    aiohttp_socks.ProxyTimeoutError,
)
_LOGGER = logging.getLogger(__name__)


class FileForm(Struct, frozen=True):
    """A form with one file, which is read from the disk while it is sent."""

    path: Path
    name: str
    media_type: str
    fields: Mapping[str, str]


class Request(Struct, frozen=True):
    """One call: `path` is below `backend-api/`; `is_safe`: sending it twice does no harm.

    `is_counted`: it is counted against the budget of a gateway key.
    """

    method: str
    path: str
    body: object | None
    params: Mapping[str, str]
    seconds: float
    is_safe: bool = False
    is_counted: bool = False


class NoConnectionError(UpstreamUnreachableError):
    """No connection was made, so nothing was sent."""


class Backend:
    """The upstream's `backend-api`; each call names its caller.

    Args:
        config: how it is reached.
        routes: shared with the turns, so that both learn of a broken prefix.
        session: shared by the process.
    """

    def __init__(
        self, config: UpstreamConfig, routes: Routes, session: aiohttp.ClientSession
    ) -> None:
        self.routes = routes
        self.session = session
        self._proxy = proxy_of(config)
        has_own = any(name.lower() in OWN_HEADERS for name in config.headers)
        self._is_direct = config.direct and not config.proxy and not has_own
        self.retries = config.retries
        self.connect_seconds = config.connect_seconds
        self._throttled = Throttled()
        self._on_accepted: list[Callable[[Caller], None]] = []
        self._headers = config.headers
        self._kept_headers: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
        self._secrets = [v for v in config.headers.values() if len(v) >= _MIN_SECRET_CHARS]

    @cached_property
    def _direct(self) -> DirectPoster:
        return DirectPoster(self.session)

    @cached_property
    def _streams(self) -> aiohttp.ClientSession:
        """The session that sends turns where they are not sent directly."""
        return tapped_session(self.session, self._proxy)

    def post_turn(
        self, url: str | yarl.URL, data: bytes, headers: Mapping[str, str]
    ) -> Awaitable[UpstreamAnswer]:
        """Post a turn over the session's connections; awaited, the answer with its body unread.

        Raises:
            aiohttp.ClientError: no connection, or it was lost.
        """
        if self._is_direct:
            return self._direct.post(url, data, headers)
        return self._streams.post(url, data=data, headers=headers, allow_redirects=False)

    def watch(self, on_accepted: Callable[[Caller], None]) -> None:
        """Register a callback for each caller whom the upstream has answered successfully."""
        self._on_accepted.append(on_accepted)

    def accepted(self, caller: Caller) -> None:
        """Report an answer that shows the caller's token to be valid."""
        for tell in self._on_accepted:
            tell(caller)

    def headers_for(self, caller: Caller, accept: str = "application/json") -> dict[str, str]:
        """Return the headers of a call for this caller, the operator's own included."""
        account = {"ChatGPT-Account-ID": caller.account_id} if caller.account_id else {}
        return {
            **self._headers_but(accept, ("Authorization", *account)),
            "Authorization": f"Bearer {caller.access_token}",
            **account,
        }

    def _headers_but(self, accept: str, names: tuple[str, ...]) -> Mapping[str, str]:
        """Return the headers of every call, the operator's own included, but for these names."""
        kept = self._kept_headers.get((accept, names))
        if kept is None:
            headers = CIMultiDict({"User-Agent": USER_AGENT, "Accept": accept})
            headers.update(self._headers)
            for name in names:
                headers.popall(name, None)
            kept = self._kept_headers[accept, names] = dict(headers)
        return kept

    def bare_headers(self, *, is_own: bool) -> dict[str, str]:
        """Return the headers of a call without a bearer, with the operator's only if `is_own`."""
        headers = CIMultiDict({"User-Agent": USER_AGENT, "Accept": "*/*"})
        if is_own:
            headers.update(self._headers)
        return dict(headers)

    def refused(
        self, status: int, headers: Mapping[str, str], body: bytes, caller: Caller | None = None
    ) -> UpstreamRefusedError:
        """Return the error for an answer; it quotes neither the bearer nor the operator's keys."""
        return refusal(status, headers, body, self.secrets_of(caller))

    def secrets_of(self, caller: Caller | None) -> list[str]:
        """Return the secrets that are sent upstream and must not be repeated in errors."""
        return [*self._secrets, caller.access_token] if caller else self._secrets

    async def refusal_of(
        self, response: UpstreamAnswer, caller: Caller | None = None
    ) -> UpstreamRefusedError:
        """Return the error for an answer whose body is still unread; closes the answer."""
        try:
            body = await read_start(response, MAX_ERROR_BYTES)
        except (aiohttp.ClientError, OSError):
            body = b""  # the status alone says enough
        finally:
            response.close()
        return self.refused(response.status, response.headers, body, caller)

    async def call(  # noqa: PLR0913 - the parts of an HTTP request, all but three by name
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        body: object | None = None,
        params: Mapping[str, str] | None = None,
        seconds: float = 30,
    ) -> dict[str, Any]:
        """Return the JSON object that an endpoint below `backend-api/` answers with.

        A GET that fails for a passing reason is sent again, over another route if there is one. Any
        other call is sent again only if no connection was made.

        Raises:
            UpstreamRefusedError: an error status, or an error object under a good one.
            UpstreamProtocolError: the answer is over the size that is read.
            UpstreamTimeoutError: no answer within `seconds`.
            UpstreamUnreachableError: no connection, or it broke.
        """
        is_safe = method == "GET"
        request = Request(method, path, body, params or {}, seconds, is_safe=is_safe)
        return await self._call(caller, request)

    async def send_file(
        self, caller: Caller, path: str, form: FileForm, seconds: float
    ) -> dict[str, Any]:
        """Send a file and return the JSON object of the answer; it is sent again as a GET is.

        Raises:
            UpstreamError: as for `call`.
        """
        request = Request("POST", path, form, {}, seconds, is_safe=True, is_counted=True)
        return await self._call(caller, request)

    async def call_events(
        self, caller: Caller, path: str, body: object, seconds: float = 60
    ) -> list[dict[str, Any]]:
        """Return the JSON objects of an answer in lines, `{…}` or `data: {…}`.

        Raises:
            UpstreamError: as for `call`; nothing is sent twice.
        """
        request, route = Request("POST", path, body, {}, seconds), self.routes.pick()
        status, headers, raw = await self._exchange(caller, request, route, MAX_EVENTS_BYTES)
        if not is_good(status):
            raise self._noted(route, self.refused(status, headers, raw, caller))
        self.routes.recover(route)
        lines = (line.strip().removeprefix(b"data:") for line in raw.splitlines())
        return [event for line in lines if (event := json_object(line)) is not None]

    async def _call(self, caller: Caller, request: Request) -> dict[str, Any]:
        tried: list[Route] = []
        while True:
            route = self.routes.pick(tried)
            tried.append(route)
            try:
                return await self._attempt(caller, request, route)
            except UpstreamError as error:
                if len(tried) > self.retries or not may_repeat(error, is_safe=request.is_safe):
                    raise
                if is_fault_of_route(error) and self.routes.has_other(tried):
                    continue
            await pause(len(tried))

    async def _attempt(self, caller: Caller, request: Request, route: Route) -> dict[str, Any]:
        status, headers, raw = await self._exchange(caller, request, route)
        obj = await long_json_object(raw) if raw.strip() else {}
        is_fault = obj is None or bool(obj.get("detail") or obj.get("error"))
        if is_good(status) and obj is not None and not is_fault:
            self.routes.recover(route)
            self.accepted(caller)
            return obj
        raise self._noted(route, self.refused(status, headers, raw[:MAX_ERROR_BYTES], caller))

    async def _exchange(
        self, caller: Caller, request: Request, route: Route, max_bytes: int = 0
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = yarl.URL(route.url(f"backend-api/{request.path}"), encoded=True)
        headers = self.headers_for(caller)
        async with (
            _opened(request.body) as data,
            self.connecting(route, is_counted=request.is_counted),
            asyncio.timeout(request.seconds),
            self.session.request(
                request.method,
                url.update_query(request.params) if request.params else url,
                data=data,
                headers=headers,
                allow_redirects=False,
            ) as response,
        ):
            raw = await read_limited(response, max_bytes or MAX_JSON_BYTES)
        return response.status, response.headers, raw

    def _noted(self, route: Route, error: UpstreamRefusedError) -> UpstreamRefusedError:
        self.note(route, error)
        return error

    def note(self, route: Route, error: UpstreamRefusedError) -> None:
        """Cool the route down if the answer was its fault, else note that the route works."""
        if is_route_fault(error):
            self.routes.cool(route)
        else:
            self.routes.recover(route)

    def connecting(self, route: Route | None = None, *, is_counted: bool = False) -> "_Connecting":
        """Return a context that translates errors of the connection, and cools its route down.

        Args:
            route: that is taken.
            is_counted: what is sent over the connection counts against the key's budget.

        Raises:
            UpstreamUnreachableError: no connection was made, or it broke.
            UpstreamTimeoutError: it was too slow.
        """
        return _Connecting(self, route, is_counted=is_counted)

    def broke(self, route: Route | None, error: BaseException) -> None:
        """Note that a connection broke, or that none could be made."""
        if self._throttled.is_due(type(error).__name__):
            _LOGGER.warning("Connection to the upstream: %s", type(error).__name__)
        if route is not None:
            self.routes.cool(route)


class _Connecting(AbstractAsyncContextManager[None]):
    """See `Backend.connecting`."""

    def __init__(self, backend: Backend, route: Route | None, *, is_counted: bool) -> None:
        self._backend = backend
        self._route = route
        self._is_counted = is_counted

    @override
    async def __aenter__(self) -> None:
        return None

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, _NO_CONNECTION):
            self._backend.broke(self._route, error)
            raise NoConnectionError(
                "No connection to the upstream could be made; please try again later."
            ) from error
        if self._is_counted:
            note_sent()
        if isinstance(error, TimeoutError):
            raise UpstreamTimeoutError(
                "The upstream did not answer in time; please try again later."
            ) from error
        if isinstance(error, aiohttp.ClientError | OSError):
            self._backend.broke(self._route, error)
            raise UpstreamUnreachableError(
                "The connection to the upstream broke; please try again later."
            ) from error


@asynccontextmanager
async def _opened(
    body: object | None,
) -> AsyncGenerator[aiohttp.Payload | aiohttp.FormData | None, None]:
    """Hold the body to send: none, a form with an open file, or JSON."""
    if body is None:
        yield None
    elif isinstance(body, FileForm):
        with await asyncio.to_thread(body.path.open, "rb") as file:
            form = aiohttp.FormData()
            for name, value in body.fields.items():
                form.add_field(name, value)
            form.add_field("file", file, filename=body.name, content_type=body.media_type)
            yield form
    else:
        yield aiohttp.BytesPayload(orjson.dumps(body), content_type="application/json")


def is_good(status: int) -> bool:
    """Tell whether a status is a 2xx; a redirect of the backend counts as an error."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def may_repeat(error: UpstreamError, *, is_safe: bool) -> bool:
    """Tell whether a call may be sent again; `is_safe` means that sending it twice does no harm."""
    if isinstance(error, NoConnectionError):
        return True
    if isinstance(error, UpstreamRefusedError):
        return is_safe and error.upstream_status in _RETRIED_STATUSES
    return is_safe and isinstance(error, UpstreamUnreachableError)


def is_fault_of_route(error: UpstreamError) -> bool:
    """Tell whether the route is to blame, so that another one can be tried at once."""
    if isinstance(error, UpstreamRefusedError):
        return is_route_fault(error)
    return isinstance(error, UpstreamUnreachableError)


async def pause(tries: int) -> None:
    """Wait before the next try, exponentially longer and with jitter."""
    await asyncio.sleep(_PAUSE_SECONDS * 2 ** (tries - 1) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
