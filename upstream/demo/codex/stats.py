"""What was seen of the callers, for people and tests: `GET /demo/codex/stats` and its kin.

A complaint is something that the real back end would let pass and a good client does not do,
such as the name of another client, or a cookie that another account was given.
"""

import hashlib
import re
import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.accounts import Caller

KEPT_REQUESTS = 100
KEPT_BODY_BYTES = 32 * 1024 * 1024
"""Of all bodies together; the last one is kept whatever its size."""
SHOWN_HEADERS = (
    *("originator", "user-agent", "accept", "content-type", "openai-beta", "if-none-match"),
    *("session_id", "session-id", "thread-id", "x-client-request-id", "chatgpt-account-id"),
    *("x-openai-fedramp", "x-openai-internal-codex-responses-lite"),
)
CDN_COOKIE, OTHER_COOKIE = "__cf_bm", "demo_codex_note"
_TELEMETRY = {
    *("x-codex-installation-id", "x-codex-window-id", "x-codex-beta-features"),
    *("x-codex-turn-metadata", "version"),
}
_CLI_AGENT = re.compile(r"^codex", re.IGNORECASE)
_BARE_AGENT = re.compile(r"^(python|aiohttp|openai|node|axios|curl|$)", re.IGNORECASE)


class SeenBody(msgspec.Struct, frozen=True):
    """A body as it came."""

    path: str
    raw: bytes


class Stats:
    """Counters of one demo's Codex upstream."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.exchanges: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.by_play: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self._open: Counter[str] = Counter()
        self._requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._bodies: deque[SeenBody] = deque()
        self._body_bytes = 0

    def note_exchange(self, refresh_token: str) -> None:
        """Count an exchange under a short hash of its account's name."""
        self.counts["exchanges"] += 1
        self.exchanges[short_hash(refresh_token.partition("~")[0])] += 1

    def note_body(self, path: str, raw: bytes) -> None:
        """Keep a body, and forget the oldest ones."""
        self._bodies.append(SeenBody(path, raw))
        self._body_bytes += len(raw)
        while len(self._bodies) > 1 and (
            self._body_bytes > KEPT_BODY_BYTES or len(self._bodies) > KEPT_REQUESTS
        ):
            self._body_bytes -= len(self._bodies.popleft().raw)

    def note_request(self, request: web.Request, status: int) -> None:
        """Remember a request and its status, without its secrets."""
        headers = request.headers
        self.by_status[f"{request.path} {status}"] += 1
        self._requests.append(
            {
                "at": round(time.time(), 3),
                "method": request.method,
                "path": request.path_qs if request.method == "GET" else request.path,
                "status": status,
                "headers": {name: headers[name] for name in SHOWN_HEADERS if name in headers},
                "header_names": sorted({name.lower() for name in headers}),
                "cookie_names": sorted(request.cookies),
            }
        )

    def note_manners(self, request: web.Request, caller: Caller) -> None:
        """Complain about what a good client does not send."""
        headers, cookies = request.headers, request.cookies
        agent, originator = headers.get("User-Agent", ""), headers.get("originator", "")
        own = short_hash(caller.account_id)
        found = {
            "imitation": _CLI_AGENT.match(agent) or _CLI_AGENT.match(originator),
            "no_originator": not originator,
            "bare_user_agent": _BARE_AGENT.match(agent),
            "telemetry": _TELEMETRY & {name.lower() for name in headers},
            "fedramp": ("X-OpenAI-Fedramp" in headers) != caller.is_fedramp,
            "crossed_cookie": not cookies.get(CDN_COOKIE, own).startswith(own),
            "kept_other_cookie": OTHER_COOKIE in cookies,
        }
        self.complaints.update(name for name, is_so in found.items() if is_so)

    @contextmanager
    def open_stream(self, account_id: str) -> Iterator[None]:
        """Count a stream as open for as long as it is being written."""
        key = short_hash(account_id)
        self._open[key] += 1
        self.most_open[key] = max(self.most_open[key], self._open[key])
        try:
            yield
        finally:
            self._open[key] -= 1

    def body(self, position: int) -> SeenBody | None:
        """Return the nth last body, if it is kept; 1 is the last one."""
        return self._bodies[-position] if 1 <= position <= len(self._bodies) else None

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {
            **dict.fromkeys(("exchanges", "logins", "asked_while_resting", "closed_by_peer"), 0),
            **self.counts,
            "exchanges_by_account": dict(self.exchanges),
            "by_status": dict(self.by_status),
            "by_play": dict(self.by_play),
            "complaints": dict(self.complaints),
            "streams_open": sum(self._open.values()),
            "most_streams_open": dict(self.most_open),
            "requests": list(self._requests),
        }


STATS: web.AppKey[Stats] = web.AppKey("CODEX_STATS", Stats)
CALLER: web.RequestKey[Caller] = web.RequestKey("CODEX_CALLER", Caller)
IS_BARE: web.RequestKey[bool] = web.RequestKey("CODEX_IS_BARE", bool)
"""Whether the answer goes without a Content-Type."""


def short_hash(name: str) -> str:
    """Return a name for an account in the counters."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def cookies_of(account_id: str) -> tuple[str, ...]:
    """Return the cookies that a CDN and others set, which tell accounts apart."""
    own = short_hash(account_id)
    secret = f"{own}-{secrets.token_hex(8)}"
    return (f"{CDN_COOKIE}={secret}; Path=/; HttpOnly", f"{OTHER_COOKIE}={own}; Path=/")


async def get_stats(request: web.Request) -> web.Response:
    """Answer all counters."""
    return web.json_response(
        request.app[STATS].as_json(), dumps=lambda it: orjson.dumps(it).decode()
    )


async def get_body(request: web.Request) -> web.Response:
    """Answer the nth last body as it came, its path in a header; 1 is the last one."""
    seen = request.app[STATS].body(int(request.match_info["n"]))
    if seen is None:
        raise web.HTTPNotFound(text="{}", content_type="application/json")
    headers = {"X-Demo-Path": seen.path}
    return web.Response(body=seen.raw, content_type="application/json", headers=headers)
