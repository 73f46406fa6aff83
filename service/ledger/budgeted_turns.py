"""Counts turns, and recordings to transcribe, against the budgets of their gateway key."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.ledger.budgets import HeldBudgets
from service.ports import Lane, Transcriptions, Turns
from service.vocabulary.credentials import NO_BUDGETS, Credential
from service.vocabulary.events import Delta
from service.vocabulary.requests import ChatRequest, LocalFile


class BudgetedTurns:
    """Runs turns whose key has something left; implements `service.ports.Turns`."""

    def __init__(self, turns: Turns, budgets: HeldBudgets) -> None:
        self._turns = turns
        self._budgets = budgets

    def run(
        self, request: ChatRequest, credential: Credential, lane: Lane | None = None
    ) -> AsyncGenerator[list[Delta], None]:
        """Return the batches of the turn; see the port.

        The generator raises a KeyLimitError if a budget of the key is used up.
        """
        if credential.budgets == NO_BUDGETS:
            return self._turns.run(request, credential, lane)
        return self._counted(request, credential, lane)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)

    async def _counted(
        self, request: ChatRequest, credential: Credential, lane: Lane | None
    ) -> AsyncGenerator[list[Delta], None]:
        async with (
            self._budgets.turn(credential),
            aclosing(self._turns.run(request, credential, lane)) as batches,
        ):
            async for batch in batches:
                yield batch


class BudgetedTranscriptions:
    """Transcribes for keys that have something left; implements `service.ports.Transcriptions`."""

    def __init__(self, transcriptions: Transcriptions, budgets: HeldBudgets) -> None:
        self._transcriptions = transcriptions
        self._budgets = budgets

    async def transcribe(
        self, recording: LocalFile, language: str | None, credential: Credential
    ) -> str:
        """Return the text of a recording; see the port.

        Raises:
            KeyLimitError: a budget of the key is used up.
        """
        async with self._budgets.turn(credential):
            return await self._transcriptions.transcribe(recording, language, credential)
