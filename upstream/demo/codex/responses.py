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
    FAULTS,
    LIMITS,
    Fault,
    answer_instead,
    check_rest,
    find_fault,
)
from upstream.demo.codex.plans import REST_SECONDS, Kind, models_etag
from upstream.demo.codex.scenes import TOKENS_OF_A_PICTURE, Scene, choose_scene
from upstream.demo.codex.stats import CALLER, STATS
from upstream.demo.codex.stream import Ending, Event, Item, Reply, Step, deliver, events_of
from upstream.demo.codex.talk import Command, Talk, count_words, message_text, read_talk
from upstream.demo.codex.validator import Order, invalid, read_body, validate, validate_compact
from upstream.demo.ground import stats as website_stats
from upstream.demo.ground.options import OPTIONS, DemoOptions

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


class Prompt(msgspec.Struct, frozen=True):
    """The words of what a turn sends."""

    words: int
    cached: int


class Prefixes:
    """What is cached of the last prompt under each cache key."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], list[bytes]] = {}

    def count(self, caller: Caller, body: dict[str, Any]) -> Prompt:
        """Count the words of a prompt, and those of its beginning that equal the last one's."""
        parts = [body.get("tools"), body.get("instructions"), *body["input"]]
        words = [count_words(part) for part in map(_readable, parts)]
        tags = [hashlib.sha256(orjson.dumps(part)).digest() for part in parts]
        key = (caller.account_id, str(body.get("prompt_cache_key") or secrets.token_hex(8)))
        last = self._last.pop(key, [])
        same = 0
        while same < min(len(last), len(tags)) and last[same] == tags[same]:
            same += 1
        self._last[key] = tags
        if len(self._last) > KEPT_PREFIXES:
            del self._last[next(iter(self._last))]
        return Prompt(sum(words), sum(words[:same]))


PREFIXES: web.AppKey[Prefixes] = web.AppKey("CODEX_PREFIXES", Prefixes)


class Turn(msgspec.Struct, frozen=True):
    """A turn that was understood."""

    body: dict[str, Any]
    talk: Talk
    scene: Scene
    command: Command
    """The fault, as it was asked for."""
    fault: Fault

    @property
    def deltas(self) -> int | None:
        """How many deltas come before the fault; None: all."""
        is_waiting = self.fault.silent_seconds or self.fault.late_seconds
        if self.fault.after is None and (is_waiting or not self.command.numbers):
            return None
        return int(self.command.number(self.fault.after or 0))

    @property
    def kind(self) -> Kind:
        """Whose allowance it is of: told by what was asked for."""
        return "pictures" if self.talk.choice == "image_generation" else "text"


async def post_responses(request: web.Request) -> web.StreamResponse:
    """Answer a turn."""
    caller = request[CALLER]
    body = await read_body(request)
    validate(Order(body, caller, request.headers))
    _note_turn_state(request, body)
    turn = _understand(request, body)
    play = website_stats.Play(turn.talk.mark, turn.command.name, turn.scene.name)
    if play.mark:
        request.app[website_stats.STATS].plays.append(play)
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
    if instead := answer_instead(request, caller, turn.command):
        return instead
    request.app[LIMITS].spend(caller, "text")
    said = " ".join(f"{role}: {text}" for role, text in turn.talk.said)
    users = [item for item in body["input"] if item.get("role") == "user"]
    summary = {"id": f"cmp_{secrets.token_hex(16)}", "type": "compaction"}
    summary["encrypted_content"] = seal(caller.account_id, f"Demo summary: {said}")
    return web.json_response({"output": [*users, summary]})


def _understand(request: web.Request, body: dict[str, Any]) -> Turn:
    talk = read_talk(body, request[CALLER])
    command = find_fault(request, talk.fault, (talk.caller.account_id, talk.said))
    scene = choose_scene(talk)
    request.app[STATS].by_play[f"{scene.name} {command.name}".strip()] += 1
    return Turn(body, talk, scene, command, FAULTS.get(command.name, Fault(after=None)))


async def _answer(request: web.Request, turn: Turn) -> web.StreamResponse:
    caller, limits = turn.talk.caller, request.app[LIMITS]
    check_rest(request, caller, turn.kind)
    kinds = {item.get("type") for item in turn.body["input"]}
    if turn.command.name == "stale" and "reasoning" in kinds:
        raise invalid("The encrypted content is stale.", code="invalid_encrypted_content")
    if instead := answer_instead(request, caller, turn.command):
        return instead
    limits.spend(caller, turn.kind)
    prompt = request.app[PREFIXES].count(caller, turn.body)
    groups = await asyncio.to_thread(lambda: [tuple(part(turn.talk)) for part in turn.scene.parts])
    reply = Reply(
        groups=tuple(groups),
        response=_response(turn, groups),
        usage=_usage(prompt, groups),
        first=tuple(
            limits.event(caller) if data["type"] == "codex.rate_limits" else data
            for data in turn.scene.first
        ),
        ending=_ending(request, turn),
        deltas=turn.deltas,
        manner=turn.scene.manner,
        is_full=turn.scene.is_full,
    )
    steps = _steps(turn, reply, request.app[OPTIONS])
    headers = _headers(turn, reply) | limits.headers(caller)
    return await deliver(request, headers, steps, has_type=turn.scene.has_type)


