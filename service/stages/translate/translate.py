"""UpstreamEvent -> Delta: what of a turn is an answer (protocol 2.6 to 2.12, spec 6.2, 7.2)."""

from collections.abc import Iterator
from typing import assert_never

from service.stages.decode.known_words import sketch_of, unknown_words
from service.stages.decode.messages import (
    MessageKind,
    answering_model,
    call_language,
    call_text,
    consent_wanted,
    finish_type,
    is_final_answer,
    kind_of,
    reasoning_text,
    result_text,
)
from service.stages.translate.ending import Step, TurnSoFar
from service.stages.translate.late_pictures import LatePictures
from service.stages.translate.pictures import Picture, generated_pictures, result_pictures
from service.stages.translate.progress import Progress
from service.stages.translate.references import read_references
from service.upstream_errors.refusals import quoted
from service.vocabulary.endings import ENDED, Closing, Seen, Word
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    AnswerWanted,
    AssetKind,
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
    Notice,
    NoticeKind,
    PictureWanted,
    ReasoningText,
    ReferencesKnown,
    ResumeOffered,
    ResumeWanted,
    SentHistory,
    StreamCompleted,
    TextAppended,
    ToolCallText,
    ToolResult,
    TurnFacts,
    Unknown,
    UpstreamEvent,
    UpstreamFault,
    WebSocketHandOff,
)

_LATE_TOOL = "image_gen"  # whatever comes during the wait for a picture is an image tool's
_NOT_DRAWN = "The upstream could not draw the picture. It said: "

_CONSENT = (
    "This GPT wants to use an action ({who}) and asks for your consent, which cannot be "
    "given through this API; allow it once on the website."
)


