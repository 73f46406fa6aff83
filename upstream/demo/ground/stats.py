"""What has happened, for people and tests: `GET /demo/stats` and its kin."""

import time
from collections import Counter, deque
from typing import Any

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from upstream.demo.ground.delivery import Streams

KEPT_REQUESTS = 50
KEPT_TURNS = 100
KEPT_PLAYS = 50_000
COUNTED = (
    *("resumes", "prepares", "uploads", "downloads", "spoken", "transcribed", "arkose"),
    *("bearer_on_foreign_download", "bearer_on_foreign_upload"),
)
HIDDEN_HEADERS = ("X-Conduit-Token", "Openai-Sentinel-Arkose-Token")
"""Credentials: only their presence is told."""
SHOWN_HEADERS = ("chatgpt-account-id", "user-agent", "accept", "content-type")


class Play(msgspec.Struct):
    """The scene played for a marked turn; status 0: no turn had the mark."""

    mark: str
    fault: str
    scenario: str = ""
    status: int = 0


def seen(request: web.Request, shown: tuple[str, ...]) -> dict[str, Any]:
    """Return the record of a request, with those of its headers that may be shown."""
    headers = {name: request.headers[name] for name in shown if name in request.headers}
    told = {"at": round(time.time(), 3), "method": request.method, "path": request.path}
    return {**told, "headers": headers}


class Stats:
    """Counters of one demo upstream."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.streams = Streams()
        self.refreshes: Counter[str] = Counter()
        self.turns_by_status: Counter[str] = Counter()
        self.turns_by_scenario: Counter[str] = Counter()
        self.turns_by_fault: Counter[str] = Counter()
        self.stopped: deque[str] = deque(maxlen=KEPT_TURNS)
        self.hidden: deque[str] = deque(maxlen=KEPT_TURNS)
        self.turn_bodies: deque[dict[str, Any]] = deque(maxlen=KEPT_TURNS)
        self.plays: deque[Play] = deque(maxlen=KEPT_PLAYS)
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)

    def note_request(self, request: web.Request) -> None:
        """Remember a request, without its secrets."""
        hidden = {name.lower(): "present" for name in HIDDEN_HEADERS if name in request.headers}
        told = seen(request, SHOWN_HEADERS)
        told["headers"] |= hidden
        self.requests.append({**told, "has_authorization": "Authorization" in request.headers})

    def as_json(self) -> dict[str, Any]:
        """Return everything, as `/demo/stats` answers."""
        return {
            "refreshes": {"total": self.refreshes.total(), "by_token": dict(self.refreshes)},
            "turns": {
                "total": self.counts["turns"],
                "by_status": dict(self.turns_by_status),
                "by_scenario": dict(self.turns_by_scenario),
                "by_fault": dict(self.turns_by_fault),
            },
            "turns_open": self.streams.now.total(),
            "most_turns_open": dict(self.streams.most),
            "turns_closed_by_peer": self.streams.left,
            **{name: self.counts[name] for name in COUNTED},
            "stops": list(self.stopped),
            "hidden": list(self.hidden),
            "requests": list(self.requests),
        }


STATS: web.AppKey[Stats] = web.AppKey("STATS", Stats)


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Remember every request but those that look at the memory."""
    if not request.path.startswith("/demo/"):
        request.app[STATS].note_request(request)
    return await handler(request)


async def get_stats(request: web.Request) -> web.Response:
    """Answer all counters."""
    return web.json_response(request.app[STATS].as_json())


async def get_plays(request: web.Request) -> web.Response:
    """Answer what was played for each turn with a mark, the oldest first."""
    plays = msgspec.json.encode(list(request.app[STATS].plays))
    return web.Response(body=plays, content_type="application/json")


async def get_turn(request: web.Request) -> web.Response:
    """Answer the body of the nth last turn request; 1 is the last one."""
    bodies = request.app[STATS].turn_bodies
    position = int(request.match_info["n"])
    if not 1 <= position <= len(bodies):
        raise web.HTTPNotFound(text="{}", content_type="application/json")
    return web.Response(body=orjson.dumps(bodies[-position]), content_type="application/json")
