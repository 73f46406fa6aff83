"""The turn: a question in, the chosen scenario out as a stream (protocol 1, 4.6)."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from upstream.demo.ground.faults import FAULTS, Fault, answer_instead, bend
from upstream.demo.ground.files import FILES
from upstream.demo.ground.options import OPTIONS
from upstream.demo.ground.questions import Question, read_question
from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.scene import Scene
from upstream.demo.ground.script import Message, final_messages
from upstream.demo.ground.stats import STATS, Play
from upstream.demo.ground.stream import DONE, Piece, dump, event, render, with_crlf
from upstream.demo.scenes.scenarios import play
from upstream.demo.website.conversations import CONVERSATIONS, Conversation, Late
from upstream.demo.website.delivery import ANSWERING, Answering, Line, PeerGoneError, deliver
from upstream.demo.website.replays import REPLAYS, Replay, keep_replay
from upstream.demo.website.tokens import OWNER, fields_of

PLAY: web.RequestKey[Play] = web.RequestKey("PLAY", Play)
SLOW_SECONDS = 2.0
TITLE_CHARS = 40


class Asked(msgspec.Struct, frozen=True):
    """A turn that was understood."""

    question: Question
    conversation: Conversation
    fault: Fault
    play: Play


async def post_turn(request: web.Request) -> web.StreamResponse:
    """Answer `conversation` and `f/conversation`."""
    stats = request.app[STATS]
    stats.counts["turns"] += 1
    try:
        response = await _answer(request)
    except Refusal as refusal:
        _note_status(request, refusal.status)
        raise
    is_answered = response.prepared or isinstance(response, web.Response)
    _note_status(request, response.status if is_answered else 0)
    return response


def _note_status(request: web.Request, status: int) -> None:
    request.app[STATS].turns_by_status[str(status or "none")] += 1
    if play := request.get(PLAY):
        play.status = status


async def post_prepare(request: web.Request) -> web.Response:
    """Answer `f/conversation/prepare`."""
    request.app[STATS].counts["prepares"] += 1
    return web.json_response({"status": "ok", "conduit_token": f"demo-{uuid.uuid4()}"})


async def post_stop(request: web.Request) -> web.Response:
    """Stop the running answer of a conversation."""
    conversation_id = str((await fields_of(request)).get("conversation_id") or "")
    request.app[STATS].stopped.append(conversation_id)
    request.app[ANSWERING].stopped.add(conversation_id)
    return web.json_response({"status": "success"})


async def _answer(request: web.Request) -> web.StreamResponse:
    body = await fields_of(request)
    stats = request.app[STATS]
    stats.turn_bodies.append(body)
    asked = _understand(request, body)
    request[PLAY] = asked.play
    if asked.question.mark:
        stats.plays.append(asked.play)
    if asked.fault.name:
        stats.turns_by_fault[asked.fault.name] += 1
    line = Line(request)
    try:
        if asked.fault.name == "slow":
            await line.pause(asked.fault.number(SLOW_SECONDS))
        if asked.fault.name == "refuse":
            line.drop()
    except PeerGoneError as gone:
        return line.given_up(gone)
    except asyncio.CancelledError as gone:
        line.given_up(gone)
        raise
    if instead := answer_instead(asked.fault, asked.conversation.id):
        return instead
    return await _stream(request, line, asked)


def _understand(request: web.Request, body: dict[str, Any]) -> Asked:
    conversations = request.app[CONVERSATIONS]
    stored: list[Message] = []
    conversation: Conversation | None = None
    if body.get("conversation_id"):
        conversation = conversations.open(request[OWNER], str(body["conversation_id"]))
        stored = conversation.path(str(body.get("parent_message_id") or ""))
    question = read_question(body, stored, request[OWNER])
    fault = request.app[FAULTS].find(question)
    if question.model.startswith("missing"):
        raise Refusal(404, detail(f"There is no model {question.model}.", "model_not_found"))
    if conversation is None:
        conversation = conversations.start(request[OWNER], is_temporary=question.is_temporary)
        conversation.title = question.text[:TITLE_CHARS] or "Demo"
        conversation.gizmo_id = question.gizmo_id
    elif stored:
        conversation.current_id = stored[-1]["id"]
    conversation.model = question.model
    return Asked(question, conversation, fault, Play(question.mark, fault.name))


async def _stream(request: web.Request, line: Line, asked: Asked) -> web.StreamResponse:
    question, conversation, fault = asked.question, asked.conversation, asked.fault
    options, answering = request.app[OPTIONS], request.app[ANSWERING]
    scene = Scene(question, conversation.id, request.app[FILES])
    script = play(scene, fault.name)
    request.app[STATS].turns_by_scenario[script.scenario] += 1
    asked.play.scenario = script.scenario
    replay = Replay(
        script,
        is_v1=options.generation == "v1" or (options.generation == "ask" and question.wants_v1),
        is_final_only=fault.name == "handoff410",
    )
    keep_replay(request.app[REPLAYS], replay)
    answering.stopped.discard(conversation.id)
    pieces = bend(fault, render(script, is_v1=replay.is_v1), script)
    pieces = _until_stopped(pieces, answering, conversation.id)
    if options.is_crlf:
        pieces = with_crlf(pieces)
    conversation.is_streaming = True
    if fault.name.startswith("handoff"):
        _store(scene, conversation, options.later_seconds)
    try:
        return await deliver(line, pieces, request.app[STATS])
    finally:  # what was begun is finished and stored, whether the caller stays or not
        conversation.is_streaming = False
        _store(scene, conversation, options.later_seconds)


def _store(scene: Scene, conversation: Conversation, later_seconds: float) -> None:
    if conversation.is_temporary:
        return
    for message in [*scene.question.sent, *final_messages(scene.steps)]:
        conversation.append(message)
    ready_at = time.time() + later_seconds
    conversation.late += [Late(ready_at, message) for message in scene.later]
    scene.later.clear()


def _until_stopped(
    pieces: Iterator[Piece], answering: Answering, conversation_id: str
) -> Iterator[Piece]:
    for piece in pieces:
        if conversation_id in answering.stopped:
            complete = {"type": "message_stream_complete", "conversation_id": conversation_id}
            yield Piece(event(dump(complete)))
            yield DONE
            return
        yield piece
