"""What is known of one message of a turn."""

from service.stages.decode.messages import MessageKind
from service.stages.translate.growth import Growth
from service.vocabulary.events import Reference


class Progress:
    """What is known of one message id."""

    def __init__(self) -> None:
        self.kind = MessageKind.HIDDEN
        self.growth = Growth()
        self.is_dropped = False  # an echo, or the losing variant: stays out for the whole turn
        self.is_finished = False
        self.has_text = False  # some of it has been given out
        self.began_beside = False  # another answer was growing when this one began
        self.language = ""
        self.references: tuple[Reference, ...] = ()
        self.unknown: list[str] = []  # words of it that are not known, and were counted

    @property
    def is_growing(self) -> bool:
        """Whether this is an answer of which a part is out, all of it in order, and more may come."""
        is_open = self.has_text and not (self.is_dropped or self.is_finished)
        return is_open and self.kind is MessageKind.ANSWER and self.growth.is_level
