"""Programs to compare with: the floor, and the simplest translator that one would write.

    python -m bench.rivals floor|textbook UPSTREAM

Each prints its address and serves until its standard input ends.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

_SESSION = web.AppKey("session", aiohttp.ClientSession)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def floor(request: web.Request) -> web.StreamResponse:
    """Pass the bytes through without looking at them."""
    body = await request.read()
    async with request.app[_SESSION].post("/backend-api/conversation", data=body) as upstream:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while chunk := await upstream.content.readany():
            await response.write(chunk)
        await response.write_eof()
    return response


async def textbook(request: web.Request) -> web.StreamResponse:
    """Translate line by line: parse JSON, build a dict, encode JSON, write."""
    asked = json.loads(await request.read())
    async with request.app[_SESSION].post("/backend-api/conversation", json=asked) as upstream:
        if not asked.get("stream"):
            return web.json_response(_completion([piece async for piece in _pieces(upstream)]))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for piece in _pieces(upstream):
            chunk = _chunk({"index": 0, "delta": {"content": piece}, "finish_reason": None})
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        chunk = _chunk({"index": 0, "delta": {}, "finish_reason": "stop"})
        await response.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
        await response.write_eof()
    return response


async def _pieces(upstream: aiohttp.ClientResponse) -> Any:
    """Yield the text that each event adds."""
    seen = 0
    async for line in upstream.content:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        event = json.loads(line[6:])
        if not isinstance(event, dict):
            continue
        if "message" in event:
            text = event["message"]["content"]["parts"][0]
            if len(text) > seen:
                yield text[seen:]
                seen = len(text)
        elif isinstance(event.get("v"), str):
            yield event["v"]


def _chunk(choice: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": "gpt-4o",
        "choices": [choice],
    }


def _completion(pieces: list[str]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(pieces)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_chunk(choice), "object": "chat.completion"}


async def _serve(handler: _Handler, upstream: str) -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(upstream, connector=connector, timeout=timeout) as session:
        app[_SESSION] = session
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve({"floor": floor, "textbook": textbook}[sys.argv[1]], sys.argv[2]))
