"""Adds functions and JSON formats to an upstream without them, by instructions and checks."""

from collections.abc import AsyncGenerator

from service.demands.enforce import enforced
from service.demands.instructions import instructed
from service.ports import Lane, Turns
from service.vocabulary.credentials import Credential
from service.vocabulary.events import Delta
from service.vocabulary.requests import ChatRequest


class ImitatedTurns:
    """Runs turns with demands told in words; implements `service.ports.Turns`.

    Args:
        turns: runs a turn of words.
        is_kept: whether the upstream keeps the conversation, so that it can be continued.
    """

    def __init__(self, turns: Turns, *, is_kept: bool) -> None:
        self._turns = turns
        self._is_kept = is_kept

    def run(
        self, request: ChatRequest, credential: Credential, lane: Lane | None = None
    ) -> AsyncGenerator[list[Delta], None]:
        """Return the batches of the turn; see the port.

        An answer with a demand does not use the lane, since it is checked before it is sent.
        """
        told = instructed(request)
        if request.demand is None:
            return self._turns.run(told, credential, lane)
        return enforced(self._turns, told, request.demand, credential, is_kept=self._is_kept)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)
