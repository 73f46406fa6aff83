"""`POST /backend-api/codex/responses` and its `compact`: a body in, a stream out."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.accounts import Caller, seal, unseal
from upstream.demo.codex.faults import (
    answer_instead,
    check_rest,
    delay_of,
    deltas_before,
    ending_of,
    find_fault,
)
from upstream.demo.codex.plans import LIMITS, REST_SECONDS, Kind, models_etag
from upstream.demo.codex.scenes import TOKENS_OF_A_PICTURE, Scene, choose_scene
from upstream.demo.codex.stats import CALLER, STATS
from upstream.demo.codex.stream import Ending, Event, Reply, events_of, send
from upstream.demo.codex.talk import Talk, count_words, message_text, read_talk
from upstream.demo.codex.validator import Order, invalid, read_body, validate, validate_compact
from upstream.demo.ground import stats as shared_stats
from upstream.demo.ground.delivery import ABORT, HEAD, STALL, Piece
from upstream.demo.ground.options import OPTIONS
from upstream.demo.ground.recent import Recent
from upstream.demo.ground.words import Fault

HELD_BACK_BEATS = 25
KEPT_PREFIXES = 1_000
TURN_STATE = "x-codex-turn-state"
_NOISE = (
    b": a comment\n\n",
    b'event: keepalive\ndata: {"type":"keepalive"}\n\n',
    b'event: codex.private\ndata: {"type":"codex.private","demo":true}\n\n',
    b'data: {"type":"response.never_heard_of","demo":{"delta":"x"}}\n\n',
    b'event: responsesapi.websocket_timing\ndata: {"type":"responsesapi.websocket_timing"}\n\n',
    b"retry: 10\n\n",
)


class Prefixes:
    """What is cached of the last prompt under each cache key."""

    def __init__(self) -> None:
        self._last: Recent[tuple[str, str], list[bytes]] = Recent(KEPT_PREFIXES)

    def count(self, caller: Caller, body: dict[str, Any]) -> tuple[int, int]:
        """Count the words of a prompt, and those that it shares with the start of the one before."""
        parts = [body.get("tools"), body.get("instructions"), *body["input"]]
        words = [count_words(part) for part in map(_readable, parts)]
        tags = [hashlib.sha256(orjson.dumps(part)).digest() for part in parts]
        key = (caller.account_id, str(body.get("prompt_cache_key") or secrets.token_hex(8)))
        last = self._last.pop(key, [])
        same = 0
        while same < min(len(last), len(tags)) and last[same] == tags[same]:
            same += 1
        self._last[key] = tags
        return sum(words), sum(words[:same])


PREFIXES: web.AppKey[Prefixes] = web.AppKey("CODEX_PREFIXES", Prefixes)


class Turn(msgspec.Struct, frozen=True):
    """A turn that was understood."""

    body: dict[str, Any]
    talk: Talk
    name: str
    """Of the scene."""
    scene: Scene
    fault: Fault

    @property
    def kind(self) -> Kind:
        """Whose allowance it is of: told by what was asked for."""
        return "pictures" if self.talk.choice == "image_generation" else "text"


async def post_responses(request: web.Request) -> web.StreamResponse:
    """Answer a turn."""
    body = await read_body(request)
    validate(Order(body, request[CALLER], request.headers))
    _note_turn_state(request, body)
    turn = _understand(request, body)
    play = shared_stats.Play(turn.talk.commands.mark, turn.fault.name, turn.name)
    if play.mark:
        request.app[shared_stats.STATS].plays.append(play)
    try:
        response = await _answer(request, turn)
    except web.HTTPException as refusal:
        play.status = refusal.status
        raise
    play.status = response.status if response.prepared or response.body_length else 0
    return response


async def post_compact(request: web.Request) -> web.StreamResponse:
    """Answer what stands for a talk so far: its user messages, and the rest encrypted."""
    caller = request[CALLER]
    body = await read_body(request)
    validate_compact(Order(body, caller, request.headers))
    turn = _understand(request, body)
    check_rest(request, caller, "text")
    if instead := answer_instead(request, caller, turn.fault):
        return instead
    request.app[LIMITS].spend(caller, "text")
    said = " ".join(f"{role}: {text}" for role, text in turn.talk.said)
    users = [item for item in body["input"] if item.get("role") == "user"]
    summary = {"id": f"cmp_{secrets.token_hex(16)}", "type": "compaction"}
    summary["encrypted_content"] = seal(caller.account_id, f"Demo summary: {said}")
    return web.json_response({"output": [*users, summary]})


def _understand(request: web.Request, body: dict[str, Any]) -> Turn:
    talk = read_talk(body, request[CALLER])
    fault = find_fault(request, talk.commands.fault, (talk.caller.account_id, talk.said))
    name, scene = choose_scene(talk)
    request.app[STATS].by_play[f"{name} {fault.name}".strip()] += 1
    return Turn(body, talk, name, scene, fault)


async def _answer(request: web.Request, turn: Turn) -> web.StreamResponse:
    caller, limits = turn.talk.caller, request.app[LIMITS]
    check_rest(request, caller, turn.kind)
    kinds = {item.get("type") for item in turn.body["input"]}
    if turn.fault.name == "stale" and "reasoning" in kinds:
        raise invalid("stale")
    if instead := answer_instead(request, caller, turn.fault):
        return instead
    limits.spend(caller, turn.kind)
    groups = await asyncio.to_thread(lambda: [tuple(part(turn.talk)) for part in turn.scene.parts])
    items = [item.done for group in groups for item in group]
    calls = [str(item["call_id"]) for item in items if "call_id" in item]
    first = [
        limits.event(caller) if data["type"] == "codex.rate_limits" else data
        for data in turn.scene.first
    ]
    reply = Reply(
        groups=tuple(groups),
        response=_response(turn, items),
        usage=_usage(request.app[PREFIXES].count(caller, turn.body), items),
        first=tuple(first),
        ending=_ending(request, turn),
        deltas=deltas_before(turn.fault),
        manner=turn.scene.manner,
        is_full=turn.scene.is_full,
    )
    headers = {**_headers(turn.talk, calls), **limits.headers(caller)}
    pieces = _pieces(turn, reply, is_crlf=request.app[OPTIONS].is_crlf)
    return await send(request, headers, pieces, has_type=turn.scene.has_type)


def _headers(talk: Talk, calls: list[str]) -> dict[str, str]:
    return {
        "openai-model": talk.model,
        "x-models-etag": models_etag(talk.caller),
        "x-reasoning-included": "true",
        TURN_STATE: seal(talk.caller.account_id, " ".join(calls)),
    }


def _ending(request: web.Request, turn: Turn) -> Ending:
    if turn.fault.name != "limit-in-200":
        return ending_of(turn.fault)
    caller, limits = turn.talk.caller, request.app[LIMITS]
    limits.rest(caller, turn.kind, turn.fault.number(REST_SECONDS))
    return Ending("error", {"error": limits.reached(caller, turn.kind), "status": 429})


def _response(turn: Turn, items: list[dict[str, Any]]) -> dict[str, Any]:
    echoed = (
        *("parallel_tool_calls", "tool_choice", "tools", "reasoning", "text"),
        "prompt_cache_key",
    )
    response = {
        "id": f"resp_{secrets.token_hex(16)}",
        "object": "response",
        "created_at": int(time.time()),
        "model": turn.talk.model,
        **{name: turn.body[name] for name in echoed if name in turn.body},
        "service_tier": turn.body.get("service_tier") or "default",
        "store": False,
        "error": None,
        "incomplete_details": None,
    }
    if count := [item["type"] for item in items].count("image_generation_call"):
        drawn = {"input_tokens": 0, "output_tokens": TOKENS_OF_A_PICTURE * count}
        response["tool_usage"] = {"image_gen": drawn}
    return response


def _usage(prompt: tuple[int, int], items: list[dict[str, Any]]) -> dict[str, Any]:
    sent, cached = prompt
    words = [(item["type"], count_words(_readable(item))) for item in items]
    said = sum(count for _, count in words)
    thought = sum(count for kind, count in words if kind == "reasoning")
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": sent + said,
    }


def _pieces(turn: Turn, reply: Reply, *, is_crlf: bool) -> Iterator[Piece]:
    """Yield the pieces to write, with the pauses between them."""
    fault = turn.fault
    yield Piece(seconds=delay_of(fault, "slow"))
    if fault.name == "refuse":
        yield ABORT
    yield HEAD
    is_silent = fault.name == "silent"
    for number, event in enumerate(events_of(reply)):
        if is_silent and event.data["type"] == "response.output_item.added":
            is_silent = False
            yield Piece(seconds=delay_of(fault, "silent"))
        if fault.name == "garbage" and number:
            yield Piece(_NOISE[number % len(_NOISE)])
        yield _piece(turn.scene, event, is_crlf=is_crlf)
    if fault.name in {"cut", "stall"}:
        yield ABORT if fault.name == "cut" else STALL


def _piece(scene: Scene, event: Event, *, is_crlf: bool) -> Piece:
    data = event.as_bytes(is_bare=scene.is_bare)
    if scene.is_held_back:
        beats = HELD_BACK_BEATS * (event.data["type"] == "response.created")
    else:
        beats = event.is_delta
    return Piece(data.replace(b"\n", b"\r\n") if is_crlf else data, beats=beats)


def _readable(part: Any) -> Any:
    """Return the text whose words are counted: not the base64 of pictures and files."""
    if not isinstance(part, dict):
        return part or ""
    fields = ("name", "arguments", "input")
    summary = " ".join(one["text"] for one in part.get("summary") or ())
    return " ".join([message_text(part), summary, *(str(part.get(name, "")) for name in fields)])


def _note_turn_state(request: web.Request, body: dict[str, Any]) -> None:
    """Complain about a turn state or a session that does not belong to this turn."""
    headers = request.headers
    answered = {item["call_id"] for item in body["input"] if item.get("output") is not None}
    sessions = {headers[name] for name in ("session_id", "session-id") if name in headers}
    found = {
        "foreign_turn_state": TURN_STATE in headers
        and not answered
        & set((unseal(request[CALLER].account_id, headers[TURN_STATE]) or "").split()),
        "session_is_not_cache_key": sessions - {body.get("prompt_cache_key")},
        "accept": headers.get("Accept") != "text/event-stream",
    }
    request.app[STATS].complaints.update(name for name, is_so in found.items() if is_so)
