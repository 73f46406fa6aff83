"""A back end of Codex that answers as the test says, and notes what it was sent.

says("Hi")          the events of a whole answer
token_of("acc-1")   an access token as that login makes it, with a made-up signature
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web

from service.program.assembly import make_app
from service.settings.config import Config
from tests.codex_feeding import body
from tests.scripted_upstream import Abort, Pause

Event = dict[str, Any]
Step = Event | bytes | Abort | Pause
BASE = "/backend-api/codex"
MODELS = [
    {
        "slug": "gpt-6-sol",
        "visibility": "list",
        "priority": 1,
        "supported_reasoning_levels": [{"effort": word} for word in ("low", "medium", "high")],
        "supports_reasoning_summaries": True,
        "context_window": 272_000,
        "input_modalities": ["text", "image"],
    },
    {"slug": "gpt-6-lite", "visibility": "list", "priority": 2, "use_responses_lite": True},
    {"slug": "gpt-6-hidden", "visibility": "hide", "priority": 0},
]


def token_of(account_id: str = "acc-1", plan: str = "plus", **claims: Any) -> str:
    """Return an access token of an account."""
    claim = {"chatgpt_account_id": account_id, "chatgpt_plan_type": plan}
    told = {"client_id": "app_EMoamEEZ73f0CkXaXp7hrann", "https://api.openai.com/auth": claim}
    made: str = jwt.encode({**told, **claims}, "a key that is long enough for any such algorithm")
    return made


def created(model: str = "gpt-6-sol") -> Event:
    """Return the first event of an answer."""
    return {"type": "response.created", "response": {"id": "resp_1", "model": model}}


def completed(**response: Any) -> Event:
    """Return the last event of an answer."""
    usage = {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    return {"type": "response.completed", "response": {"usage": usage, "output": [], **response}}


def message(text: str, index: int = 0, phase: str = "final_answer") -> list[Event]:
    """Return the events of a message."""
    item: Event = {"type": "message", "id": f"msg_{index}", "role": "assistant", "phase": phase}
    place = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
    whole = {**item, "content": [{"type": "output_text", "text": text, "annotations": []}]}
    return [
        added({**item, "content": []}, index),
        {"type": "response.output_text.delta", **place, "delta": text},
        done(whole, index),
    ]


def call(call_id: str, name: str, arguments: str, index: int = 0) -> list[Event]:
    """Return the events of a function call."""
    item = {"type": "function_call", "id": f"fc_{index}", "call_id": call_id, "name": name}
    place = {"item_id": f"fc_{index}", "output_index": index}
    return [
        added({**item, "arguments": ""}, index),
        {"type": "response.function_call_arguments.delta", **place, "delta": arguments},
        done({**item, "arguments": arguments}, index),
    ]


def added(item: Event, index: int = 0) -> Event:
    """Return the first event of an item."""
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: Event, index: int = 0) -> Event:
    """Return the last event of an item."""
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def says(text: str) -> list[Event]:
    """Return the events of an answer."""
    return [created(), *message(text), completed()]


def failed(code: str, words: str = "No.") -> Event:
    """Return the event of a failed answer."""
    error = {"code": code, "message": words}
    return {"type": "response.failed", "response": {"error": error}}


@dataclass
class Post:
    """A request that arrived; `closed` is set once its answer is over or its reader gone."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Script:
    """The answer to a turn."""

    steps: tuple[Step, ...]
    status: int
    headers: Mapping[str, str]


class ScriptedCodex:
    """Answers each turn by the next script; the last one is used for all later turns."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[Post] = []
        self.lists: list[web.Request] = []
        self.usages: list[web.Request] = []
        self.usage: tuple[int, Any] = (200, {})
        self.exchanged: list[Any] = []
        self.models: list[Event] = list(MODELS)
        self.models_status = 200
        self.etag = '"one"'
        self.held: asyncio.Event | None = None  # holds back the list of models
        self.tokens: list[str] = []  # results of exchanges, the last one again and again
        self._scripts: list[Script] = []

    @property
    def base_url(self) -> str:
        """The value for the setting `codex.base_url`."""
        return f"{self.url}{BASE}"

    def plays(self, *steps: Step, status: int = 200, **headers: str) -> None:
        """Use this script for the next turn: events, raw bytes, or a break."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._scripts.append(Script(steps, status, named))

    def refuses(self, status: int, **answer: Any) -> None:
        """Refuse the next turn with this object."""
        self.plays(json.dumps(answer).encode(), status=status, content_type="application/json")

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 27)
        app.router.add_post(f"{BASE}/{{path:.*}}", self._post)
        app.router.add_get(f"{BASE}/models", self._models)
        app.router.add_get("/backend-api/wham/usage", self._usage)
        app.router.add_post("/oauth/token", self._exchange)
        return app

    async def _post(self, request: web.Request) -> web.StreamResponse:
        post = Post(request.match_info["path"], await request.json(), dict(request.headers))
        self.posts.append(post)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        response = web.StreamResponse(status=script.status, headers=script.headers)
        response.headers.setdefault("Content-Type", "")
        try:
            await response.prepare(request)
            for step in script.steps:
                await self._play(request, response, step)
            await response.write_eof()
        finally:
            post.closed.set()
        return response

    async def _play(self, request: web.Request, response: web.StreamResponse, step: Step) -> None:
        match step:
            case Abort():
                assert request.transport is not None
                request.transport.abort()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case bytes():
                await response.write(step)
            case _:
                await response.write(body([step]))

    async def _models(self, request: web.Request) -> web.Response:
        self.lists.append(request)
        if self.held is not None:
            await self.held.wait()
        if self.models_status != 200:
            return web.json_response({"detail": "no"}, status=self.models_status)
        if request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304)
        return web.json_response({"models": self.models}, headers={"ETag": self.etag})

    async def _usage(self, request: web.Request) -> web.Response:
        self.usages.append(request)
        status, answer = self.usage
        return web.json_response(answer, status=status)

    async def _exchange(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.exchanged.append(json.loads(raw))
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return web.json_response({"access_token": token, "expires_in": 864_000})


@asynccontextmanager
async def scripted_codex() -> AsyncIterator[ScriptedCodex]:
    """Run one on a free port of loopback."""
    codex = ScriptedCodex()
    runner = web.AppRunner(codex.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    codex.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield codex
    finally:
        await runner.cleanup()


@asynccontextmanager
async def codex_program(
    codex: ScriptedCodex, folder: Path, /, **settings: Any
) -> AsyncIterator[web.Application]:
    """Run the assembled program with this back end, without its HTTP edge."""
    base: dict[str, Any] = {
        "upstream": {"base_url": "none"},
        "codex": {"base_url": codex.base_url},
        "tokens": {"secret": "s", "codex_url": f"{codex.url}/oauth/token"},
        "storage": {"state": f"sqlite:{folder}/state.db", "blobs": f"file:{folder}"},
    }
    for name, section in settings.items():
        base[name] = {**base.get(name, {}), **section}
    runner = web.AppRunner(make_app(Config.model_validate(base)))
    await runner.setup()
    try:
        yield runner.app
    finally:
        await runner.cleanup()
