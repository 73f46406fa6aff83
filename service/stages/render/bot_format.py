"""Delta -> Rendered: one meaning, several renderings (spec 7.2 and 7.3)."""

import re
from typing import assert_never

from msgspec import structs

from service.stages.render.guard import Guard
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    AnswerWanted,
    AssetKind,
    AssetReady,
    AssetWanted,
    CitationResolved,
    Cited,
    Delta,
    FunctionArguments,
    FunctionCallStarted,
    LinkForm,
    Notice,
    NoticeKind,
    PictureWanted,
    ReasoningText,
    ResumeWanted,
    TextSpent,
    ToolCallText,
    ToolResult,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import LimitsKnown, NativeRendered, PictureMade
from service.vocabulary.rendered import (
    AssetLinked,
    BotFormat,
    ContentCited,
    ContentText,
    PictureForm,
    Rendered,
)

WEB = BotFormat(
    shows_tools=True,
    shows_citations=True,
    shows_file_links=True,
    shows_notices=True,
    pictures=PictureForm.MARKDOWN,
    shows_fences=True,
)
RAW = BotFormat(
    shows_tools=False,
    shows_citations=False,
    shows_file_links=False,
    shows_notices=False,
    pictures=PictureForm.NONE,
)
# For answers made of items, which have fields for pictures, citations and calls.
ITEMS = structs.replace(RAW, shows_file_links=True)
# For answers made of blocks, whose readers accept calls of their own tools only.
BLOCKS = structs.replace(WEB, shows_tools=False)

IMAGE_PLACEHOLDER = "<<ImageDisplayed>>"
IMAGE_PLACEHOLDER_TEXT = "图片生成中，请稍后\n"
_TICKS = re.compile("`+")
_LEAST_TICKS = 3


