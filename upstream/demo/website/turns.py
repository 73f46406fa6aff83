"""The turn: a question in, the chosen scenario out as a stream, and again (protocol 1, 3.7, 4.6)."""

import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec
from aiohttp import web

from upstream.demo.ground.delivery import ABORT, END, HEAD, Piece, deliver
from upstream.demo.ground.options import OPTIONS
from upstream.demo.ground.recent import Recent
from upstream.demo.ground.refusals import (
    Refusal,
    answer_instead,
    detail,
    not_found,
    read_fields,
)
from upstream.demo.ground.stats import STATS, Play
from upstream.demo.ground.words import Fault, Once
from upstream.demo.scenes.faults import INSTEAD, SLOW_SECONDS, bend
from upstream.demo.scenes.files import FILES
from upstream.demo.scenes.questions import Question, read_question
from upstream.demo.scenes.scenarios import play
from upstream.demo.scenes.scene import Scene
from upstream.demo.scenes.script import Message, Note, Script, final_messages
from upstream.demo.scenes.stream import DONE, dump, event, render, with_crlf
from upstream.demo.website.conversations import CONVERSATIONS, Conversation, Late
from upstream.demo.website.tokens import OWNER

KEPT_REPLAYS = 500
TITLE_CHARS = 40
PLAY: web.RequestKey[Play] = web.RequestKey("PLAY", Play)


class Replay(msgspec.Struct, frozen=True):
    """The last answer of a conversation."""

    script: Script
    token: str
    """What `resume_conversation_token` told the caller."""
    is_v1: bool
    is_final_only: bool
    """Whether only the stored conversation has it (410 on resume)."""

    def pieces(self, offset: int) -> Iterator[Piece]:
        """Yield the stream again, without the first `offset` counted events."""
        seen = 0
        for piece in render(self.script, is_v1=self.is_v1):
            seen += piece.is_counted
            if seen > offset:
                yield piece


class Turns:
    """What is remembered of turns, by conversation."""

    def __init__(self) -> None:
        self.once = Once()
        self.stopped: set[str] = set()
        """Conversations whose running answer was told to stop."""
        self.replays: Recent[str, Replay] = Recent(KEPT_REPLAYS)


TURNS: web.AppKey[Turns] = web.AppKey("TURNS", Turns)


async def post_turn(request: web.Request) -> web.StreamResponse:
    """Answer `conversation` and `f/conversation`."""
    request.app[STATS].counts["turns"] += 1
    try:
        response = await _answer(request)
    except Refusal as refusal:
        _note_status(request, refusal.status)
        raise
    is_answered = response.prepared or isinstance(response, web.Response)
    _note_status(request, response.status if is_answered else 0)
    return response


async def post_prepare(request: web.Request) -> web.Response:
    """Answer `f/conversation/prepare`."""
    request.app[STATS].counts["prepares"] += 1
    return web.json_response({"status": "ok", "conduit_token": f"demo-{uuid.uuid4()}"})


async def post_stop(request: web.Request) -> web.Response:
    """Stop the running answer of a conversation."""
    conversation_id = str((await read_fields(request)).get("conversation_id") or "")
    request.app[STATS].stopped.append(conversation_id)
    request.app[TURNS].stopped.add(conversation_id)
    return web.json_response({"status": "success"})


async def post_resume(request: web.Request) -> web.StreamResponse:
    """Send an answer again: all of it at offset 0, else from where it broke."""
    wanted = await read_fields(request)
    conversation_id = str(wanted.get("conversation_id") or "")
    request.app[STATS].counts["resumes"] += 1
    replay = request.app[TURNS].replays.get(conversation_id)
    if replay is None or not request.app[CONVERSATIONS].any_of(request[OWNER], conversation_id):
        raise not_found("conversation_not_found")
    if request.headers.get("X-Conduit-Token") != replay.token:
        raise Refusal(403, detail("The conduit token does not fit this conversation."))
    if replay.is_final_only:
        raise Refusal(410, detail("The answer is complete.", "persisted_final_available"))
    return await _send(request, _response(), replay.pieces(int(wanted.get("offset") or 0)))


def _note_status(request: web.Request, status: int) -> None:
    request.app[STATS].turns_by_status[str(status or "none")] += 1
    if play := request.get(PLAY):
        play.status = status


