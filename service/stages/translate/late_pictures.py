"""Whether a picture is still being drawn when the body of its turn ends (protocol 8.2b)."""

import json
import re

from service.stages.decode.messages import is_image_tool
from service.vocabulary.events import BodyEnd, BodyEnded, Message

IMAGE_GEN = "image gen"  # `turn_use_case` of a turn that draws
MAX_ARGUMENTS_CHARS = 4_000
_SIGNS = ("image_gen_async", "image_gen_task_id", "trigger_async_ux", "ui_card_shimmer")
_ARGUMENTS = frozenset(
    ("size", "n", "prompt", "referenced_image_ids", "transparent_background", "background")
) | {"is_style_transfer", "quality", "style"}
_FIRST_KEY = re.compile(r'\{\s*(?:"([^"]*)("?)|$)')


class LatePictures:
    """The signs of a picture that comes later, and the wait for it."""

    def __init__(self) -> None:
        self.use_case: str | None = None
        self.error = ""  # what the tool said when it failed
        self.task_ids: set[str] = set()
        self._has_task = False
        self._is_called = False  # an image tool was
        self._arguments: dict[str, str] = {}  # text that may be a tool's, by message id
        self._body: BodyEnded | None = None  # that ended with a picture pending
        self._is_waiting = False

    @property
    def is_waiting(self) -> bool:
        """Whether the turn goes on without a body, until its pictures are there."""
        return self._is_waiting

    def see(self, message: Message) -> None:
        """Look at a message of the turn for signs."""
        if message.role == "assistant":
            self._is_called = self._is_called or is_image_tool(message.recipient)
        elif message.role == "tool":
            metadata = message.metadata
            is_task = metadata.get("async_task_type") == "image_gen" or any(
                metadata.get(sign) for sign in _SIGNS
            )
            if metadata.get("is_error") is True and (is_task or is_image_tool(message.name)):
                self.error = message.text
            elif is_task:
                self._has_task = True
                if isinstance(task_id := metadata.get("image_gen_task_id"), str):
                    self.task_ids.add(task_id)

    def is_pending(self, how: BodyEnd, *, has_answer: bool, has_picture: bool) -> bool:
        """Return whether this end of a body leaves a picture to wait for; only the first can."""
        is_end_to_wait_at = how in (BodyEnd.CLEAN, BodyEnd.CUT, BodyEnd.SILENT)
        if not is_end_to_wait_at or self._body is not None or has_picture or self.error:
            return False
        if self._has_task:
            return True
        if self._is_drawing and any(is_tool_arguments(text) for text in self._arguments.values()):
            return True
        return self._is_called and self.use_case == IMAGE_GEN and not has_answer

    def begin_wait(self, body: BodyEnded) -> None:
        """Wait from this end of the body on."""
        self._body = body
        self._is_waiting = True

    def end_wait(self) -> BodyEnded | None:
        """Return the end from which was waited, once; None when nothing waits."""
        was_waiting, self._is_waiting = self._is_waiting, False
        return self._body if was_waiting else None

    @property
    def _is_drawing(self) -> bool:
        return self.use_case in (None, IMAGE_GEN)

    # --- text that is only a tool's arguments -----------------------------------

    def hold(self, message_id: str, unseen: str, *, is_finished: bool) -> str:
        """Return what of an answer's beginning can go out; the rest may be arguments."""
        text = self._arguments.get(message_id, "") + unseen
        if text[:1] == "{" and self._is_drawing:
            is_held = is_tool_arguments(text) if is_finished else _may_be_arguments(text)
            if is_held:
                self._arguments[message_id] = text
                return ""
        self._arguments.pop(message_id, None)
        return text

    def release(self, *, has_picture: bool) -> list[tuple[str, str]]:
        """Return what was held, by message id: all of it is an answer if no picture came."""
        held, self._arguments = self._arguments, {}
        return [
            (message_id, text)
            for message_id, text in held.items()
            if not (has_picture and is_tool_arguments(text))
        ]


def is_tool_arguments(text: str) -> bool:
    """Return whether a text is nothing but the arguments of a call to an image tool."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or not value.keys() <= _ARGUMENTS:
        return False
    return "referenced_image_ids" in value or {"size", "n"} <= value.keys()


def _may_be_arguments(text: str) -> bool:
    """Return whether the beginning of a text leaves open that it is arguments."""
    first = _FIRST_KEY.match(text)
    if first is None or len(text) > MAX_ARGUMENTS_CHARS:
        return False
    key, is_whole = first[1] or "", bool(first[2])
    return key in _ARGUMENTS if is_whole else any(known.startswith(key) for known in _ARGUMENTS)