class Render:
    """Render deltas as text and data under one format; one instance per answer."""

    def __init__(self, bot_format: BotFormat) -> None:
        self._format = bot_format
        self._guard = Guard()
        self._open_call: str | None = None  # message id of the tool call whose fence is open
        self._needs_blank_line = False  # a visible message began, and no separator was sent yet
        self._has_answer_text = False  # answer text was sent since the last rendered block
        self._is_at_line_start = True

    @property
    def is_plain(self) -> bool:
        """Whether answer text would be sent unchanged now, with nothing before it."""
        return self._open_call is None and not self._needs_blank_line

    @property
    def removed(self) -> int:
        """The number of private-use marks that the last guard has removed."""
        return self._guard.removed

    def feed(self, delta: Delta) -> list[Rendered]:
        """Return zero or more rendered pieces for one delta; never waits."""
        pieces = self._rendered(delta)
        for at, piece in enumerate(pieces):
            pieces[at] = self._guard.feed(piece)
        return pieces

    # One branch for each kind of delta: longer than the budget, so that the table of spec 7.2 is
    # one table.
    def _rendered(self, delta: Delta) -> list[Rendered]:  # noqa: C901, PLR0911, PLR0912 - see above
        if type(delta) is AnswerText:
            return self._answer(ContentText(delta.text))
        if type(delta) is TurnFacts or type(delta) is ReasoningText:
            return [delta]
        if type(delta) is AnswerStarted:
            self._needs_blank_line = self._has_answer_text
            return []
        if type(delta) is TurnEnded:
            return [*self._close_call(), delta]
        match delta:
            case FunctionCallStarted() | FunctionArguments():
                return [*self._close_call(), delta]
            case CitationResolved() | TextSpent():
                return [delta]
            case Cited(slot, text, sources, words):
                shown = text if self._format.shows_citations else words
                return self._answer(ContentCited(slot, shown, sources))
            case AnswerBlock():
                return self._answer_block(delta)
            case ToolCallText():
                return self._tool_call(delta)
            case ToolResult(text):
                return self._tool_result(text)
            case Notice():
                return self._notice(delta)
            case AssetReady():
                return self._asset(delta)
            case (
                AssetWanted()
                | ResumeWanted()
                | PictureWanted()
                | AnswerWanted()
                | PictureMade()
                | LimitsKnown()
            ):
                return []  # consumed by the stages before this one
            case _:
                if isinstance(delta, NativeRendered):
                    return [delta]
                assert_never(delta)

    def _answer(self, piece: ContentText | ContentCited) -> list[Rendered]:
        pieces = self._close_call()
        if piece.text:
            if self._needs_blank_line:
                pieces.append(ContentText("\n\n"))
            self._needs_blank_line = False
            self._has_answer_text = True
            self._is_at_line_start = piece.text.endswith("\n")
        pieces.append(piece)
        return pieces

    def _block(self, text: str) -> list[Rendered]:
        """Render text of the gateway's own, with its own separators."""
        self._needs_blank_line = self._has_answer_text = False
        self._is_at_line_start = text.endswith("\n")
        return [ContentText(text)]

    def _answer_block(self, block: AnswerBlock) -> list[Rendered]:
        if not self._format.shows_fences:
            self._needs_blank_line = self._has_answer_text
            return self._answer(ContentText(block.text))
        pieces = self._close_call()
        if block.title:
            title = block.title.replace("*", "\\*")
            pieces += self._block(f"\n**{title}**\n")
        fence = _fence_around(block.text)
        text = block.text.removesuffix("\n")
        return pieces + self._block(f"\n{fence}{block.language}\n{text}\n{fence}\n")

    def _tool_call(self, call: ToolCallText) -> list[Rendered]:
        pieces: list[Rendered] = []
        if not self._format.shows_tools:
            return pieces
        if self._open_call != call.message_id:
            if not call.text:
                return pieces
            pieces += self._close_call()
            pieces += self._block(f"\n```{call.language}\n")
            self._open_call = call.message_id
        if call.text:
            pieces.append(ContentText(call.text))
        return pieces + self._close_call() if call.is_last else pieces

    def _close_call(self) -> list[Rendered]:
        if self._open_call is None:
            return []
        self._open_call = None
        return self._block("\n```\n")

    def _tool_result(self, text: str) -> list[Rendered]:
        if not self._format.shows_tools:
            return []
        shown = text.replace(IMAGE_PLACEHOLDER, IMAGE_PLACEHOLDER_TEXT)
        return self._close_call() + self._block(f"\n`Result:`\n```\n{shown}\n```\n")

    def _notice(self, notice: Notice) -> list[Rendered]:
        pieces = self._close_call()
        match notice.kind:
            case NoticeKind.CONSENT:
                pieces += self._block(f"\n{notice.text}\n")
            case NoticeKind.TOOL_ERROR:
                if self._format.shows_notices:
                    line = " ".join(notice.text.split())
                    pieces += self._block(f"\n```\n{line}\n```\n")
        return pieces

    def _asset(self, ready: AssetReady) -> list[Rendered]:
        pieces = self._close_call()
        wanted = ready.wanted
        pieces += self._picture(ready) if wanted.kind is AssetKind.PICTURE else self._file(ready)
        if ready.url:
            prompt, facts = wanted.revised_prompt, wanted.facts
            pieces.append(
                AssetLinked(wanted.kind, ready.url, ready.name, ready.media_type, prompt, facts)
            )
        return pieces

    def _picture(self, ready: AssetReady) -> list[Rendered]:
        if self._format.pictures is PictureForm.NONE:
            return []
        if not ready.url:
            return self._block(f"\n```\nError: {ready.problem}\n```\n")
        if self._format.pictures is PictureForm.MARKDOWN:
            return self._block(f"\n![image]({ready.url})\n[下载链接]({ready.url})\n")
        start = "" if self._is_at_line_start else "\n"
        return self._block(f"{start}图片链接：{ready.url}\n")

    def _file(self, ready: AssetReady) -> list[Rendered]:
        """Continue a link whose label was sent, or send a bare link."""
        is_target = ready.wanted.form is LinkForm.TARGET
        if not self._format.shows_file_links:
            return self._answer(ContentText("]" if is_target else ""))
        if ready.url:
            return self._answer(ContentText(f"]({ready.url})" if is_target else ready.url))
        label = self._answer(ContentText("]")) if is_target else []
        return label + self._block(f"\n```\nError: {ready.problem}\n```\n")


def _fence_around(text: str) -> str:
    """Return the shortest fence that the text does not contain."""
    longest = max((len(ticks[0]) for ticks in _TICKS.finditer(text)), default=0)
    return "`" * max(_LEAST_TICKS, longest + 1)