def _headers(turn: Turn, reply: Reply) -> dict[str, str]:
    caller = turn.talk.caller
    calls = (item.done.get("call_id") for group in reply.groups for item in group)
    return {
        "openai-model": turn.talk.model,
        "x-models-etag": models_etag(caller),
        "x-reasoning-included": "true",
        TURN_STATE: seal(caller.account_id, " ".join(call for call in calls if call)),
    }


def _ending(request: web.Request, turn: Turn) -> Ending:
    if turn.command.name != "limit-in-200":
        return turn.fault.ending(turn.command)
    caller, limits = turn.talk.caller, request.app[LIMITS]
    limits.rest(caller, turn.kind, turn.command.number(REST_SECONDS))
    return Ending("error", {"error": limits.reached(caller, turn.kind), "status": 429})


def _response(turn: Turn, groups: list[tuple[Item, ...]]) -> dict[str, Any]:
    echoed = ("parallel_tool_calls", "tool_choice", "tools", "reasoning", "text")
    response = {
        "id": f"resp_{secrets.token_hex(16)}",
        "object": "response",
        "created_at": int(time.time()),
        "model": turn.talk.model,
        **{name: turn.body[name] for name in (*echoed, "prompt_cache_key") if name in turn.body},
        "service_tier": turn.body.get("service_tier") or "default",
        "store": False,
        "error": None,
        "incomplete_details": None,
    }
    kinds = [item.done["type"] for group in groups for item in group]
    if count := kinds.count("image_generation_call"):
        drawn = {"input_tokens": 0, "output_tokens": TOKENS_OF_A_PICTURE * count}
        response["tool_usage"] = {"image_gen": drawn}
    return response


def _usage(prompt: Prompt, groups: list[tuple[Item, ...]]) -> dict[str, Any]:
    items = [item.done for group in groups for item in group]
    words = [(item["type"], count_words(_readable(item))) for item in items]
    said = sum(count for _, count in words)
    thought = sum(count for kind, count in words if kind == "reasoning")
    return {
        "input_tokens": prompt.words,
        "input_tokens_details": {"cached_tokens": prompt.cached},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": prompt.words + said,
    }


def _steps(turn: Turn, reply: Reply, options: DemoOptions) -> Iterator[Step]:
    """Yield what is written, and when."""
    fault, command = turn.fault, turn.command
    yield Step(seconds=command.number(fault.late_seconds) if fault.late_seconds else 0.0)
    if fault.act == "refuse":
        yield Step(act="abort")
    yield Step(act="head")
    is_silent = bool(fault.silent_seconds)
    for number, event in enumerate(events_of(reply)):
        if event.data["type"] == "response.output_item.added" and is_silent:
            is_silent = False
            yield Step(seconds=command.number(fault.silent_seconds))
        if fault.act == "garbage" and number:
            yield Step(_NOISE[number % len(_NOISE)])
        yield _step(turn.scene, event, options)
    if fault.act in {"abort", "stall"}:
        yield Step(act=fault.act)


def _step(scene: Scene, event: Event, options: DemoOptions) -> Step:
    data = event.as_bytes(is_bare=scene.is_bare)
    if options.is_crlf:
        data = data.replace(b"\n", b"\r\n")
    beats = event.is_delta
    if scene.is_held_back:
        beats = HELD_BACK_BEATS * (event.data["type"] == "response.created")
    return Step(data, seconds=beats * options.delay_seconds)


def _readable(part: Any) -> Any:
    """Return what words are counted of: not the base64 of pictures and files."""
    if not isinstance(part, dict):
        return part or ""
    fields = ("name", "arguments", "input")
    summary = " ".join(one["text"] for one in part.get("summary") or ())
    return " ".join([message_text(part), summary, *(str(part.get(name, "")) for name in fields)])


def _note_turn_state(request: web.Request, body: dict[str, Any]) -> None:
    """Complain about a turn state or a session that does not belong to this turn."""
    complaints = request.app[STATS].complaints
    headers = request.headers
    if (state := headers.get(TURN_STATE)) is not None:
        answered = {item["call_id"] for item in body["input"] if item.get("output") is not None}
        made = unseal(request[CALLER].account_id, state)
        if not made or not answered & set(made.split()):
            complaints["foreign_turn_state"] += 1
    sessions = {headers[name] for name in ("session_id", "session-id") if name in headers}
    if sessions - {body.get("prompt_cache_key")}:
        complaints["session_is_not_cache_key"] += 1
    if headers.get("Accept") != "text/event-stream":
        complaints["accept"] += 1
