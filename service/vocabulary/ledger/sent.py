"""Whether a turn has gone upstream: told from where it is sent to where it is counted.

The ports between the two know nothing of it: it is a value of the task that runs the turn.
"""

from contextvars import ContextVar


class Sending:
    """One turn, or another call that is counted like one."""

    def __init__(self) -> None:
        self.is_sent = False


_SENDING: ContextVar[Sending | None] = ContextVar("sending", default=None)


def watch_sending() -> Sending:
    """Return the record of what this task sends from now on."""
    sending = Sending()
    _SENDING.set(sending)
    return sending


def note_sent() -> None:
    """Note that a request goes upstream whose answer costs the account something."""
    if (sending := _SENDING.get()) is not None:
        sending.is_sent = True
