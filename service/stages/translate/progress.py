"""The progress of each message of a turn, and the messages that the turn itself has sent."""

from enum import Enum, auto

from service.stages.decode.messages import MessageKind, kind_of
from service.stages.markup.references import ReadReferences
from service.stages.translate.growth import Growth
from service.vocabulary.events import Message, SentHistory

_HIDDEN, _ANSWER = MessageKind.HIDDEN, MessageKind.ANSWER  # a member is slow to look up
_OF_TOOLS = (
    *(MessageKind.TOOL_CALL, MessageKind.TOOL_RESULT),
    *(MessageKind.TOOL_ERROR, MessageKind.TOOL_MEDIA),
)


class Use(Enum):
    """How a tool call is shown."""

    SHOWN = auto()  # as a block, while it grows
    DOCUMENT = auto()  # the document that it writes on the canvas, when complete
    MAYBE = auto()  # shown if its reply turns out to be an action's
    HIDDEN = auto()


_UNUSED = Use.HIDDEN


class Progress:
    """The state of one message."""

    def __init__(self) -> None:
        self.kind = _HIDDEN
        self.is_tool = False  # a tool call or a tool's message
        self.growth = Growth()
        self.is_dropped = False  # an echo, or the losing variant: hidden for the whole turn
        self.is_finished = False
        self.has_text = False  # some of it has been sent
        self.began_beside = False  # another answer was growing when this one began
        self.language = ""
        self.use = _UNUSED  # for a tool call
        self.references = ReadReferences()
        self.unknown: list[str] = []  # its unknown words that were counted

    @property
    def is_begun(self) -> bool:
        """Whether this is an open answer of which nothing has been sent."""
        is_open = not (self.has_text or self.is_finished)
        return is_open and self.kind is _ANSWER

    @property
    def is_growing(self) -> bool:
        """Whether this is an open answer of which a part has been sent, in order."""
        is_open = self.has_text and not (self.is_dropped or self.is_finished)
        return is_open and self.kind is _ANSWER and self.growth.is_level

    @property
    def is_withheld(self) -> bool:
        """Whether its text is not sent: never, or not yet."""
        return self.is_dropped or (self.growth.text != "" and not self.has_text)

    def take(self, message: Message) -> None:
        """Take the current state of the message."""
        self.kind = kind_of(message)
        is_hidden = self.kind is _HIDDEN
        self.is_tool = message.role == "tool" if is_hidden else self.kind in _OF_TOOLS

    def new_words(self, unknown: list[str]) -> list[str]:
        """Return its unknown words that were not counted yet."""
        if not unknown:
            return unknown
        new = [word for word in unknown if word not in self.unknown]
        self.unknown += new
        return new


class Echoes:
    """Recognises echoes of what the turn itself has sent (spec 6.2)."""

    def __init__(self, sent: SentHistory) -> None:
        self._ids = set(sent.message_ids)
        self._texts = sent.assistant_texts

    def add(self, message_id: str) -> None:
        """Note that the upstream marked a message as sent by the caller."""
        self._ids.add(message_id)

    def has(self, message: Message, *, is_first: bool) -> bool:
        """Tell whether a message is an echo; `is_first`: no answer came before it."""
        return message.id in self._ids or (
            is_first
            and message.role == "assistant"
            and message.is_finished
            and "message_type" not in message.metadata
            and message.text in self._texts
        )