class Translate:
    """Turn the events of one turn into deltas; one instance per answer.

    The last delta is always a `TurnEnded`; events after it are ignored.
    """

    def __init__(self, sent: SentHistory, conversation_id: str | None = None) -> None:
        self._sent = sent
        self._echoes = set(sent.message_ids)
        self._messages: dict[str, Progress] = {}
        self._turn = TurnSoFar()
        self._facts = TurnFacts(conversation_id=conversation_id)
        self._answering: str | None = None  # id of the visible message that grew last
        self._is_tool_since = False  # a tool call or tool message came since that one began
        self._reasoning: str | None = None  # id of the message that reasoned last
        self._recipient: str | None = None  # of the last tool call
        self._held: Message | None = None  # a tool's result that may still grow
        self._previews: dict[str, tuple[Picture, ...]] = {}  # by message id
        self._shown_previews: set[str] = set()  # ids of their files
        self._picture_ids = set(sent.file_ids)
        self._resume_token: str | None = None
        self._late = LatePictures()
        if conversation_id is not None:
            self._turn.see(Seen.CONVERSATION)

    @property
    def patience_seconds(self) -> float | None:
        """How long silence may still last before it counts as the end, None: no end is in sight."""
        return self._turn.patience_seconds

    @property
    def growing(self) -> str | None:
        """The id of the visible message to which more text may only be added, None: none is."""
        progress = self._messages.get(self._answering or "")
        if progress is None or self._turn.is_over or not progress.is_growing:
            return None
        return self._answering

    def text_of(self, message_id: str) -> str:
        """Return all that a message known here says so far."""
        return self._messages[message_id].growth.text

    # One branch for each kind of event: longer than the budget so that the union is matched once.
    def feed(self, event: UpstreamEvent) -> Iterator[Delta]:  # noqa: C901, PLR0912, PLR0915 - see above
        """Yield zero or more deltas for one event; never waits."""
        if self._turn.is_over:
            return
        match event:
            case TextAppended(message_id, text):
                yield from self._appended(message_id, text)
            case MessageSnapshot(message):
                yield from self._message(message)
            case ConversationNamed(conversation_id):
                yield from self._learn(conversation_id=conversation_id)
            case ModelNamed(slug, use_case):
                self._late.learn_use_case(use_case)
                if self._facts.upstream_model is None:
                    yield from self._learn(upstream_model=slug)
            case InputEchoed(message_id):
                self._echoes.add(message_id)
            case Moderated(is_blocked):
                if is_blocked:
                    yield from self._flush()
                    yield self._turn.closed(Closing.BLOCKED)
            case StreamCompleted():
                self._turn.hear(Word.CONFIRMATION)
            case DoneReceived():
                self._turn.hear(Word.CONFIRMATION)
                yield from self._end(BodyEnded(BodyEnd.CLEAN))
            case BodyEnded():
                yield from self._end(event)
            case UpstreamFault(failure, is_body):
                yield from self._flush()
                closing = Closing.ERROR_BODY if is_body else Closing.ERROR_EVENT
                yield self._turn.closed(closing, failure)
            case WebSocketHandOff():
                yield from self._flush()
                yield self._turn.closed(Closing.WEBSOCKET)
            case HandedOff():
                self._turn.hear(Word.HAND_OFF)
            case Unknown(kind, sample):
                self._turn.count_unknown(kind, sample)
            case ResumeOffered(token):
                self._resume_token = token
            case _:
                assert_never(event)

    def _learn(
        self,
        conversation_id: str | None = None,
        message_id: str | None = None,
        upstream_model: str | None = None,
    ) -> Iterator[Delta]:
        self._turn.see(Seen.EVENTS if conversation_id is None else Seen.EVENTS | Seen.CONVERSATION)
        facts = TurnFacts(
            conversation_id or self._facts.conversation_id,
            message_id or self._facts.message_id,
            upstream_model or self._facts.upstream_model,
        )
        if facts != self._facts:
            self._facts = facts
            yield facts

    def _appended(self, message_id: str, text: str) -> Iterator[Delta]:
        """Take an increment of a message whose kind is known."""
        progress = self._messages.get(message_id)
        if progress is None or progress.is_dropped:
            return
        match progress.kind:
            case MessageKind.ANSWER:
                unseen = progress.growth.append(text)
                if not progress.has_text:
                    unseen = self._late.hold(message_id, progress.growth.text, is_finished=False)
                yield from self._grown_answer(message_id, progress, unseen)
            case MessageKind.TOOL_CALL:
                unseen = progress.growth.append(text)
                if unseen:
                    yield ToolCallText(message_id, progress.language, unseen)
            case MessageKind.REASONING:
                yield from self._grown_reasoning(message_id, progress.growth.append(text))
            case _:
                pass  # its next snapshot holds this text as well

    # --- whole messages ---------------------------------------------------------

    def _message(self, message: Message) -> Iterator[Delta]:
        self._turn.see(Seen.EVENTS)
        if (who := consent_wanted(message)) is not None and message.role != "user":
            yield from self._flush()
            yield Notice(NoticeKind.CONSENT, _CONSENT.format(who=who or "of another service"))
            yield self._turn.closed(Closing.CONSENT)
            return
        is_first = message.id not in self._messages
        progress = self._messages.setdefault(message.id, Progress())
        progress.kind = kind_of(message)
        if is_first or (message.is_finished and not progress.is_finished):
            self._count_unknown(message, progress)
        if self._is_echo(message, is_first=is_first):
            progress.is_dropped = True
        if not progress.is_dropped:
            self._late.see(message)
            if is_first and progress.kind is not MessageKind.HIDDEN:
                yield from self._release_held()
                yield from self._released(self._late.decided())
                self._turn.forget(
                    Seen.MISSED
                )  # an error of a tool that came before was not the end
            yield from self._visible(message, progress)
        progress.is_finished = message.is_finished

    def _count_unknown(self, message: Message, progress: Progress) -> None:
        """Count words that are on no list, when a message begins and, as it may change, ends."""
        for kind in unknown_words(message):
            if kind not in progress.unknown:
                progress.unknown.append(kind)
                self._turn.count_unknown(kind, sketch_of(message))

    def _is_echo(self, message: Message, *, is_first: bool) -> bool:
        """Return whether this is something we sent (spec 6.2)."""
        return message.id in self._echoes or (
            is_first
            and message.role == "assistant"
            and message.is_finished
            and self._answering is None
            and "message_type" not in message.metadata
            and message.text in self._sent.assistant_texts
        )

    def _visible(self, message: Message, progress: Progress) -> Iterator[Delta]:
        kind = progress.kind
        if kind is MessageKind.HIDDEN:
            if message.role == "tool":
                self._is_tool_since = True
            return
        if kind is MessageKind.ANSWER:
            yield from self._answer(message, progress)
        elif kind is MessageKind.REASONING:
            unseen = progress.growth.replace(reasoning_text(message), is_final=message.is_finished)
            yield from self._grown_reasoning(message.id, unseen)
        else:
            self._is_tool_since = True
            yield from self._tool(message, progress)
        self._turn.rewrites += progress.growth.rewrites
        progress.growth.rewrites = 0

    def _tool(self, message: Message, progress: Progress) -> Iterator[Delta]:
        match progress.kind:
            case MessageKind.TOOL_CALL:
                yield from self._tool_call(message, progress)
            case MessageKind.TOOL_MEDIA:
                yield from self._pictures(message)
            case _ if not progress.is_finished:
                self._held = message
                if message.is_finished:
                    yield from self._release_held()
            case _:
                pass  # it was given out when it was finished

    def _tool_call(self, message: Message, progress: Progress) -> Iterator[Delta]:
        self._recipient = message.recipient
        text = call_text(message)
        if not progress.has_text:
            progress.language = call_language(message)
        unseen = progress.growth.replace(text, is_final=message.is_finished)
        is_last = message.is_finished and not progress.is_finished
        if unseen or is_last:
            progress.has_text = True
            yield ToolCallText(message.id, progress.language, unseen, is_last)

    def _answer(self, message: Message, progress: Progress) -> Iterator[Delta]:
        references = read_references(message.metadata)
        if references != progress.references:
            progress.references = references
            yield ReferencesKnown(message.id, references)
        if message.id != self._answering and not progress.has_text:
            progress.began_beside = progress.began_beside or self._is_losing()
        unseen = progress.growth.replace(message.text, is_final=message.is_finished)
        if not progress.has_text:
            text = progress.growth.text
            unseen = self._late.hold(message.id, text, is_finished=message.is_finished)
        yield from self._grown_answer(message.id, progress, unseen)
        if progress.is_dropped:
            return
        if message.pointers:
            yield from self._pictures(message)
        yield from self._learn(upstream_model=answering_model(message))
        if message.is_finished:
            self._turn.note_finish(finish_type(message), is_end_turn=is_final_answer(message))

    def _grown_answer(self, message_id: str, progress: Progress, unseen: str) -> Iterator[Delta]:
        if not unseen:
            return
        if message_id != self._answering:
            if not progress.has_text and (progress.began_beside or self._is_losing()):
                progress.is_dropped = True
                self._turn.count_unknown("losing variant")
                return
            self._answering = message_id
            self._is_tool_since = False
            for other in self._messages.values():
                is_begun = other.kind is MessageKind.ANSWER and not other.is_finished
                other.began_beside |= is_begun and not other.has_text and other is not progress
            yield AnswerStarted(message_id)
            yield from self._learn(message_id=message_id)
        progress.has_text = True
        self._turn.see(Seen.TEXT)
        yield AnswerText(unseen)

    def _is_losing(self) -> bool:
        """Return whether another answer is still growing, with no tool in between (2.9)."""
        winner = self._messages.get(self._answering or "")
        return winner is not None and not winner.is_finished and not self._is_tool_since

    def _grown_reasoning(self, message_id: str, unseen: str) -> Iterator[Delta]:
        if unseen:
            is_next = self._reasoning not in (None, message_id)
            self._reasoning = message_id
            self._turn.see(Seen.REASONING)
            yield ReasoningText("\n\n" + unseen if is_next else unseen)

    # --- results and pictures ---------------------------------------------------

    def _release_held(self) -> Iterator[Delta]:
        """Give out a tool's result once it cannot grow any more."""
        message, self._held = self._held, None
        if message is None:
            return
        text = result_text(message)
        if kind_of(message) is MessageKind.TOOL_ERROR:
            name = message.content.get("name")
            self._turn.see(Seen.MISSED)
            yield Notice(NoticeKind.TOOL_ERROR, f"{name}: {text}" if name else text)
            return
        if text:
            yield ToolResult(text)
        for picture in result_pictures(message):
            yield from self._wanted(message.id, picture)

    def _pictures(self, message: Message) -> Iterator[Delta]:
        """Ask for pictures that are done; keep the last preview of those that are not."""
        pictures = generated_pictures(message, self._recipient)
        self._previews[message.id] = tuple(p for p in pictures if p.is_preview)
        for picture in pictures:
            if not picture.is_preview:
                yield from self._wanted(message.id, picture)
            elif self._sent.wants_previews and picture.file_id not in self._shown_previews:
                self._shown_previews.add(picture.file_id)
                yield self._asset(message.id, picture, is_preview=True)

    def _wanted(self, message_id: str, picture: Picture) -> Iterator[Delta]:
        if picture.file_id in self._picture_ids:
            return
        self._picture_ids.add(picture.file_id)
        self._turn.see(Seen.PICTURE)
        yield from self._learn(message_id=message_id)  # what one goes on from, if no text follows
        yield self._asset(message_id, picture)

    def _asset(self, message_id: str, picture: Picture, *, is_preview: bool = False) -> AssetWanted:
        return AssetWanted(
            kind=AssetKind.PICTURE,
            pointer=picture.pointer,
            conversation_id=self._facts.conversation_id or "",
            message_id=message_id,
            revised_prompt=picture.revised_prompt,
            width=picture.width,
            height=picture.height,
            is_preview=is_preview,
        )

    # --- the end ----------------------------------------------------------------

    def _flush(self) -> Iterator[Delta]:
        """Give out all that waits: nothing that reached us is lost."""
        yield from self._release_held()
        for message_id, previews in self._previews.items():
            for picture in previews:
                yield from self._wanted(message_id, picture)
        self._previews.clear()
        has_picture = bool(self._turn.seen & Seen.PICTURE)
        yield from self._released(self._late.release(has_picture=has_picture))

    def _released(self, held: list[tuple[str, str]]) -> Iterator[Delta]:
        for message_id, text in held:
            yield from self._grown_answer(message_id, self._messages[message_id], text)

    def _end(self, body: BodyEnded) -> Iterator[Delta]:
        """Take the end of a body, or of a wait, which need not be the turn's."""
        if body.how is BodyEnd.WAITED:
            yield from self._end_wait(body.detail)
        elif not self._turn.is_waiting:
            yield from self._go_on(body)
        elif body.how is BodyEnd.SHUTDOWN:
            yield from self._flush()
            yield self._turn.ended(body)

    def _go_on(self, body: BodyEnded) -> Iterator[Delta]:
        """Ask for what the turn goes on with, or end it."""
        turn = self._turn
        if self._late.error:
            turn.note_missing(_NOT_DRAWN + quoted(self._late.error))
        if self._late.is_pending(turn, self._said_last()):
            turn.see(Seen.DRAWING)
        step = turn.step_after(body)
        if step is None or (step is Step.AWAIT_ANSWER and turn.phase in ENDED):
            yield from self._flush()  # what was held back may be the answer
            step = turn.step_after(body)
        match step:
            case None:
                yield turn.ended(body)
            case Step.RESUME:
                turn.follow()
                yield ResumeWanted(self._facts.conversation_id, self._resume_token)
            case Step.AWAIT_PICTURE:
                turn.begin_wait(step, body)
                self._recipient = _LATE_TOOL
                yield PictureWanted(self._facts.conversation_id, frozenset(self._late.task_ids))
            case Step.AWAIT_ANSWER:
                turn.begin_wait(step, body)
                self._is_tool_since = True  # what is stored is no variant of what was streamed
                yield AnswerWanted(self._facts.conversation_id or "", turn.phase in ENDED)

    def _said_last(self) -> str:
        """Return what the last visible message says, as far as it went out."""
        return self.text_of(self._answering) if self._answering else ""

    def _end_wait(self, problem: str) -> Iterator[Delta]:
        """Go on as the body ended from which the turn waited, with what has come meanwhile."""
        turn = self._turn
        if (body := turn.end_wait()) is None:
            return
        is_of_picture = turn.awaited is Step.AWAIT_PICTURE
        if is_of_picture:
            yield from self._flush()
        if turn.seen & Seen.PICTURE and (is_of_picture or self._late.has_task):
            turn.hear(Word.CONFIRMATION)
        elif is_of_picture:
            notice = self._late.notice
            turn.note_missing(f"{problem} It said: {quoted(notice)}" if notice else problem)
        yield from self._go_on(body)
