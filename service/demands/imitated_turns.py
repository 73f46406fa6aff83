"""Adds functions and JSON formats to an upstream without them, by instructions and checks."""

from service.demands.enforce import enforced
from service.demands.instructions import instructed
from service.ports import DeltaSink, Turns
from service.vocabulary.credentials import Credential
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

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the turn into the sink; see the port.

        An answer with a demand does not use the lane, since it is checked before it is sent.
        """
        told = instructed(request)
        if request.demand is None:
            await self._turns.run(told, credential, sink)
        else:
            demand, is_kept = request.demand, self._is_kept
            await enforced(self._turns, told, demand, credential, sink, is_kept=is_kept)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)
