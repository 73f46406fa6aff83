"""Tells whether a picture is still being drawn when the body of its turn ends (protocol 8.2b).

The signs are a task in the metadata of a message, an answer that consists only of an image tool's
arguments, or the use case of the turn alone. What an assistant says meanwhile about queues and
waiting is a notice, not an answer: it is held back, and becomes part of the error if no picture
comes.
"""

import json
import re
from collections.abc import Callable

from service.stages.decode.messages import is_image_tool
from service.vocabulary.endings import ENDED, Phase, Seen, TurnState
from service.vocabulary.events import Message

IMAGE_GEN = "image gen"  # `turn_use_case` of a turn that draws
MAX_ARGUMENTS_CHARS = 4_000
MAX_NOTICE_CHARS = 400
_TASK_SIGNS = ("image_gen_async", "image_gen_task_id", "trigger_async_ux", "ui_card_shimmer")
_ARGUMENTS = frozenset(
    ("size", "n", "prompt", "referenced_image_ids", "transparent_background", "background")
) | {"is_style_transfer", "quality", "style"}
_FIRST_KEY = re.compile(r'\{\s*(?:"([^"]*)("?)|$)')
_PICTURE = r"(?:image|picture|drawing|illustration)s?"
_NOTICE = re.compile(
    rf"\A\W*(?:processing|creating|generating|drawing)\s+(?:an?\s+|the\s+|your\s+)?{_PICTURE}\b"
    rf"|lots of people are creating {_PICTURE}"
    rf"|{_PICTURE}\W{{0,3}}\w{{0,4}} (?:\w+ ){{0,2}}(?:queued|being (?:created|generated|drawn|made))"
    r"|\b(?:in|into|joined) (?:the |a |our )?queue\b|\bin line\b"
    r"|\b(?:notify|tell|let) you (?:know )?(?:when|once|as soon as)\b"
    rf"|\b(?:when|once|until) (?:your|the) {_PICTURE} (?:is|are) (?:ready|done)\b"
    r"|正在(?:处理|创建|生成|绘制)(?:您的|你的)?(?:图片|图像)|(?:图片|图像)正在(?:处理|创建|生成)"
    r"|在创建图片|(?:图片|图像)准备好后|排队",
    re.IGNORECASE,
)
# Words of messages that only look like a notice: a refusal, a limit, a question.
_NO_NOTICE = re.compile(
    r"\b(?:can(?:'|\u2019)?t|cannot|couldn(?:'|\u2019)t|won(?:'|\u2019)?t|unable|sorry|polic(?:y|ies))\b"
    r"|\b(?:limit|quota|upgrade|try again)\b|[?\uff1f]|无法|不能|抱歉|违反|限制",
    re.IGNORECASE,
)


