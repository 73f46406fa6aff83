"""An upstream that sends exactly the bytes of the test, and notes what became of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


class Abort:
    """Break the connection, as a dying proxy does."""


@dataclass(frozen=True)
class Pause:
    """Send nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Raw:
    """Write these bytes in place of an HTTP response, and close the connection."""

    data: bytes


STALL = Pause(3600)
Known = bytes | Abort | Pause | Raw | dict[str, Any]
Step = Known | Callable[["Turn"], "Known"]


@dataclass
class Turn:
    """One turn that this upstream was sent."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str = ""
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Head:
    """The head of the next answer, before its steps."""

    status: int = 200
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)


class ScriptedUpstream:
    """Answers each turn by the next script; the last one is used for all later turns."""

    def __init__(self) -> None:
        self.url = ""
        self.runner: web.AppRunner | None = None
        self.scripts: list[tuple[Head, list[Step]]] = []
        self.turns: list[Turn] = []
        self.resumed: list[Turn] = []
        self.resume_script: tuple[Head, list[Step]] = (Head(410), [{"detail": {"code": "gone"}}])
        self.hidden: list[str] = []
        self.stopped: list[str] = []
        self.stored: dict[str, Any] = {}
        """The stored conversation: one answer for all reads, or a list with one for each, the last
        one again and again; an answer is an object, a status, or bytes sent under status 200."""
        self.looks: list[str] = []
        self.refreshes: list[str] = []
        self.lists_asked = 0
        self.access_token = "fk-scripted-access-token"
        self.refused_tokens: set[str] = set()

    def plays(self, *steps: Step, head: Head | None = None) -> None:
        """Use this script for the next turn."""
        self.scripts.append((head or Head(), list(steps)))

    async def stop(self) -> None:
        """Stop listening."""
        if self.runner is not None:
            await self.runner.cleanup()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/{p:.*}backend-api/conversation", self._turn)
        app.router.add_post("/{p:.*}backend-api/f/conversation/resume", self._resume)
        app.router.add_post("/{p:.*}backend-api/stop_conversation", self._stop)
        app.router.add_patch("/{p:.*}backend-api/conversation/{id}", self._hide)
        app.router.add_get("/{p:.*}backend-api/conversation/{id}", self._stored)
        app.router.add_get("/{p:.*}backend-api/models", self._models)
        app.router.add_post("/api/auth/refresh", self._refresh)
        return app

    async def _turn(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.refused_tokens:
            return web.json_response(
                {"detail": {"code": "token_expired", "message": "old"}}, status=401
            )
        turn = Turn(orjson.loads(await request.read()), dict(request.headers), request.path)
        self.turns.append(turn)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return await self._play(request, turn, *script)

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        turn = Turn(orjson.loads(await request.read()), dict(request.headers), request.path)
        self.resumed.append(turn)
        return await self._play(request, turn, *self.resume_script)

    async def _play(
        self, request: web.Request, turn: Turn, head: Head, steps: list[Step]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=head.status, headers=head.headers)
        response.content_type = head.content_type
        try:
            for made in steps:
                step = made(turn) if callable(made) else made
                if isinstance(step, Abort | Raw):
                    _break(request.transport, step)
                    return response
                if isinstance(step, Pause):
                    await self._pause(request, step.seconds)
                    continue
                if not response.prepared:
                    await response.prepare(request)
                await response.write(step if isinstance(step, bytes) else orjson.dumps(step))
            if not response.prepared:
                await response.prepare(request)
            await response.write_eof()
        finally:
            turn.closed.set()
        return response

    async def _pause(self, request: web.Request, seconds: float) -> None:
        """Wait, but not after the peer has gone."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            await asyncio.sleep(min(left, 0.02))

    async def _stop(self, request: web.Request) -> web.Response:
        self.stopped.append((await request.json())["conversation_id"])
        return web.json_response({"success": True})

    async def _hide(self, request: web.Request) -> web.Response:
        assert await request.json() == {"is_visible": False}
        self.hidden.append(request.match_info["id"])
        return web.json_response({"success": True})

    async def _stored(self, request: web.Request) -> web.Response:
        conversation_id = request.match_info["id"]
        self.looks.append(conversation_id)
        stored = self.stored.get(conversation_id, 404)
        if isinstance(stored, list):
            stored = stored.pop(0) if len(stored) > 1 else stored[0]
        if isinstance(stored, bytes):
            return web.Response(body=stored, content_type="application/json")
        if isinstance(stored, int):
            return web.json_response({"detail": "none"}, status=stored)
        return web.json_response(stored)

    async def _models(self, request: web.Request) -> web.Response:
        self.lists_asked += 1
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.refused_tokens:
            return web.json_response({"detail": {"code": "token_expired"}}, status=401)
        return web.json_response({"models": [{"slug": "gpt-4o"}, {"slug": "gpt-9"}]})

    async def _refresh(self, request: web.Request) -> web.Response:
        self.refreshes.append(str((await request.post())["refresh_token"]))
        return web.json_response({"access_token": self.access_token, "expires_in": 86400})


def _break(transport: asyncio.Transport | None, step: Abort | Raw) -> None:
    """End a connection, at once or after these last bytes."""
    if transport is None:
        return
    if isinstance(step, Abort):
        transport.abort()
        return
    transport.write(step.data)
    transport.close()


@asynccontextmanager
async def scripted_upstream() -> AsyncIterator[ScriptedUpstream]:
    """Run one on a free port of loopback."""
    upstream = ScriptedUpstream()
    upstream.runner = runner = web.AppRunner(
        upstream.app(), handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()


# --- the bytes of a turn --------------------------------------------------------------


def event(value: Any, name: str = "") -> bytes:
    """Return one event with this data."""
    head = f"event: {name}\n".encode() if name else b""
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return head + b"data: " + data + b"\n\n"


def answer(text: str, message_id: str = "a1", **fields: Any) -> bytes:
    """Return a v0 event of an answer that has grown so far."""
    message = {
        "id": message_id,
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": [text]},
        "status": "in_progress",
        "recipient": "all",
        "metadata": {"message_type": "next", "model_slug": "gpt-4o"},
        **fields,
    }
    return event({"message": message, "conversation_id": "c1", "error": None})


def final(text: str, message_id: str = "a1", **fields: Any) -> bytes:
    """Return the last v0 event of an answer."""
    done = {"status": "finished_successfully", "end_turn": True}
    return answer(text, message_id, **{**done, **fields})


DONE = event(b"[DONE]")
