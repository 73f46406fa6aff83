"""Turns, for gateway keys of the models that they may ask for only."""

from collections.abc import AsyncGenerator

from service.ports import Lane, Turns
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import NotFoundError
from service.vocabulary.events import Delta
from service.vocabulary.requests import ChatRequest

_MAX_NAME_CHARS = 255  # of a refused name, quoted


class AllowedTurns:
    """Runs turns of models that their key may use; implements `service.ports.Turns`."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def run(
        self, request: ChatRequest, credential: Credential, lane: Lane | None = None
    ) -> AsyncGenerator[list[Delta], None]:
        """Return the batches of the turn; see the port.

        Raises:
            NotFoundError: the key may not use this model: for it there is none.
        """
        if credential.models and request.model not in credential.models:
            known = ", ".join(f"'{name}'" for name in credential.models)
            message = (
                f"The model '{request.model[:_MAX_NAME_CHARS]}' does not exist or you do not have "
                f"access to it; this key may use {known}."
            )
            raise NotFoundError(message, code="model_not_found", param="model")
        return self._turns.run(request, credential, lane)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)