class LatePictures:
    """The signs of a picture that comes later, and the texts held back because of it."""

    def __init__(self) -> None:
        self.use_case: str | None = None
        self.error = ""  # the failed tool's message
        self.task_ids: set[str] = set()
        self.has_task = False  # a message named a task
        self._has_call = False  # an image tool was called
        self._launches: set[str] = set()  # ids of assistant messages that name a task
        self._held: dict[str, str] = {}  # possible notices or arguments, by message id

    def learn_use_case(self, use_case: str) -> None:
        """Take the use case of the turn, `image gen` or `image_gen` where it draws."""
        if use_case:
            self.use_case = use_case.replace("_", " ").lower()

    def see(self, message: Message) -> None:
        """Look for signs in a message of the turn."""
        is_tool = message.role == "tool"
        if not is_tool and message.role != "assistant":
            return
        if not is_tool and message.recipient != "all" and is_image_tool(message.recipient):
            self._has_call = True
        is_task = is_picture_task(message)
        is_error = is_tool and message.metadata.get("is_error") is True
        if is_error and (is_task or is_image_tool(message.name)):
            self.error = message.text
        elif is_task:
            self.has_task = True
            if isinstance(task_id := message.metadata.get("image_gen_task_id"), str):
                self.task_ids.add(task_id)
        if is_task and not is_tool and not message.pointers:
            self._launches.add(message.id)
        else:
            self._launches.discard(message.id)

    @property
    def notice(self) -> str:
        """The assistant's notice about waiting."""
        for each, text in self._held.items():
            if self._is_notice(each, text):
                return text
        return ""

    def is_pending(self, turn: TurnState, said: str) -> bool:
        """Tell whether a picture comes later, by all that was seen up to the end of a body.

        Args:
            turn: the state of the turn.
            said: the last visible message, as far as it was sent.
        """
        if self.error:
            return False
        if self.has_task or (self._held and self._is_holding_signs()):
            return True
        if self.use_case != IMAGE_GEN:
            return False
        if self._has_call and not turn.has(Seen.TEXT):
            return True
        # A refusal ends the turn; without an end the text does not explain a missing picture.
        has_last_word = turn.phase in (Phase.LAST_WORD, Phase.FINAL)
        is_answered = has_last_word and turn.has(Seen.TEXT)
        return turn.phase in ENDED and (not is_answered or is_queue_notice(said))

    def _is_holding_signs(self) -> bool:
        held = self._held.values()
        return bool(self.notice) or (self._may_draw and any(map(is_tool_arguments, held)))

    @property
    def _may_draw(self) -> bool:
        return self.use_case in (None, IMAGE_GEN)

    @property
    def _draws(self) -> bool:
        return self.use_case == IMAGE_GEN or self.has_task or self._has_call

    # --- texts that are not answers ------------------------------------------------

    def hold(self, message_id: str, text: str, *, is_finished: bool) -> str:
        """Return the part of an unsent answer that can be sent: all of it, or nothing yet."""
        if self._is_held(message_id, text, is_finished=is_finished):
            self._held[message_id] = text
            return ""
        self._held.pop(message_id, None)
        return text

    def _is_held(self, message_id: str, text: str, *, is_finished: bool) -> bool:
        if not text:
            return False
        if text[:1] == "{" and self._may_draw:
            return is_tool_arguments(text) if is_finished else _may_be_arguments(text)
        if is_finished:
            return self._is_notice(message_id, text)
        is_open = message_id in self._launches or self._draws
        return is_open and len(text) <= MAX_NOTICE_CHARS

    def _is_notice(self, message_id: str, text: str) -> bool:
        return message_id in self._launches or (self._draws and is_queue_notice(text))

    def decided(self) -> list[tuple[str, str]]:
        """Return held texts that turned out not to be notices, by message id."""
        if not self._held:
            return []
        return self._released(
            lambda each, text: text.startswith("{") or self._is_notice(each, text)
        )

    def release(self, *, has_picture: bool) -> list[tuple[str, str]]:
        """Return the texts held to the end, by message id: arguments if no picture came, no notices."""
        if not self._held:
            return []
        return self._released(
            lambda each, text: (
                self._is_notice(each, text) or (has_picture and is_tool_arguments(text))
            )
        )

    def _released(self, is_kept: Callable[[str, str], bool]) -> list[tuple[str, str]]:
        kept = {each: text for each, text in self._held.items() if is_kept(each, text)}
        released = [(each, text) for each, text in self._held.items() if each not in kept]
        self._held = kept
        return released


def is_picture_task(message: Message) -> bool:
    """Tell whether a message names a task that draws a picture."""
    metadata = message.metadata
    if metadata.get("async_task_type") == "image_gen":
        return True
    has_signs = not metadata.keys().isdisjoint(_TASK_SIGNS)
    return has_signs and any(map(metadata.get, _TASK_SIGNS))


def is_queue_notice(text: str) -> bool:
    """Tell whether a text of a drawing turn only says that its picture has to wait."""
    return (
        len(text) <= MAX_NOTICE_CHARS
        and _NOTICE.search(text) is not None
        and _NO_NOTICE.search(text) is None
    )


def is_tool_arguments(text: str) -> bool:
    """Tell whether a text consists only of an image tool's arguments."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or not value.keys() <= _ARGUMENTS:
        return False
    return "referenced_image_ids" in value or {"size", "n"} <= value.keys()


def _may_be_arguments(text: str) -> bool:
    """Tell whether the beginning of a text may still become arguments."""
    first = _FIRST_KEY.match(text)
    if first is None or len(text) > MAX_ARGUMENTS_CHARS:
        return False
    key, is_whole = first[1] or "", bool(first[2])
    return key in _ARGUMENTS if is_whole else any(known.startswith(key) for known in _ARGUMENTS)
