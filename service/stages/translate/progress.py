"""What is known of the messages of a turn: how far each has come, and which were sent by it."""

from enum import Enum, auto

from service.stages.decode.messages import MessageKind, kind_of
from service.stages.markup.references import ReadReferences
from service.stages.translate.growth import Growth
from service.vocabulary.events import Message, SentHistory

_OF_TOOLS = (
    *(MessageKind.TOOL_CALL, MessageKind.TOOL_RESULT),
    *(MessageKind.TOOL_ERROR, MessageKind.TOOL_MEDIA),
)


class Use(Enum):
    """What becomes of a tool call."""

    SHOWN = auto()  # a block, as it comes
    DOCUMENT = auto()  # what is written on the canvas, whole
    MAYBE = auto()  # shown if its reply says that it was an action's
    HIDDEN = auto()


class Progress:
    """What is known of one message id."""

    def __init__(self) -> None:
        self.kind = MessageKind.HIDDEN
        self.is_tool = False  # a call, or what a tool says
        self.growth = Growth()
        self.is_dropped = False  # an echo, or the losing variant: stays out for the whole turn
        self.is_finished = False
        self.has_text = False  # some of it has been given out
        self.began_beside = False  # another answer was growing when this one began
        self.language = ""
        self.use = Use.HIDDEN  # of a tool call
        self.references = ReadReferences()
        self.unknown: list[str] = []  # words of it that are not known, and were counted

    @property
    def is_begun(self) -> bool:
        """Whether this is an answer of which nothing is out, and something may come."""
        is_open = not (self.has_text or self.is_finished)
        return is_open and self.kind is MessageKind.ANSWER

    @property
    def is_growing(self) -> bool:
        """Whether this is an answer of which a part is out, all of it in order, and more may come."""
        is_open = self.has_text and not (self.is_dropped or self.is_finished)
        return is_open and self.kind is MessageKind.ANSWER and self.growth.is_level

    def take(self, message: Message) -> None:
        """Note what the message is now."""
        self.kind = kind_of(message)
        is_hidden = self.kind is MessageKind.HIDDEN
        self.is_tool = message.role == "tool" if is_hidden else self.kind in _OF_TOOLS

    def new_words(self, unknown: list[str]) -> list[str]:
        """Return which of its unknown words were not counted yet; it may begin and end with others."""
        new = [word for word in unknown if word not in self.unknown]
        self.unknown += new
        return new


class Echoes:
    """Knows what the turn itself has sent, and what of it the upstream says again (spec 6.2)."""

    def __init__(self, sent: SentHistory) -> None:
        self._ids = set(sent.message_ids)
        self._texts = sent.assistant_texts

    def add(self, message_id: str) -> None:
        """Note that the upstream says of a message that it was sent."""
        self._ids.add(message_id)

    def has(self, message: Message, *, is_first: bool) -> bool:
        """Return whether a message is one of these; `is_first`: nothing was said before it."""
        return message.id in self._ids or (
            is_first
            and message.role == "assistant"
            and message.is_finished
            and "message_type" not in message.metadata
            and message.text in self._texts
        )
