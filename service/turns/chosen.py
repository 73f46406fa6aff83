"""Ports over both upstreams: each call goes to the upstream of its credential (spec 14.1)."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from service.ports import (
    Accounts,
    Allowances,
    Catalogue,
    DeltaSink,
    Sound,
    Speech,
    Transcriptions,
    Turns,
)
from service.vocabulary.credentials import Caller, Credential, UpstreamChoice, UpstreamKind
from service.vocabulary.errors import NOT_OFFERED, NotFoundError
from service.vocabulary.native import Allowance, LimitWindow
from service.vocabulary.requests import ChatRequest, LocalFile, ModelInfo, SpeechOrder


class ChosenTurns:
    """Runs each turn with the upstream of its credential; implements `service.ports.Turns`.

    Args:
        choice: picks the upstream.
        turns: the upstreams that this gateway has.
    """

    def __init__(self, choice: UpstreamChoice, turns: Mapping[UpstreamKind, Turns]) -> None:
        self._choice = choice
        self._turns = turns

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the turn into the sink; see the port.

        Raises:
            AuthError: this gateway does not have the upstream of this credential.
        """
        await self._turns[self._choice.upstream_of(credential)].run(request, credential, sink)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        async with asyncio.TaskGroup() as group:
            for turns in self._turns.values():
                group.create_task(turns.drain(seconds))


class ChosenCatalogue:
    """Lists the models of the caller's upstream; without a caller, those of the first one."""

    def __init__(self, catalogues: Mapping[UpstreamKind, Catalogue]) -> None:
        self._catalogues = catalogues

    async def listing(self, caller: Caller | None) -> list[ModelInfo]:
        """Return the entries of `GET /v1/models`, each once."""
        kind = next(iter(self._catalogues)) if caller is None else caller.upstream
        return await self._catalogues[kind].listing(caller)


class ChosenAccounts:
    """Lists the accounts of a credential, by its upstream."""

    def __init__(self, accounts: Mapping[UpstreamKind, Accounts]) -> None:
        self._accounts = accounts

    async def by_plan(self, caller: Caller) -> dict[str, list[str]]:
        """Return account ids by plan type; see the port."""
        return await self._accounts[caller.upstream].by_plan(caller)


class CodexOnlyAllowances:
    """Allowances, which only Codex's back end tells; implements `service.ports.Allowances`.

    Args:
        choice: picks the upstream.
        allowances: of Codex accounts, None if this gateway serves none.
    """

    def __init__(self, choice: UpstreamChoice, allowances: Allowances | None) -> None:
        self._choice = choice
        self._allowances = allowances

    async def of(self, credential: Credential) -> Allowance:
        """Return the allowance of a credential's account; see the port.

        Raises:
            NotFoundError: it is an account of the website.
        """
        if (
            self._choice.upstream_of(credential) is not UpstreamKind.CODEX
            or self._allowances is None
        ):
            message = (
                "How much of its allowance is used is told of accounts of Codex's login; an account "
                "of the website's login has no such figures."
            )
            raise NotFoundError(message, code=NOT_OFFERED)
        return await self._allowances.of(credential)

    def known(self) -> Sequence[tuple[LimitWindow, ...]]:
        """Return the windows of each account that this process knows, without its name."""
        return () if self._allowances is None else self._allowances.known()


class WebsiteSpeech:
    """Speech, for accounts of the website; implements `service.ports.Speech`.

    Args:
        choice: picks the upstream.
        speech: of the website, None where there is no website.
    """

    def __init__(self, choice: UpstreamChoice, speech: Speech | None) -> None:
        self._choice = choice
        self._speech = speech

    def speak(
        self, order: SpeechOrder, credential: Credential
    ) -> AbstractAsyncContextManager[Sound]:
        """Open the sound of what was ordered; see the port.

        Raises:
            NotFoundError: the account's upstream has no speech.
        """
        if self._choice.upstream_of(credential) is UpstreamKind.CODEX or self._speech is None:
            raise not_offered("Speech")
        return self._speech.speak(order, credential)


class WebsiteTranscriptions:
    """Transcriptions, for accounts of the website; see `WebsiteSpeech`."""

    def __init__(self, choice: UpstreamChoice, transcriptions: Transcriptions | None) -> None:
        self._choice = choice
        self._transcriptions = transcriptions

    async def transcribe(
        self, recording: LocalFile, language: str | None, credential: Credential
    ) -> str:
        """Return the text of a recording; see the port.

        Raises:
            NotFoundError: the account's upstream has no transcriptions.
        """
        is_codex = self._choice.upstream_of(credential) is UpstreamKind.CODEX
        if is_codex or self._transcriptions is None:
            raise not_offered("Transcription")
        return await self._transcriptions.transcribe(recording, language, credential)


def not_offered(what: str) -> NotFoundError:
    """Return the error for a feature that only accounts of the website's login have."""
    message = f"{what} is offered to accounts of the website's login; a Codex account has none."
    return NotFoundError(message, code=NOT_OFFERED)
