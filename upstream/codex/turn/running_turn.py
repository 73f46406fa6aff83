"""The state of a turn through all its tries."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from service.stages.codex.ending import CodexEnding
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import ServiceError, ShutdownError
from service.vocabulary.events import TurnEnded
from service.vocabulary.native import Scope, UsageKnown
from service.vocabulary.requests import ChatRequest
from upstream.codex.payload.turn_body import DRAWING, CodexTurn
from upstream.line.answer_body import AnswerBody

ByTool = Callable[[], Awaitable[CodexTurn | None]]
"""Makes the turn that draws with a model's tool, where the account has such a model."""

_log = logging.getLogger("gateway.turns")


class RunningTurn:
    """One turn.

    Args:
        request: of the caller.
        credential: the caller's.
        caller: whom to act as; another one after a renewal.
        payload: what is sent.
        by_tool: for an order of pictures, the other way to draw.
    """

    def __init__(
        self,
        request: ChatRequest,
        credential: Credential,
        caller: Caller,
        payload: CodexTurn,
        by_tool: ByTool | None = None,
    ) -> None:
        self.request = request
        self.credential = credential
        self.caller = caller
        self.payload = payload
        self.by_tool = by_tool
        self.scope = scope_of(request)
        self.body: AnswerBody | None = None
        self.ending: CodexEnding | None = None  # of the latest try
        self.answering_model: str | None = None
        self.call_ids: list[str] = []
        self.is_closing = False
        self._waiting: asyncio.Timeout | None = None  # for an answer in one piece
        self._pictures_left = 0
        self._used = UsageKnown(0, 0)
        if by_tool is None:
            self._count_pictures()

    def shut_down(self) -> None:
        """End the turn because this gateway is being stopped."""
        self.is_closing = True
        if self.body is not None:
            self.body.shut_down()
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait inside the block for an answer that comes in one piece.

        Raises:
            ShutdownError: this gateway is being stopped.
        """
        try:
            async with asyncio.timeout(0 if self.is_closing else None) as self._waiting:
                yield
        except TimeoutError:
            if not self.is_closing:
                raise
            message = "This gateway is being stopped; please send the request again."
            raise ShutdownError(message) from None
        finally:
            self._waiting = None

    def read(self, body: AnswerBody) -> None:
        """Take the body that is read from now on."""
        self.body = body
        if self.is_closing:
            body.shut_down()

    async def draw_by_tool(self, fault: ServiceError) -> None:
        """Go over to the other way to draw, which makes one picture each time.

        Raises:
            ServiceError: the fault of the first way; the account has no model for the other.
        """
        payload = await self.by_tool() if self.by_tool else None
        self.by_tool = None
        if payload is None:
            raise fault
        _log.info("pictures are drawn by a model's tool: %s", fault)
        self.payload = payload
        self._count_pictures()

    def goes_on(self, ended: TurnEnded) -> bool:
        """Tell whether another picture is to be drawn after this end of one."""
        if ended.failure is not None or not self._pictures_left:
            return False
        self._pictures_left -= 1
        return True

    def used(self, usage: UsageKnown) -> UsageKnown:
        """Add newly told tokens and return the sum."""
        self._used += usage
        return self._used

    def _count_pictures(self) -> None:
        order = self.request.picture
        self._pictures_left = order.count - 1 if order else 0


def scope_of(request: ChatRequest) -> Scope:
    """Return the allowance that a turn is taken from, by the wishes of the request."""
    choice, tools = request.wishes.tool_choice, request.wishes.tools
    if request.picture is not None or (isinstance(choice, dict) and choice.get("type") == DRAWING):
        return Scope.PICTURES
    is_only = bool(tools) and all(tool.get("type") == DRAWING for tool in tools)
    return Scope.PICTURES if is_only and choice == "required" else Scope.TEXT
