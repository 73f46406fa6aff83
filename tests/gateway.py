"""The whole gateway on a real socket in this process, and a caller that reads every byte of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web

from service.program.assembly import drain, make_app
from service.program.runner import DrainingRunner, Program
from service.settings.config import Config
from upstream.demo.app import make_demo_app
from upstream.demo.ground.options import DemoOptions

SECRET = "a key of forty characters, made for tests"
ACCESS_TOKEN = "fk-an-access-token-of-a-caller"
Settings = dict[str, Any]


@dataclass
class Answer:
    """The caller's answer; `chunks` are those of HTTP, each one write of the gateway."""

    status: int
    headers: Mapping[str, str]
    chunks: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each event: JSON decoded, `[DONE]` as it is, comments left out."""
        parts = self.body.split(b"\n\n")
        assert parts.pop() == b"", "the last event has no end"
        data = [part.removeprefix(b"data: ") for part in parts if not part.startswith(b":")]
        return ["[DONE]" if one == b"[DONE]" else json.loads(one) for one in data]

    @property
    def text(self) -> str:
        """The text of a stream or a whole reply, also of a failed one."""
        if not self.is_stream:
            body = self.json
            if "error" in body:
                return str(body["error"].get("partial", ""))
            return str(body["choices"][0]["message"]["content"])
        return "".join(
            choice["delta"].get("content", "")
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", ())
        )

    @property
    def finish(self) -> str | None:
        if not self.is_stream:
            return None if "error" in self.json else str(self.json["choices"][0]["finish_reason"])
        reasons = [
            choice["finish_reason"]
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", ())
            if choice["finish_reason"]
        ]
        assert len(reasons) < 2
        return reasons[0] if reasons else None

    @property
    def error(self) -> dict[str, Any] | None:
        """The error object of a reply or of the last event of a stream."""
        last = self.events[-1] if self.is_stream else self.json
        return last.get("error") if isinstance(last, dict) else None

    @property
    def is_stream(self) -> bool:
        return self.headers["Content-Type"].startswith("text/event-stream")


class Gateway:
    """A running gateway."""

    def __init__(self, runner: web.AppRunner, session: ClientSession) -> None:
        self.runner = runner
        self.session = session
        self.port: int = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def app(self) -> web.Application:
        return self.runner.app

    async def chat(
        self,
        text: str = "Hello",
        *,
        token: str = ACCESS_TOKEN,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        """Ask, and read the answer to its end."""
        async with self.open_chat(text, token=token, headers=headers, **body) as response:
            return await read(response)

    def open_chat(
        self,
        text: str = "Hello",
        *,
        token: str = ACCESS_TOKEN,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Any:
        """Ask, as a context whose value is the response with its body unread."""
        message = {"role": "user", "content": text}
        return self.session.post(
            f"{self.url}/v1/chat/completions",
            json={"model": "gpt-4o", "messages": [message], **body},
            headers={"Authorization": f"Bearer {token}", **(headers or {})},
        )

    async def metrics(self) -> str:
        async with self.session.get(f"{self.url}/metrics") as response:
            return await response.text()

    async def outcomes(self) -> dict[str, float]:
        """Return the number of answers by outcome, as `/metrics` has it."""
        return await self.counts("gateway_outcomes_total", "outcome")

    async def counts(self, metric: str, label: str) -> dict[str, float]:
        """Return the values of one metric by one label."""
        start = f'{metric}{{{label}="'
        lines = [line for line in (await self.metrics()).splitlines() if line.startswith(start)]
        pairs = [line.removeprefix(start).split('"} ') for line in lines]
        return {name: float(value) for name, value in pairs}

    async def stop(self) -> None:
        """Stop as on a signal: stop listening, drain, close."""
        await self.runner.cleanup()


async def read(response: Any) -> Answer:
    """Read an answer in the chunks in which it was written."""
    answer = Answer(response.status, response.headers)
    piece = b""
    async for data, is_end in response.content.iter_chunks():
        piece += data
        if is_end:
            answer.chunks.append(piece)
            piece = b""
    if piece:
        answer.chunks.append(piece)
    return answer


def settings_for(upstream_url: str, folder: Path, given: Settings) -> Settings:
    """Return settings that use only the folder and the loopback network."""
    base: Settings = {
        "server": {
            "host": "127.0.0.1",
            "drain_seconds": 0.2,
            "keys_file": f"{folder}/keys.json",
        },
        "upstream": {"base_url": upstream_url, "connect_seconds": 2},
        "tokens": {"oaifree_url": f"{upstream_url}/api/auth/refresh", "secret": SECRET},
        "storage": {"state": f"sqlite:{folder}/state.db", "blobs": f"file:{folder}"},
    }
    merged = base | {name: value for name, value in given.items() if name not in base}
    for name in base.keys() & given.keys():
        merged[name] = {**base[name], **given[name]}
    return merged


@asynccontextmanager
async def running_gateway(upstream_url: str, folder: Path, **given: Any) -> AsyncIterator[Gateway]:
    """Run the gateway as the command does, on a free port of loopback.

    Args:
        upstream_url: of its upstream.
        folder: for all that it stores.
        given: sections of the settings file, laid over the tests' own.
    """
    config = Config(**settings_for(upstream_url, folder, given))
    runner = DrainingRunner(Program(make_app, drain), config)
    await runner.setup()
    await web.TCPSite(runner, config.server.host, 0).start()
    async with ClientSession(timeout=ClientTimeout(total=30)) as session:
        try:
            yield Gateway(runner, session)
        finally:
            await runner.cleanup()


@asynccontextmanager
async def running_demo(options: DemoOptions | None = None) -> AsyncIterator[str]:
    """Run the demo upstream without pauses; the value is its address."""
    app = make_demo_app(options or DemoOptions(delay_seconds=0, later_seconds=0.2))
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def until(is_true: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for something that happens after an answer, as long as a busy machine may take.

    Raises:
        TimeoutError: it did not happen.
    """
    async with asyncio.timeout(seconds):
        while not is_true():  # noqa: ASYNC110 - it looks at what has no event of its own
            await asyncio.sleep(0.005)
