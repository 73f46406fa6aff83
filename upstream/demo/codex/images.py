"""`POST /backend-api/codex/images/generations` and `/edits` (X5, way 1)."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from upstream.demo.codex.faults import LIMITS, answer_instead, check_rest, find_fault
from upstream.demo.codex.scenes import MAX_PARTIALS, TOKENS_OF_A_PICTURE, fitted, picture
from upstream.demo.codex.stats import CALLER, STATS
from upstream.demo.codex.stream import Event, Step, deliver
from upstream.demo.codex.talk import Command, count_words, find_command, plain_text
from upstream.demo.codex.validator import invalid, read_body
from upstream.demo.ground.options import OPTIONS

MAX_SENT = 5
DRAWING_BEATS = 25
_FIELDS = {
    *("prompt", "model", "n", "size", "quality", "background", "output_format", "moderation"),
    *("output_compression", "input_fidelity", "partial_images", "stream", "mask", "images"),
}
_CHOICES = {
    "quality": ("auto", "low", "medium", "high"),
    "background": ("auto", "opaque", "transparent"),
    "output_format": ("png", "jpeg", "webp"),
    "moderation": ("auto", "low"),
    "model": ("gpt-image-2", "gpt-image-1.5"),
}
_COUNTS = {"n": 10, "partial_images": MAX_PARTIALS}


async def post_generation(request: web.Request) -> web.StreamResponse:
    """Draw."""
    return await _draw(request, "image_generation")


async def post_edit(request: web.Request) -> web.StreamResponse:
    """Draw on pictures that were sent, of which the demo only counts the bytes."""
    return await _draw(request, "image_edit")


async def _draw(request: web.Request, kind: str) -> web.StreamResponse:
    caller, limits = request[CALLER], request.app[LIMITS]
    body = await read_body(request)
    _validate(body, needs_pictures=kind == "image_edit")
    command = find_command(body["prompt"], "fault")
    fault = find_fault(request, command, (caller.account_id, body["prompt"]))
    request.app[STATS].by_play[f"{kind} {fault.name}".strip()] += 1
    check_rest(request, caller, "pictures")
    if caller.plan == "free":
        fault = Command("not-included")
    if instead := answer_instead(request, caller, fault):
        return instead
    limits.spend(caller, "pictures")
    seconds = DRAWING_BEATS * request.app[OPTIONS].delay_seconds
    if body.get("stream"):
        events = await asyncio.to_thread(lambda: list(_events(kind, body)))
        steps = [Step(event.as_bytes(), seconds=seconds) for event in events]
        head = Step(act="head")
        return await deliver(request, limits.headers(caller), [head, *steps], has_type=False)
    answer = await asyncio.to_thread(_answer, body)
    await asyncio.sleep(seconds)
    raw, headers = orjson.dumps(answer), limits.headers(caller)
    return web.Response(body=raw, content_type="application/json", headers=headers)


def _validate(body: dict[str, Any], *, needs_pictures: bool) -> None:
    for name in body.keys() - _FIELDS:
        raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    sent = body.get("images") or []
    masks = [body["mask"]] if body.get("mask") else []
    is_right = {
        "prompt": isinstance(body.get("prompt"), str) and body["prompt"],
        "images": 1 <= len(sent) <= MAX_SENT if needs_pictures else not sent,
        **{name: body.get(name) in (None, *known) for name, known in _CHOICES.items()},
        **{name: body.get(name) in (None, *range(most + 1)) for name, most in _COUNTS.items()},
    }
    urls = [one.get("image_url") if isinstance(one, dict) else None for one in (*sent, *masks)]
    if not all(str(url).startswith("data:image/") for url in urls):
        is_right["images"] = False
    for name in (name for name, value in is_right.items() if not value):
        raise invalid(f"Invalid value: '{name}'.", name, "invalid_value")


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    data = [{"b64_json": _picture(body, number)} for number in range(body.get("n") or 1)]
    return {"created": int(time.time()), "data": data, **_shown(body), "usage": _usage(body)}


def _events(kind: str, body: dict[str, Any]) -> Iterator[Event]:
    told = {"created_at": int(time.time()), **_shown(body)}
    for number, step in enumerate(range(body.get("partial_images") or 0, 0, -1)):
        partial = {"b64_json": _picture(body, step=step), "partial_image_index": number}
        yield Event({"type": f"{kind}.partial_image", **partial, **told})
    for number in range(body.get("n") or 1):
        whole = {"b64_json": _picture(body, number), "usage": _usage(body)}
        yield Event({"type": f"{kind}.completed", **whole, **told})


def _picture(body: dict[str, Any], number: int = 0, step: int = 0) -> str:
    """Return one picture of an order, or a coarser form of it some steps before."""
    prompt = plain_text(body["prompt"]) + (f" #{number}" if number else "")
    width, height = fitted(body.get("size") or "", body["prompt"])
    return picture(prompt, width >> step, height >> step, body.get("output_format") or "png")


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    width, height = fitted(body.get("size") or "", body["prompt"])
    told = {"background": "opaque", "quality": "medium", "output_format": "png"}
    asked = {name: body[name] for name in told if body.get(name) not in (None, "auto")}
    return {**told, **asked, "size": f"{width}x{height}"}


def _usage(body: dict[str, Any]) -> dict[str, Any]:
    text, sent = count_words(body["prompt"]), TOKENS_OF_A_PICTURE * len(body.get("images") or ())
    drawn = TOKENS_OF_A_PICTURE * (body.get("n") or 1)
    return {
        "input_tokens": text + sent,
        "input_tokens_details": {"image_tokens": sent, "text_tokens": text},
        "output_tokens": drawn,
        "total_tokens": text + sent + drawn,
    }
