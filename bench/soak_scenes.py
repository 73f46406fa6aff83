"""The scenes of the soak's callers, with the result that each must have (spec 6.4, 8, 9).

A scene is a function of a `Caller`; it raises `WrongError` if the answer is not the one that
belongs to its question. Questions and faults are those of the demo upstream.
"""

import asyncio
import base64
import io
import json
import os
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientError, ClientSession, FormData
from msgspec import Struct
from PIL import Image

PROFILES = ("web", "bot", "raw")
_LINK = re.compile(r"https?://[^\s)\]]+/(?:images|files)/[^\s)\]]+")


class WrongError(Exception):
    """An answer is not the one that belongs to its question."""


class Reply(Struct, frozen=True):
    """How an answer ended: `end` is the finish reason or the error code."""

    status: int
    end: str
    text: str


class Caller(Struct, frozen=True):
    """One caller: the gateway's address, and a session with its credential."""

    session: ClientSession
    address: str
    chance: random.Random


Scene = Callable[[Caller], Awaitable[None]]


class Asked(Struct, frozen=True):
    """A question and its answer: `says` is part of the text, `status` that of a whole reply."""

    question: str
    end: str = "stop"
    says: str = ""
    status: int = 200

    async def __call__(self, caller: Caller) -> None:
        """Ask, whole or streamed, in any profile."""
        is_stream = caller.chance.random() < 0.5
        reply = await chat(caller, self.question, is_stream=is_stream)
        kinds = {200, self.status} if is_stream else {self.status}
        if reply.end != self.end or reply.status not in kinds or self.says not in reply.text:
            how = "streamed" if is_stream else "whole"
            message = f"{self.question!r} {how}: {reply.status} {reply.end} {reply.text[-200:]!r}"
            raise WrongError(message)


async def chat(caller: Caller, content: Any, *, is_stream: bool = True) -> Reply:
    """Ask and read the answer to its end."""
    async with _opened(caller, content, is_stream=is_stream) as response:
        body = (await response.read()).decode()
        if response.content_type != "text/event-stream":
            return _whole(response.status, json.loads(body))
        return _streamed(response.status, body)


def _opened(caller: Caller, content: Any, *, is_stream: bool) -> Any:
    return caller.session.post(
        f"{caller.address}/v1/chat/completions",
        json={
            "model": "gpt-4o",
            "stream": is_stream,
            "messages": [{"role": "user", "content": content}],
        },
        headers={"x-render-profile": caller.chance.choice(PROFILES)},
    )


def _whole(status: int, body: dict[str, Any]) -> Reply:
    if error := body.get("error"):
        return Reply(status, str(error["code"]), error.get("partial", ""))
    choice = body["choices"][0]
    links = [link["url"] for name in ("x_images", "x_files") for link in body.get(name, ())]
    text = choice["message"]["content"] or ""  # none in a refusal
    return Reply(status, choice["finish_reason"], " ".join([text, *links]))


def _streamed(status: int, body: str) -> Reply:
    text, end = "", "none"
    for line in body.splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line[6:])
        if "error" in event:
            end = str(event["error"]["code"])
        for choice in event.get("choices", ()):
            text += choice["delta"].get("content") or ""
            end = choice["finish_reason"] or end
        links = [link["url"] for name in ("x_images", "x_files") for link in event.get(name, ())]
        text = " ".join([text, *links])
    return Reply(status, end, text)


# --- files and pictures -----------------------------------------------------------------


def linked(question: str) -> Scene:
    """Return a scene that asks for a stored file or picture and downloads it."""

    async def scene(caller: Caller) -> None:
        reply = await chat(caller, question, is_stream=caller.chance.random() < 0.5)
        links = _LINK.findall(reply.text)
        if reply.end != "stop" or not links:
            raise WrongError(f"{question!r}: {reply.end} without a link: {reply.text[-200:]!r}")
        await _fetched(caller, links[0])

    return scene


async def _fetched(caller: Caller, link: str) -> None:
    async with caller.session.get(link) as response:
        if response.status != 200 or not await response.read():
            raise WrongError(f"a link answered {response.status}")


async def picture_in(caller: Caller) -> None:
    """Send a picture that was never sent before."""
    picture = io.BytesIO()
    Image.frombytes("RGB", (16, 16), os.urandom(768)).save(picture, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    reply = await chat(caller, parts)
    if reply.end != "stop":
        raise WrongError(f"a picture sent: {reply}")


async def file_in(caller: Caller) -> None:
    """Upload a file, use it, and delete it."""
    form = FormData({"purpose": "user_data"})
    form.add_field("file", os.urandom(5_000).hex(), filename="notes.txt")
    async with caller.session.post(f"{caller.address}/v1/files", data=form) as response:
        kept = await response.json()
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "file", "file": {"file_id": kept["id"]}},
    ]
    reply = await chat(caller, parts, is_stream=False)
    async with caller.session.delete(f"{caller.address}/v1/files/{kept['id']}") as response:
        gone = await response.json()
    if reply.end != "stop" or not gone.get("deleted"):
        raise WrongError(f"a file sent: {reply}, {gone}")


