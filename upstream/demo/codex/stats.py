"""What was seen of the callers, for people and tests: `GET /demo/codex/stats` and its kin.

A complaint is something that the real back end would let pass and a good client does not do,
such as the name of another client, or a cookie that another account was given.
"""

import re
import secrets
from collections import Counter, deque
from typing import Any

import orjson
from aiohttp import web

from upstream.demo.codex.accounts import Caller
from upstream.demo.ground.delivery import Streams, short_hash
from upstream.demo.ground.stats import seen

KEPT_REQUESTS = 100
KEPT_BODY_BYTES = 32 * 1024 * 1024
"""Of all bodies together; the last one is kept whatever its size."""
SHOWN_HEADERS = (
    *("originator", "user-agent", "accept", "content-type", "openai-beta", "if-none-match"),
    *("session_id", "session-id", "thread-id", "x-client-request-id", "chatgpt-account-id"),
    *("x-openai-fedramp", "x-openai-internal-codex-responses-lite"),
)
COUNTED = (
    *("exchanges", "tokens_by_json", "tokens_by_form", "logins", "revocations"),
    "asked_while_resting",
)
CDN_COOKIE, OTHER_COOKIE = "__cf_bm", "demo_codex_note"
_TELEMETRY = {
    *("x-codex-installation-id", "x-codex-window-id", "x-codex-beta-features"),
    *("x-codex-turn-metadata", "version"),
}
_CLI_AGENT = re.compile(r"^codex", re.IGNORECASE)
_BARE_AGENT = re.compile(r"^(python|aiohttp|openai|node|axios|curl|$)", re.IGNORECASE)

SeenBody = tuple[str, bytes]
"""A path, and the body that came to it."""


class Stats:
    """Counters of one demo's Codex upstream."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.streams = Streams()
        self.exchanges: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.by_play: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()
        self._requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._bodies: deque[SeenBody] = deque(maxlen=KEPT_REQUESTS)

    def note_body(self, path: str, raw: bytes) -> None:
        """Keep a body, and forget the oldest ones."""
        self._bodies.append((path, raw))
        while len(self._bodies) > 1 and self._body_bytes() > KEPT_BODY_BYTES:
            self._bodies.popleft()

    def note_request(self, request: web.Request, status: int) -> None:
        """Remember a request and its status, without its secrets."""
        self.by_status[f"{request.path} {status}"] += 1
        told = {
            "path": request.path_qs if request.method == "GET" else request.path,
            "status": status,
            "header_names": sorted({name.lower() for name in request.headers}),
            "cookie_names": sorted(request.cookies),
        }
        self._requests.append(seen(request, SHOWN_HEADERS) | told)

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

    def body(self, position: int) -> SeenBody | None:
        """Return the nth last body, if it is kept; 1 is the last one."""
        return self._bodies[-position] if 1 <= position <= len(self._bodies) else None

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {
            **{name: self.counts[name] for name in COUNTED},
            "closed_by_peer": self.streams.left,
            "exchanges_by_account": dict(self.exchanges),
            "by_status": dict(self.by_status),
            "by_play": dict(self.by_play),
            "complaints": dict(self.complaints),
            "streams_open": self.streams.now.total(),
            "most_streams_open": dict(self.streams.most),
            "requests": list(self._requests),
        }

    def _body_bytes(self) -> int:
        return sum(len(raw) for _, raw in self._bodies)


STATS: web.AppKey[Stats] = web.AppKey("CODEX_STATS", Stats)
CALLER: web.RequestKey[Caller] = web.RequestKey("CODEX_CALLER", Caller)
IS_BARE: web.RequestKey[bool] = web.RequestKey("CODEX_IS_BARE", bool)
"""Whether the answer goes without a Content-Type."""


def cookies_of(account_id: str) -> tuple[str, ...]:
    """Return the cookies that a CDN and others set, which tell accounts apart."""
    own = short_hash(account_id)
    secret = f"{own}-{secrets.token_hex(8)}"
    return (f"{CDN_COOKIE}={secret}; Path=/; HttpOnly", f"{OTHER_COOKIE}={own}; Path=/")


async def get_stats(request: web.Request) -> web.Response:
    """Answer all counters."""
    raw = orjson.dumps(request.app[STATS].as_json())
    return web.Response(body=raw, content_type="application/json", charset="utf-8")


async def get_body(request: web.Request) -> web.Response:
    """Answer the nth last body as it came, its path in a header; 1 is the last one."""
    seen = request.app[STATS].body(int(request.match_info["n"]))
    if seen is None:
        raise web.HTTPNotFound(text="{}", content_type="application/json")
    path, raw = seen
    return web.Response(body=raw, content_type="application/json", headers={"X-Demo-Path": path})
