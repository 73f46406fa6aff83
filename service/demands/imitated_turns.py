"""Turns with an upstream that knows neither functions nor JSON formats: told in words, and held to them."""

from collections.abc import AsyncGenerator

from service.demands.enforce import complied
from service.demands.instructions import instructed
from service.ports import Lane, Turns
from service.vocabulary.credentials import Credential
from service.vocabulary.events import Delta
from service.vocabulary.requests import ChatRequest


class ImitatedTurns:
    """Runs turns in words alone; implements `service.ports.Turns`.

    Args:
        turns: what runs them.
        is_kept: whether the upstream keeps the conversation, so that it can go on.
    """

    def __init__(self, turns: Turns, *, is_kept: bool) -> None:
        self._turns = turns
        self._is_kept = is_kept

    def run(
        self, request: ChatRequest, credential: Credential, lane: Lane | None = None
    ) -> AsyncGenerator[list[Delta], None]:
        """Return the batches of the turn; see the port.

        An answer that is held against a demand leaves the lane alone: it is not sent as it comes.
        """
        told = instructed(request)
        if request.demand is None:
            return self._turns.run(told, credential, lane)
        return complied(self._turns, told, request.demand, credential, is_kept=self._is_kept)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)