async def images(caller: Caller) -> None:
    """Order two pictures, and fetch them."""
    order = {"prompt": "two boats", "n": 2}
    async with caller.session.post(f"{caller.address}/v1/images/generations", json=order) as found:
        reply = await found.json()
    for picture in reply.get("data") or [{}]:
        if "url" not in picture:
            raise WrongError(f"pictures: {reply}")
        await _fetched(caller, picture["url"])


# --- callers that misbehave -------------------------------------------------------------


async def slow_caller(caller: Caller) -> None:
    """Read slowly, a little at a time."""
    async with _opened(caller, "long 1500", is_stream=True) as response:
        size = 0
        while chunk := await response.content.read(8192):
            size += len(chunk)
            last = chunk
            await asyncio.sleep(0.02)
    if b"[DONE]" not in last:
        raise WrongError(f"a slow caller got {size} bytes and no end")


async def stalled_caller(caller: Caller) -> None:
    """Read nothing for a while, then the rest."""
    async with _opened(caller, "long 1500", is_stream=True) as response:
        await asyncio.sleep(3)
        if b"[DONE]" not in await response.read():
            raise WrongError("a caller that stalled got no end")


async def gone_caller(caller: Caller) -> None:
    """Leave in the middle of an answer."""
    async with _opened(caller, "long 1500", is_stream=True) as response:
        await response.content.readany()
        response.close()


async def broken_upload(caller: Caller) -> None:
    """Leave in the middle of an upload."""

    async def half() -> Any:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        yield os.urandom(200_000)
        raise ConnectionError

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    url = f"{caller.address}/v1/files"
    try:
        async with caller.session.post(url, data=half(), headers=headers):
            raise WrongError("half an upload was answered")
    except (ClientError, ConnectionError):
        pass


async def models(caller: Caller) -> None:
    """List the models."""
    async with caller.session.get(f"{caller.address}/v1/models") as response:
        if response.status != 200 or not (await response.json())["data"]:
            raise WrongError(f"models answered {response.status}")


SCENES: dict[str, Scene] = {
    "plain": Asked("Hello", says="Demo answer"),
    "talk": Asked("What is 6 * 7?", says="42"),
    "reasoning": Asked("think about boats"),
    "o1": Asked("answer like o1"),
    "code": Asked("run code for 6*7"),
    "browse": Asked("browse for boats"),
    "search": Asked("search for boats"),
    "canvas": Asked("write on the canvas"),
    "several": Asked("several messages"),
    "emoji": Asked("emoji"),
    "hidden": Asked("hidden messages"),
    "long": Asked("long 500"),
    "blocked": Asked("moderation", end="content_filter"),
    "limit": Asked("token limit", end="length"),
    "picture": linked("draw two boats"),
    "picture later": linked("draw a cat later"),
    "chart": linked("plot a chart"),
    "file out": linked("make report.csv"),
    "picture in": picture_in,
    "file in": file_in,
    "images": images,
    "models": models,
    "slow caller": slow_caller,
    "stalled caller": stalled_caller,
    "gone caller": gone_caller,
    "broken upload": broken_upload,
    "fault garbage": Asked("/fault garbage Hello", says="Demo answer"),
    "fault nodone": Asked("/fault nodone Hello", says="Demo answer"),
    "fault slow": Asked("/fault slow 0.3 Hello", says="Demo answer"),
    "fault slowbody": Asked("/fault slowbody 0.3 Hello", says="Demo answer"),
    "fault handoff": Asked("/fault handoff Hello", says="Demo answer"),
    "fault handoff410": Asked("/fault handoff410 Hello", says="Demo answer"),
    "fault cut": Asked("/fault cut 3 long 50", end="upstream_cut", status=502),
    "fault close": Asked("/fault close 3 long 50", end="upstream_cut", status=502),
    "fault stall": Asked("/fault stall 3 long 50", end="upstream_timeout", status=504),
    "fault pingstall": Asked("/fault pingstall 3 long 50", end="upstream_timeout", status=504),
    "fault empty": Asked("/fault empty Hello", end="empty_response", status=502),
    "fault error": Asked("/fault error 2 long 50", end="upstream_error", status=502),
    "fault giant": Asked("/fault giant Hello", end="upstream_error", status=502),
    "fault refuse": Asked("/fault refuse Hello", end="upstream_error", status=502),
    "fault 401": Asked("/fault 401 Hello", end="invalid_api_key", status=401),
    "fault 403": Asked("/fault 403 Hello", end="upstream_error", status=502),
    "fault 403html": Asked("/fault 403html Hello", end="upstream_error", status=502),
    "fault 404": Asked("/fault 404 Hello", end="conversation_not_found", status=404),
    "fault 413": Asked("/fault 413 Hello", end="context_length_exceeded", status=400),
    "fault 429": Asked("/fault 429 60 Hello", end="rate_limit_exceeded", status=429),
    "fault 500": Asked("/fault 500 Hello", end="upstream_error", status=502),
    "fault 503": Asked("/fault 503 Hello", end="upstream_error", status=502),
}
