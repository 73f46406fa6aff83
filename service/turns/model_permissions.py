"""Refuses turns of models that the caller's gateway key may not use."""

from collections.abc import AsyncGenerator

from service.ports import Lane, Turns
from service.vocabulary.credentials import Credential
from service.vocabulary.events import Delta
from service.vocabulary.gateway_keys import check_model
from service.vocabulary.requests import ChatRequest


class PermittedTurns:
    """Runs turns of models that their key may use; implements `service.ports.Turns`."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def run(
        self, request: ChatRequest, credential: Credential, lane: Lane | None = None
    ) -> AsyncGenerator[list[Delta], None]:
        """Return the batches of the turn; see the port.

        Raises:
            NotFoundError: the key may not use this model.
        """
        check_model(credential.models, request.asked_model or request.model)
        return self._turns.run(request, credential, lane)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)
