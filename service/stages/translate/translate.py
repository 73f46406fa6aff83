"""UpstreamEvent -> Delta: which parts of a turn are its answer (protocol 2.6 to 2.12, spec 6.2)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import assert_never

from msgspec import structs

from service.stages.decode.known_words import sketch_of, unknown_words
from service.stages.decode.messages import (
    MessageKind,
    answering_model,
    call_language,
    call_text,
    finish_type,
    is_code_answer,
    reasoning_text,
    result_text,
)
from service.stages.markup.references import ReferencesKnown
from service.stages.translate import notices
from service.stages.translate.ending import Step, TurnSoFar
from service.stages.translate.late_pictures import LatePictures
from service.stages.translate.pictures import Pictures
from service.stages.translate.progress import Echoes, Progress, Use
from service.stages.translate.tool_calls import ToolCalls, is_reply_of_action
from service.upstream_errors.refusals import quoted
from service.vocabulary.endings import ENDED, Closing, Seen, Word
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    AnswerWanted,
    AssetWanted,
    BodyEnd,
    BodyEnded,
    ConversationNamed,
    Delta,
    DoneReceived,
    HandedOff,
    InputEchoed,
    Message,
    MessageSnapshot,
    ModelNamed,
    Moderated,
    PictureWanted,
    ReasoningText,
    ResumeOffered,
    ResumeWanted,
    SentHistory,
    StreamCompleted,
    TextAppended,
    ToolCallText,
    ToolResult,
    Unknown,
    UpstreamEvent,
    UpstreamFault,
    WebSocketHandOff,
)

Told = Delta | ReferencesKnown

_EVENTS, _TEXT, _MISSED = Seen.EVENTS, Seen.TEXT, Seen.MISSED  # a member is slow to look up
_CONFIRMATION, _PICTURE, _WAITED = Word.CONFIRMATION, Seen.PICTURE, BodyEnd.WAITED
_ANSWER, _HIDDEN = MessageKind.ANSWER, MessageKind.HIDDEN
_CLEAN = BodyEnded(BodyEnd.CLEAN)
_LATE_TOOL = "image_gen"  # during the wait for a picture, every tool message is an image tool's
_NOT_DRAWN = "The upstream could not draw the picture. It said: "


class Translate:
    """Turns the events of one turn into deltas; one instance per answer.

    The last delta is always a `TurnEnded`; events after it are ignored.
    """

    def __init__(self, sent: SentHistory, conversation_id: str | None = None) -> None:
        self._echoes = Echoes(sent)
        self._messages: defaultdict[str, Progress] = defaultdict(Progress)
        self._turn = TurnSoFar(conversation_id)
        self._answering: str | None = None  # id of the visible message that grew last
        self._is_tool_since = False  # a tool call or tool message came after that one began
        self._reasoning: str | None = None  # id of the message with the latest reasoning
        self._recipient: str | None = None  # of the latest tool call
        self._held: Message | None = None  # shown only when complete, and may still grow
        self._calls = ToolCalls()
        self._begun: dict[str, Progress] = {}  # answers of which nothing has been sent
        self._ended: str | None = None  # id of the answer that finished last
        self._shown = Pictures(sent)
        self._resume_token: str | None = None
        self._late = LatePictures()

    @property
    def patience_seconds(self) -> float | None:
        """How many seconds of silence count as the end; None: silence ends nothing."""
        return self._turn.patience_seconds

    @property
    def growing(self) -> str | None:
        """The id of the visible message that further text can only lengthen; None: there is none."""
        progress = self._messages.get(self._answering or "")
        if progress is None or self._turn.is_over or not progress.is_growing:
            return None
        return self._answering

    def text_of(self, message_id: str) -> str:
        """Return the whole text so far of a known message."""
        return self._messages[message_id].growth.text

    def note(self, kind: str) -> None:
        """Count an unexpected kind found outside of the stages."""
        self._turn.count_unknown(kind)

    # One branch for each kind of event: longer than the budget so that the union is matched once.
    def feed(self, event: UpstreamEvent) -> Sequence[Told]:  # noqa: C901, PLR0911, PLR0912 - see above
        """Return zero or more deltas for one event; never waits."""
        turn = self._turn
        if turn.is_over:
            return ()
        if type(event) is TextAppended:
            return self._appended(event.message_id, event.text)
        if type(event) is MessageSnapshot:
            return self._message(event.message)
        if type(event) is ConversationNamed:
            return turn.learn(conversation_id=event.conversation_id)
        if type(event) is StreamCompleted or type(event) is DoneReceived:
            turn.hear(_CONFIRMATION)
            return self._end(_CLEAN) if type(event) is DoneReceived else ()
        match event:
            case BodyEnded():
                return self._end(event)
            case ModelNamed(slug, use_case):
                self._late.learn_use_case(use_case)
                if turn.facts.upstream_model is None:
                    return turn.learn(upstream_model=slug)
            case InputEchoed(message_id):
                self._echoes.add(message_id)
            case Moderated(is_blocked):
                if is_blocked:
                    return [*self._flush(), turn.closed(Closing.BLOCKED)]
            case UpstreamFault(failure, is_body):
                closing = Closing.ERROR_BODY if is_body else Closing.ERROR_EVENT
                return [*self._flush(), turn.closed(closing, failure)]
            case WebSocketHandOff():
                return [*self._flush(), turn.closed(Closing.WEBSOCKET)]
            case HandedOff():
                turn.hear(Word.HAND_OFF)
            case Unknown(kind, sample):
                turn.count_unknown(kind, sample)
            case ResumeOffered(token):
                self._resume_token = token
            case _:
                assert_never(event)
        return ()

    def _appended(self, message_id: str, text: str) -> list[Delta]:
        """Return the deltas of an increment to a message of known kind."""
        progress = self._messages.get(message_id)
        if progress is None or progress.is_dropped:
            return []
        self._is_tool_since |= progress.is_tool
        if progress.kind is _ANSWER:
            unseen = progress.growth.append(text)
            if not progress.has_text:
                unseen = self._late.hold(message_id, progress.growth.text, is_finished=False)
            return self._grown_answer(message_id, progress, unseen)
        match progress.kind:
            case MessageKind.TOOL_CALL:
                unseen = progress.growth.append(text)
                if unseen and progress.use is Use.SHOWN:
                    return [ToolCallText(message_id, progress.language, unseen)]
            case MessageKind.CODE:
                progress.growth.append(text)
            case MessageKind.REASONING:
                return self._grown_reasoning(message_id, progress.growth.append(text))
            case _:
                pass  # its next snapshot contains this text as well
        return []

    # --- whole messages ---------------------------------------------------------

    def _message(self, message: Message) -> list[Told]:
        self._turn.see(_EVENTS)
        if (notice := notices.of_consent(message)) is not None:
            return [*self._flush(), notice, self._turn.closed(Closing.CONSENT)]
        told: list[Told] = []
        is_first = message.id not in self._messages
        progress = self._messages[message.id]
        progress.take(message)
        if is_first or (message.is_finished and not progress.is_finished):
            for kind in progress.new_words(unknown_words(message)):
                self._turn.count_unknown(kind, sketch_of(message))
        if self._echoes.has(message, is_first=is_first and self._answering is None):
            progress.is_dropped = True
        if not progress.is_dropped:
            self._late.see(message)
            if self._held is not None and is_reply_of_action(message, self._held):
                self._messages[self._held.id].use = Use.SHOWN
            if is_first and progress.kind is not _HIDDEN:
                told += self._release_held()
                told += self._released(self._late.decided())
                # An earlier error of a tool was not the end.
                self._turn.forget(_MISSED)
            told += self._visible(message, progress)
        progress.is_finished = message.is_finished
        return told

    def _visible(self, message: Message, progress: Progress) -> Sequence[Told]:
        kind, growth = progress.kind, progress.growth
        told: Sequence[Told] = ()
        self._is_tool_since |= progress.is_tool
        if kind is _ANSWER:
            told = self._answer(message, progress)
        elif kind is MessageKind.REASONING:
            unseen = growth.replace(reasoning_text(message), is_final=message.is_finished)
            told = self._grown_reasoning(message.id, unseen)
        elif kind is MessageKind.CODE:
            growth.replace(call_text(message), is_final=message.is_finished)
            is_decided = message.is_finished and is_code_answer(message)
            told = self._hold(message, progress, is_decided=is_decided)
        elif kind is not _HIDDEN:
            told = self._tool(message, progress)
        self._turn.rewrites += growth.rewrites
        growth.rewrites = 0
        return told

    def _tool(self, message: Message, progress: Progress) -> list[Delta]:
        match progress.kind:
            case MessageKind.TOOL_CALL:
                self._recipient = message.recipient
                told: list[Delta] = [*self._calls.feed(message, progress)]
                if progress.use is Use.DOCUMENT:
                    told += self._hold(message, progress, is_decided=message.is_finished)
                elif progress.use is Use.MAYBE:
                    told += self._hold(message, progress, is_decided=False)
                return told
            case MessageKind.TOOL_MEDIA:
                return self._wanted(self._shown.of_message(message, self._recipient))
            case _:
                return self._hold(message, progress, is_decided=message.is_finished)

    def _answer(self, message: Message, progress: Progress) -> list[Told]:
        told: list[Told] = [*progress.references.known(message)]
        if message.id != self._answering and not progress.has_text:
            progress.began_beside = progress.began_beside or self._is_losing()
        unseen = progress.growth.replace(message.text)
        if not progress.has_text:
            if not message.is_finished:
                self._begun[message.id] = progress
            text = progress.growth.text
            unseen = self._late.hold(message.id, text, is_finished=message.is_finished)
        told += self._grown_answer(message.id, progress, unseen)
        if progress.is_dropped:
            return told
        if message.pointers:
            told += self._wanted(self._shown.of_message(message, self._recipient))
        told += self._turn.learn(upstream_model=answering_model(message))
        if message.is_finished:
            self._turn.note_finish(finish_type(message), is_end_turn=message.is_end_turn)
            self._ended = message.id
        return told

    def _grown_answer(self, message_id: str, progress: Progress, unseen: str) -> list[Delta]:
        if not unseen:
            return []
        told: list[Delta] = []
        if message_id != self._answering:
            if not progress.has_text and (progress.began_beside or self._is_losing()):
                progress.is_dropped = True
                self._turn.count_unknown("losing variant")
                return told
            told += self._half()
            self._take_over(message_id)
            told.append(AnswerStarted(message_id))
            told += self._turn.learn(message_id=message_id)
        progress.has_text = True
        self._turn.see(_TEXT)
        told.append(AnswerText(unseen))
        return told

    def _take_over(self, message_id: str) -> None:
        """Note that this answer grows now; other answers without sent text are beside it."""
        self._answering = message_id
        self._is_tool_since = False
        self._begun.pop(message_id, None)
        for other in self._begun.values():
            other.began_beside |= other.is_begun
        self._begun.clear()

    def _half(self) -> list[Delta]:
        """Return the half character that ends a finished answer, since no other half has come."""
        message_id, self._ended = self._ended, None
        if message_id is None or (progress := self._messages[message_id]).is_withheld:
            return []
        return self._grown_answer(message_id, progress, progress.growth.rest())

    def _is_losing(self) -> bool:
        """Tell whether another answer is still growing, with no tool in between (2.9)."""
        winner = self._messages.get(self._answering or "")
        return winner is not None and not winner.is_finished and not self._is_tool_since

    def _grown_reasoning(self, message_id: str, unseen: str) -> list[Delta]:
        if not unseen:
            return []
        is_next = self._reasoning not in (None, message_id)
        self._reasoning = message_id
        self._turn.see(Seen.REASONING)
        return [ReasoningText("\n\n" + unseen if is_next else unseen)]

    # --- messages shown when complete, and pictures ---------------------------------

    def _hold(self, message: Message, progress: Progress, *, is_decided: bool) -> list[Delta]:
        """Hold a message until its kind is decided or another message comes."""
        told: list[Delta] = []
        if progress.has_text:
            return told  # shown already
        if self._held is not None and self._held.id != message.id:
            told += self._release_held()
        self._held = message
        if is_decided:
            told += self._release_held()
        return told

    def _release_held(self, *, is_end: bool = False) -> list[Delta]:
        """Return the held message, because it cannot grow any more or the turn ends."""
        message, self._held = self._held, None
        if message is None:
            return []
        progress = self._messages[message.id]
        progress.has_text = True
        match progress.kind:
            case MessageKind.CODE:
                is_only = is_end and message.is_finished and not self._turn.has(Seen.TEXT)
                return self._code(message, is_answer=is_only or is_code_answer(message))
            case MessageKind.TOOL_CALL:
                whole = self._calls.whole(message, progress)
                return [told for piece in whole for told in self._told(piece)]
            case MessageKind.TOOL_ERROR:
                self._turn.see(Seen.MISSED)
                return [notices.of_error(message)]
            case _:
                text = result_text(message)
                results: list[Delta] = [ToolResult(text)] if text else []
                return results + self._wanted(self._shown.of_result(message))

    def _code(self, message: Message, *, is_answer: bool) -> list[Delta]:
        """Return code for the reader: as an answer, or as a block before one."""
        text, language = self._messages[message.id].growth.text, call_language(message)
        if not is_answer:
            self._is_tool_since = True
            return [ToolCallText(message.id, language, text, is_last=True)]
        if self._is_losing():
            self._turn.count_unknown("losing variant")
            return []
        told: list[Delta] = []
        if shown := self._late.hold(message.id, text, is_finished=True):
            told += self._half()
            self._take_over(message.id)
            told += self._told(AnswerBlock(message.id, language, shown))
            told += self._turn.learn(upstream_model=answering_model(message))
        if message.is_finished:
            self._turn.note_finish(finish_type(message), is_end_turn=message.is_end_turn)
        return told

    def _told(self, piece: ToolCallText | AnswerBlock) -> list[Delta]:
        if not isinstance(piece, AnswerBlock):
            return [piece]
        self._turn.see(Seen.TEXT)
        return [*self._turn.learn(message_id=piece.message_id), piece]

    def _wanted(self, pictures: Iterable[AssetWanted]) -> list[Delta]:
        told: list[Delta] = []
        for wanted in pictures:
            if not wanted.is_preview:
                self._turn.see(Seen.PICTURE)
                told += self._turn.learn(message_id=wanted.message_id)  # to continue from
            conversation_id = self._turn.facts.conversation_id or ""
            told.append(structs.replace(wanted, conversation_id=conversation_id))
        return told

    # --- the end ----------------------------------------------------------------

    def _flush(self) -> list[Delta]:
        """Return everything that still waits, so that no text is lost."""
        told = self._release_held(is_end=True)
        told += self._wanted(self._shown.last())
        has_picture = self._turn.has(_PICTURE)
        told += self._released(self._late.release(has_picture=has_picture))
        return told + self._half()

    def _released(self, held: list[tuple[str, str]]) -> list[Delta]:
        told: list[Delta] = []
        for message_id, text in held:
            told += self._grown_answer(message_id, self._messages[message_id], text)
        return told

    def _end(self, body: BodyEnded) -> list[Delta]:
        """Return the deltas of the end of a body or a wait, which may not be the turn's end."""
        if body.how is _WAITED:
            return self._end_wait(body.detail)
        if not self._turn.is_waiting:
            return self._go_on(body)
        if body.how is BodyEnd.SHUTDOWN:
            return [*self._flush(), self._turn.ended(body)]
        return []

    def _go_on(self, body: BodyEnded) -> list[Delta]:
        """Return a request for the turn's continuation, or its end."""
        turn = self._turn
        told: list[Delta] = []
        if self._late.error:
            turn.note_missing(_NOT_DRAWN + quoted(self._late.error))
        said = self.text_of(self._answering) if self._answering else ""
        if self._late.is_pending(turn, said):
            turn.see(Seen.DRAWING)
        step = turn.step_after(body)
        if step is None or (step is Step.AWAIT_ANSWER and turn.phase in ENDED):
            told += self._flush()  # held text may be the answer
            step = turn.step_after(body)
        return [*told, turn.ended(body) if step is None else self._continued(step, body)]

    def _continued(self, step: Step, body: BodyEnded) -> Delta:
        """Begin a step after a body, and return the request for it."""
        turn, conversation_id = self._turn, self._turn.facts.conversation_id
        match step:
            case Step.RESUME:
                turn.follow()
                return ResumeWanted(conversation_id, self._resume_token)
            case Step.AWAIT_PICTURE:
                turn.begin_wait(step, body)
                self._recipient = _LATE_TOOL
                return PictureWanted(conversation_id, frozenset(self._late.task_ids))
            case Step.AWAIT_ANSWER:
                turn.begin_wait(step, body)
                self._is_tool_since = True  # a stored message is no variant of a streamed one
                return AnswerWanted(conversation_id or "", turn.phase in ENDED)

    def _end_wait(self, problem: str) -> list[Delta]:
        """Continue after a wait: the body's end decides, with the messages that came meanwhile."""
        turn = self._turn
        if (body := turn.end_wait()) is None:
            return []
        is_of_picture = turn.awaited is Step.AWAIT_PICTURE
        told = self._flush() if is_of_picture else []
        if turn.has(Seen.PICTURE) and (is_of_picture or self._late.has_task):
            turn.hear(_CONFIRMATION)
        elif is_of_picture:
            notice = self._late.notice
            turn.note_missing(f"{problem} It said: {quoted(notice)}" if notice else problem)
        return told + self._go_on(body)
