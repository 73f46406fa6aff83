"""An upstream that plays a part for each caller, told by the token: good, but for one place."""

import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from PIL import Image

from tests.scripted_codex import token_of
from tests.scripted_upstream import Head, ScriptedUpstream, Step, Turn

# A multiple of three letters each, so that they stay one run of letters in base64 as well.
MARKS = ACCESS_MARK, REFRESH_MARK, NEW_MARK, ROTATED_MARK = (
    "fk-canaryAccessTokenOfFaultRun",
    "canaryRefreshTokenOfFaultRuns0",
    "canaryExchangedTokenOfFaultRun",
    "canaryRotatedTokenOfFaultRuns0",
)
JSON_HEAD = Head(content_type="application/json")
_KEY = re.compile(r"(\d{6})\"?}?$")
_ROUTES = (
    ("POST", "backend-api/conversation", "turn"),
    ("POST", "backend-api/f/conversation/resume", "resume"),
    ("POST", "backend-api/stop_conversation", "stop"),
    ("GET", "backend-api/conversation/{id}", "stored"),
    ("GET", "backend-api/models", "models"),
    ("GET", "backend-api/accounts/check/v4-2023-04-27", "accounts"),
    ("POST", "backend-api/files", "announce"),
    ("PUT", "blob/{key}", "put"),
    ("POST", "backend-api/files/{id}/uploaded", "confirm"),
    ("POST", "backend-api/files/process_upload_stream", "process"),
    ("GET", "backend-api/files/{id}", "index"),
    ("GET", "backend-api/files/{id}/download", "link"),
    ("GET", "backend-api/files/download/{id}", "newer_link"),
    ("GET", "backend-api/conversation/{id}/interpreter/download", "link"),
    ("GET", "blob/{key}", "bytes"),
    ("POST", "api/auth/refresh", "refresh"),
    ("POST", "backend-api/codex/responses", "codex"),
    ("POST", "backend-api/codex/images/generations", "codex images"),
    ("POST", "backend-api/codex/images/edits", "codex edits"),
    ("POST", "backend-api/codex/responses/compact", "codex compact"),
    ("GET", "backend-api/codex/models", "codex models"),
    ("POST", "oauth/token", "codex refresh"),
)


def png() -> bytes:
    """Return a small picture."""
    content = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(content, "PNG")
    return content.getvalue()


PNG = png()


@dataclass(frozen=True)
class Script:
    """What is answered at one place; `then` is for all visits but the first."""

    steps: tuple[Step, ...]
    head: Head = field(default_factory=Head)
    then: "Script | None" = None


@dataclass
class Part:
    """What one caller meets: a script at some places, good answers at all others."""

    key: str
    scripts: dict[str, Script] = field(default_factory=dict)
    visits: dict[str, list[Turn]] = field(default_factory=dict)

    @property
    def access_token(self) -> str:
        """The token of a caller that has one already."""
        return f"{ACCESS_MARK}{self.key}"

    @property
    def refresh_token(self) -> str:
        """The token of a caller that has to exchange it."""
        return f"{REFRESH_MARK}{self.key}"

    def token(self, place: str, *, is_refreshing: bool = False) -> str:
        """The credential that is sent for turns of a place."""
        if not place.startswith("codex"):
            return self.refresh_token if is_refreshing else self.access_token
        return f"codex:{self.refresh_token}" if is_refreshing else self.codex_token()

    def codex_token(self, mark: str = ACCESS_MARK) -> str:
        """Return an access token of Codex's login, with a canary for a signature."""
        told = token_of(f"account-{self.key}", jti=str(self.count("codex refresh")))
        claims, _, _ = told.rpartition(".")
        return f"{claims}.{mark}{self.key}"

    def count(self, place: str) -> int:
        """Return how often a place was asked."""
        return len(self.visits.get(place, ()))

    def open(self) -> list[Turn]:
        """Return the answers that are still being written."""
        return [one for visits in self.visits.values() for one in visits if not one.closed.is_set()]


class FaultyUpstream(ScriptedUpstream):
    """Plays each caller's part; nothing is shared between callers."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, Part] = {}

    def part(self, scripts: Mapping[str, Script] | None = None) -> Part:
        """Return the part of a new caller."""
        made = Part(f"{len(self.parts) + 1:06}", dict(scripts or {}))
        self.parts[made.key] = made
        return made

    def app(self) -> web.Application:
        """Return the application; connections are not kept, so that each one left is a leak."""
        app = web.Application(client_max_size=1 << 26)
        for method, path, place in _ROUTES:
            app.router.add_route(method, "/{p:(?:.+/)?}" + path, self._at(place))
        app.on_response_prepare.append(_close_after)
        return app

    def _at(self, place: str) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            part = self.parts[_key(request, raw)]
            is_json = raw[:1] == b"{"
            turn = Turn(orjson.loads(raw) if is_json else {}, dict(request.headers), request.path)
            part.visits.setdefault(place, []).append(turn)
            script = part.scripts.get(place) or self._good(place, part)
            if script.then and part.count(place) > 1:
                script = script.then
            # A good stream of this back end has no content type (codex 3).
            head = (
                Head(content_type="") if place == "codex" and script.head == Head() else script.head
            )
            return await self._play(request, turn, head, list(script.steps))

        return handle

    def _good(self, place: str, part: Part) -> Script:
        """Return how a place answers that has no fault; a turn has none of its own."""
        blob = f"{self.url}/blob/{part.key}"
        if place == "put":
            return Script((), Head(201))
        if place == "bytes":
            return Script((PNG,), Head(content_type="image/png"))
        answers: dict[str, dict[str, Any]] = {
            "announce": {"status": "success", "upload_url": blob, "file_id": f"file-{part.key}"},
            "link": {"status": "success", "download_url": blob, "file_name": "a.png"},
            "index": {"retrieval_index_status": "success"},
            "models": {"models": [{"slug": "gpt-4o"}, {"slug": "gpt-9-of-the-account"}]},
            "accounts": {"accounts": {}},
            "refresh": {"access_token": f"{NEW_MARK}{part.key}", "expires_in": 86400},
            "codex models": {"models": [{"slug": "gpt-4o", "visibility": "list"}]},
            "codex refresh": {
                "access_token": part.codex_token(NEW_MARK),
                "refresh_token": f"{ROTATED_MARK}{part.key}",
                "expires_in": 86400,
            },
            "confirm": {"status": "success"},
            "stop": {"status": "success"},
        }
        if place in answers:
            return Script((answers[place],), JSON_HEAD)
        return Script(({"detail": "none"},), Head(404, "application/json"))


async def _close_after(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Connection"] = "close"
    if not response.headers.get("Content-Type"):
        response.headers.pop("Content-Type", None)
    response.force_close()


def _key(request: web.Request, raw: bytes) -> str:
    """Return whose part is asked for: by a bearer, a refresh token or an address."""
    if key := request.match_info.get("key"):
        return key
    bearer = request.headers.get("Authorization", "")
    found = _KEY.search(bearer) or _KEY.search(raw.decode("utf-8", "replace"))
    assert found, f"a call of nobody: {request.path}"
    return found[1]


@asynccontextmanager
async def faulty_upstream() -> AsyncIterator[FaultyUpstream]:
    """Run one on a free port of loopback."""
    upstream = FaultyUpstream()
    upstream.runner = runner = web.AppRunner(
        upstream.app(), handler_cancellation=True, shutdown_timeout=0.1, access_log=None
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=512).start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()
