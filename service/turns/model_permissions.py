"""Refuses turns of models that the caller's gateway key may not use."""

from service.ports import DeltaSink, Turns
from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import check_model
from service.vocabulary.requests import ChatRequest


class PermittedTurns:
    """Runs turns of models that their key may use; implements `service.ports.Turns`."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the turn into the sink; see the port.

        Raises:
            NotFoundError: the key may not use this model.
        """
        check_model(credential.models, request.asked_model or request.model)
        await self._turns.run(request, credential, sink)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)
