"""`POST /backend-api/codex/images/generations` and `/edits` (X5, way 1)."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from upstream.demo.codex.faults import answer_instead, check_rest, delay_of, find_fault
from upstream.demo.codex.login import Handle
from upstream.demo.codex.plans import LIMITS
from upstream.demo.codex.scenes import MAX_PARTIALS, TOKENS_OF_A_PICTURE, fitted, picture
from upstream.demo.codex.stats import CALLER, STATS
from upstream.demo.codex.stream import Event, send
from upstream.demo.codex.talk import count_words
from upstream.demo.codex.validator import invalid, read_body
from upstream.demo.ground.delivery import ABORT, END, HEAD, STALL, Piece
from upstream.demo.ground.options import OPTIONS
from upstream.demo.ground.words import Fault, plain_text, read_commands

MAX_SENT = 5
DRAWING_BEATS = 25
_BREAKS = {"cut": ABORT, "close": END, "stall": STALL}
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
    "n": range(11),
    "partial_images": range(MAX_PARTIALS + 1),
}


def draws(kind: str) -> Handle:
    """Return the handler that draws, on pictures that were sent if the kind is `image_edit`."""

    async def post_order(request: web.Request) -> web.StreamResponse:
        caller, limits = request[CALLER], request.app[LIMITS]
        body = await read_body(request)
        _validate(body, needs_pictures=kind == "image_edit")
        asked = read_commands(body["prompt"]).fault
        fault = find_fault(request, asked, (caller.account_id, body["prompt"]))
        request.app[STATS].by_play[f"{kind} {fault.name}".strip()] += 1
        check_rest(request, caller, "pictures")
        if caller.plan == "free":
            fault = Fault("not-included")
        if instead := answer_instead(request, caller, fault):
            return instead
        limits.spend(caller, "pictures")
        if body.get("stream"):
            events = await asyncio.to_thread(lambda: list(_events(kind, body)))
            pieces = _pieces(events, fault)
            return await send(request, limits.headers(caller), pieces, has_type=False)
        raw = orjson.dumps(await asyncio.to_thread(_answer, body))
        with request.app[STATS].streams.opened(caller.account_id):
            beats = DRAWING_BEATS * request.app[OPTIONS].delay_seconds
            await asyncio.sleep(beats + delay_of(fault, "slow"))
        headers = limits.headers(caller)
        return web.Response(body=raw, content_type="application/json", headers=headers)

    return post_order


def _pieces(events: list[Event], fault: Fault) -> Iterator[Piece]:
    """Yield a stream, which breaks off after as many events as its fault says."""
    yield Piece(seconds=delay_of(fault, "slow"))
    yield HEAD
    is_whole = fault.name not in _BREAKS
    for event in events if is_whole else events[: int(fault.number(0))]:
        yield Piece(event.as_bytes(), beats=DRAWING_BEATS)
    if not is_whole:
        yield _BREAKS[fault.name]


def _validate(body: dict[str, Any], *, needs_pictures: bool) -> None:
    for name in body.keys() - _FIELDS:
        raise invalid("unknown", param=name)
    sent = body.get("images") or []
    shown = (*sent, *([body["mask"]] if body.get("mask") else ()))
    urls = [one.get("image_url") if isinstance(one, dict) else None for one in shown]
    is_data = all(str(url).startswith("data:image/") for url in urls)
    is_right = {
        "prompt": isinstance(body.get("prompt"), str) and body["prompt"],
        "images": is_data and (1 <= len(sent) <= MAX_SENT if needs_pictures else not sent),
        **{name: body.get(name) in (None, *known) for name, known in _CHOICES.items()},
    }
    for name in (name for name, value in is_right.items() if not value):
        raise invalid("choice_of", param=name)


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    data = [{"b64_json": _picture(body, number)} for number in range(body.get("n") or 1)]
    return {"created": int(time.time()), "data": data, **_shown(body), "usage": _usage(body)}


def _events(kind: str, body: dict[str, Any]) -> Iterator[Event]:
    told = {"created_at": int(time.time()), **_shown(body)}
    for number in range(body.get("n") or 1):
        for place, step in enumerate(range(body.get("partial_images") or 0, 0, -1)):
            partial = {"b64_json": _picture(body, number, step), "partial_image_index": place}
            yield Event({"type": f"{kind}.partial_image", **partial, **told})
        whole = {"b64_json": _picture(body, number), "usage": _usage({**body, "n": 1})}
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
