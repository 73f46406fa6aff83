"""Counts turns, and recordings to transcribe, against the budgets of their gateway key."""

from service.ledger.budgets import HeldBudgets
from service.ports import DeltaSink, Transcriptions, Turns
from service.vocabulary.credentials import Credential
from service.vocabulary.requests import ChatRequest, LocalFile


class BudgetedTurns:
    """Runs turns whose key has something left; implements `service.ports.Turns`."""

    def __init__(self, turns: Turns, budgets: HeldBudgets) -> None:
        self._turns = turns
        self._budgets = budgets

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the turn into the sink; see the port.

        Raises:
            KeyLimitError: a budget of the key is used up.
        """
        async with self._budgets.turn(credential):
            await self._turns.run(request, credential, sink)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)


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