async def _answer(request: web.Request) -> web.StreamResponse:
    stats, turns = request.app[STATS], request.app[TURNS]
    body = await read_fields(request)
    stats.turn_bodies.append(body)
    stored: list[Message] = []
    conversation: Conversation | None = None
    if body.get("conversation_id"):
        conversation = request.app[CONVERSATIONS].open(request[OWNER], str(body["conversation_id"]))
        stored = conversation.path(str(body.get("parent_message_id") or ""))
    question = read_question(body, stored, request[OWNER])
    fault = question.commands.fault
    if fault.is_once and not turns.once.is_first(question.history):
        fault = Fault()
    conversation = _conversation(request, question, conversation, stored)
    request[PLAY] = Play(question.commands.mark, fault.name)
    if question.commands.mark:
        stats.plays.append(request[PLAY])
    if fault.name:
        stats.turns_by_fault[fault.name] += 1
    response = _response()
    before = {"slow": Piece(seconds=fault.number(SLOW_SECONDS)), "refuse": ABORT}.get(fault.name)
    if before and not await deliver(request, response, [before], stats.streams):
        return response
    instead = answer_instead(INSTEAD, fault, {"conversation_id": conversation.id})
    return instead or await _stream(request, response, question, conversation, fault)


def _conversation(
    request: web.Request, question: Question, found: Conversation | None, stored: list[Message]
) -> Conversation:
    """Return the conversation that a turn goes on in, a new one if it was found nowhere."""
    if question.model.startswith("missing"):
        raise Refusal(404, detail(f"There is no model {question.model}.", "model_not_found"))
    if found is None:
        conversations = request.app[CONVERSATIONS]
        found = conversations.start(request[OWNER], is_temporary=question.is_temporary)
        found.title = question.text[:TITLE_CHARS] or "Demo"
        found.gizmo_id = question.gizmo_id
    elif stored:
        found.current_id = stored[-1]["id"]
    found.model = question.model
    return found


async def _stream(
    request: web.Request,
    response: web.StreamResponse,
    question: Question,
    conversation: Conversation,
    fault: Fault,
) -> web.StreamResponse:
    options, turns = request.app[OPTIONS], request.app[TURNS]
    scene = Scene(question, conversation.id, request.app[FILES])
    script = play(scene, fault.name)
    request.app[STATS].turns_by_scenario[script.scenario] += 1
    request[PLAY].scenario = script.scenario
    is_v1 = options.generation == "v1" or (options.generation == "ask" and question.wants_v1)
    turns.stopped.discard(conversation.id)
    first = script.steps[0]
    token = first.event["token"] if isinstance(first, Note) else ""
    turns.replays[conversation.id] = Replay(script, token, is_v1, fault.name == "handoff410")
    pieces = bend(fault, render(script, is_v1=is_v1), script)
    conversation.is_streaming = True
    if fault.name.startswith("handoff"):
        _store(scene, conversation, options.later_seconds)
    try:
        return await _send(request, response, _until_stopped(pieces, turns, conversation.id))
    finally:  # what was begun is finished and stored, whether the caller stays or not
        conversation.is_streaming = False
        _store(scene, conversation, options.later_seconds)


def _response() -> web.StreamResponse:
    kind = "text/event-stream; charset=utf-8"
    return web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-cache"})


async def _send(
    request: web.Request, response: web.StreamResponse, pieces: Iterable[Piece]
) -> web.StreamResponse:
    pieces, streams = chain([HEAD], pieces, [END]), request.app[STATS].streams
    if request.app[OPTIONS].is_crlf:
        pieces = with_crlf(pieces)
    with streams.opened(request[OWNER]):
        await deliver(request, response, pieces, streams)
    return response


def _store(scene: Scene, conversation: Conversation, later_seconds: float) -> None:
    if conversation.is_temporary:
        return
    for message in [*scene.question.sent, *final_messages(scene.steps)]:
        conversation.append(message)
    ready_at = time.time() + later_seconds
    conversation.late += [Late(ready_at, message) for message in scene.late]
    scene.late.clear()


def _until_stopped(pieces: Iterator[Piece], turns: Turns, conversation_id: str) -> Iterator[Piece]:
    for piece in pieces:
        if conversation_id in turns.stopped:
            complete = {"type": "message_stream_complete", "conversation_id": conversation_id}
            yield Piece(event(dump(complete)))
            yield DONE
            return
        yield piece
