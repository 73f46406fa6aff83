"""Calls to Codex's back end: its headers, its errors, its cookies (codex 2.1, 2.2, 4).

They are made under the gateway's own name, without anything of another client's. No
`aiohttp.ClientError` leaves, as in `upstream/http/backend.py`, which this stands on.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import yarl
from msgspec import Struct

from service.settings.config import CodexConfig
from service.upstream_errors.codex_refusals import CodexRefusedError, codex_refusal
from service.vocabulary.credentials import Caller, account_in
from service.vocabulary.errors import UpstreamError
from upstream.codex.connection.cookies import AccountCookies
from upstream.http.backend import MAX_ERROR_BYTES, USER_AGENT, Backend, is_good, may_repeat, pause
from upstream.http.bodies import long_json_object, read_limited, read_start
from upstream.line.tapped_session import UpstreamAnswer

MAX_JSON_BYTES = 64 * 1024 * 1024  # ten pictures in base64
_EVENTS = "text/event-stream"
_JSON = "application/json"
# Beside good answers, those that only a good credential gets.
_OF_ACCOUNTS = (
    HTTPStatus.NOT_MODIFIED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.TOO_MANY_REQUESTS,
)

Watch = Callable[[Caller, Mapping[str, str]], None]


class Answer(Struct, frozen=True):
    """What a call was answered with; `body` is None where the status says that nothing has changed."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any] | None


class Call(Struct, frozen=True):
    """One call: `path` stands below the base, or beside its last part where it begins with `../`.

    `data` is JSON. `is_counted`: it counts against the budget of a gateway key.
    """

    method: str
    path: str
    data: bytes | None = None
    params: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    seconds: float = 30
    is_counted: bool = False


class CodexBackend:
    """The back end, for one caller at a time.

    Args:
        config: under which name it is called.
        http: for connections; its only route is the base of the back end.
        clock: seconds since 1970.
    """

    def __init__(
        self, config: CodexConfig, http: Backend, clock: Callable[[], float] = time.time
    ) -> None:
        self.http = http
        self.clock = clock
        self._originator = config.originator
        self._cookies = AccountCookies()
        self._watches: list[Watch] = []

    def watch(self, watch: Watch) -> None:
        """Call this function with the headers of each answer and its caller."""
        self._watches.append(watch)

    def headers_for(self, caller: Caller, accept: str = _JSON) -> dict[str, str]:
        """Return the headers of a call of this caller."""
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": accept,
            "originator": self._originator,
            "Authorization": f"Bearer {caller.access_token}",
        }
        if caller.account_id:
            headers["ChatGPT-Account-Id"] = caller.account_id
        if account_in(caller.access_token).is_fedramp:
            headers["X-OpenAI-Fedramp"] = "true"
        if cookie := self._cookies.header(caller.account):
            headers["Cookie"] = cookie
        return headers

    def secrets_of(self, caller: Caller) -> list[str]:
        """Return the secrets that the back end is sent and errors may not repeat."""
        return [caller.access_token]

    def url(self, path: str) -> yarl.URL:
        """Return the address of a path below the base, or beside its last part."""
        root = self.http.routes.pick().root
        if path.startswith("../"):
            return yarl.URL(f"{root.rpartition('/')[0]}/{path.removeprefix('../')}")
        return yarl.URL(f"{root}/{path}")

    def heard(self, caller: Caller, response: UpstreamAnswer) -> None:
        """Take what the head of an answer says: cookies, and whatever others look for.

        Nothing is kept of one that does not show that the credential is good.
        """
        if not is_good(response.status) and response.status not in _OF_ACCOUNTS:
            return
        self._cookies.take(caller.account, response.headers.getall("Set-Cookie", ()))
        for watch in self._watches:
            watch(caller, response.headers)

    async def refusal_of(self, response: UpstreamAnswer, caller: Caller) -> CodexRefusedError:
        """Return the error for an answer whose body was not read yet; closes it."""
        try:
            body = await read_start(response, MAX_ERROR_BYTES)
        except (aiohttp.ClientError, OSError):
            body = b""  # the status alone says enough
        finally:
            response.close()
        return self.refused(response.status, response.headers, body, caller)

    def refused(
        self, status: int, headers: Mapping[str, str], body: bytes, caller: Caller
    ) -> CodexRefusedError:
        """Return the error for an answer; a working route is no longer failing."""
        error = codex_refusal(status, headers, body, self.clock(), self.secrets_of(caller))
        self.http.note(self.http.routes.pick(), error)
        return error

    async def open(
        self, caller: Caller, path: str, data: bytes, headers: Mapping[str, str], seconds: float
    ) -> UpstreamAnswer:
        """Post JSON, and return the answer of status 200 that may be a stream, its body unread.

        A good answer often has no content type at all (codex 3); only a page is none.

        Raises:
            CodexRefusedError: it answered with an error or a page.
            UpstreamUnreachableError: no connection, or it broke.
            UpstreamTimeoutError: no answer within `seconds`.
        """
        every = {
            **self.headers_for(caller, accept=_EVENTS),
            "Accept-Encoding": "identity",  # a compressed stream would arrive in lumps
            "Content-Type": _JSON,
            **headers,
        }
        route = self.http.routes.pick()
        async with self.http.connecting(route, is_counted=True), asyncio.timeout(seconds):
            response = await self.http.post_turn(self.url(path), data, every)
            self.heard(caller, response)
            is_page = "html" in response.headers.get("Content-Type", "").lower()
            if response.status != HTTPStatus.OK or is_page:
                raise await self.refusal_of(response, caller)
        self.http.routes.recover(route)
        return response

    async def call(self, caller: Caller, call: Call) -> Answer:
        """Make a call and return its answer; only a GET is sent again after a passing fault.

        Raises:
            CodexRefusedError: an error status, or an answer that is no JSON object.
            UpstreamProtocolError: the answer is over the size that is read.
            UpstreamTimeoutError: no answer in time.
            UpstreamUnreachableError: no connection, or it broke.
        """
        most = self.http.retries if call.method == "GET" else 0
        tries = 0
        while True:
            tries += 1
            try:
                return await self._attempt(caller, call)
            except UpstreamError as error:
                if tries > most or not may_repeat(error, is_safe=True):
                    raise
            await pause(tries)

    async def _attempt(self, caller: Caller, call: Call) -> Answer:
        route, url = self.http.routes.pick(), self.url(call.path)
        data = None
        if call.data is not None:
            data = aiohttp.BytesPayload(call.data, content_type=_JSON)
        async with (
            self.http.connecting(route, is_counted=call.is_counted),
            asyncio.timeout(call.seconds),
            self.http.session.request(
                call.method,
                url.update_query(call.params) if call.params else url,
                data=data,
                headers={**self.headers_for(caller), **call.headers},
                allow_redirects=False,
            ) as response,
        ):
            self.heard(caller, response)
            raw = await read_limited(response, MAX_JSON_BYTES)
        if response.status == HTTPStatus.NOT_MODIFIED:
            self.http.accepted(caller)
            return Answer(response.status, response.headers, None)
        body = await long_json_object(raw)
        if not is_good(response.status) or body is None or body.get("error") or body.get("detail"):
            raise self.refused(response.status, response.headers, raw[:MAX_ERROR_BYTES], caller)
        self.http.routes.recover(route)
        self.http.accepted(caller)
        return Answer(response.status, response.headers, body)
