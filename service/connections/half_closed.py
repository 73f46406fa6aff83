"""Callers that close their sending side after their request.

Some of them still want their answer; most have left. TCP shows both alike, until something is sent:
a caller that has left answers it with a reset. So shortly after such a close the gateway sends
bytes that every reader ignores, and then looks whether the connection was reset:

    before the head of an answer    `HTTP/1.1 100 Continue`, which every client skips
    within a stream of events       a comment
    within any other body           nothing, since its next piece serves as well
"""

import asyncio
import select
from collections.abc import Callable

from aiohttp import web

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
COMMENT = b"3\r\n:\n\n\r\n"  # as an HTTP chunk
ASK_SECONDS = 0.4  # most answers are complete by then, and need no probe
LOOK_SECONDS = 0.2
LATER_SECONDS = 2.0  # until a look at the connection, by when a reset should have arrived
_EARLY_LOOKS = 5


class HalfClosed:
    """Watches a connection whose caller has closed its side; aborts it once the caller has left.

    Args:
        transport: of the connection.
        question: returns the bytes that may be sent now.
    """

    def __init__(self, transport: asyncio.Transport, question: Callable[[], bytes | None]) -> None:
        self._transport = transport
        self._question = question
        self._loop = asyncio.get_running_loop()
        self._looks = 0
        self._timer = self._loop.call_later(ASK_SECONDS, self._ask)

    def end(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _ask(self) -> None:
        if question := self._question():
            self._transport.write(question)
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self._transport.is_closing():
            return
        if _has_left(self._transport):
            self._transport.abort()
            return
        self._looks += 1
        seconds = LOOK_SECONDS if self._looks < _EARLY_LOOKS else LATER_SECONDS
        self._timer = self._loop.call_later(seconds, self._look)


def question_for(writer: object, version: tuple[int, int], content_type: str) -> bytes | None:
    """Return the bytes that may be sent to a caller at this stage of its answer, None if none may.

    Args:
        writer: aiohttp's writer of the answer.
        version: of HTTP.
        content_type: the header of the answer, empty before its head.
    """
    if not getattr(writer, "output_size", 0):
        return CONTINUE if version >= (1, 1) else None
    is_stream = content_type.startswith("text/event-stream") and getattr(writer, "chunked", False)
    return COMMENT if is_stream else None


def _has_left(transport: asyncio.Transport) -> bool:
    """Tell whether the connection was reset; a caller that only closed its side is still there."""
    connection = transport.get_extra_info("socket")
    descriptor = connection.fileno() if connection is not None else -1
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, 0)  # errors and hang-ups are always reported
    return bool(poll.poll(0))


ANSWER_TYPE = web.RequestKey("ANSWER_TYPE", str)  # the header Content-Type of the answer
