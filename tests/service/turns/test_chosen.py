"""Each credential meets its own upstream, and what only one has is refused to the other."""

import asyncio

import pytest

from service.ports import DeltaSink
from service.turns.chosen import (
    ChosenAccounts,
    ChosenCatalogue,
    ChosenTurns,
    CodexOnlyAllowances,
    WebsiteSpeech,
    WebsiteTranscriptions,
)
from service.vocabulary.credentials import Caller, Credential, UpstreamChoice, UpstreamKind
from service.vocabulary.errors import NOT_OFFERED, AuthError, NotFoundError
from service.vocabulary.events import Outcome, TurnEnded
from service.vocabulary.requests import ModelInfo
from tests.sinks import Kept

WEBSITE, CODEX = UpstreamKind.WEBSITE, UpstreamKind.CODEX
CHOICE = UpstreamChoice("the client")
OF_WEBSITE, OF_CODEX = Credential("rt_one"), Credential("codex:rt_one")
END = TurnEnded(Outcome.COMPLETE, "stop")


class Upstream:
    """Says its name in whatever it answers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.drained: list[float] = []

    async def run(self, _request: object, _credential: object, sink: DeltaSink) -> None:
        sink.feed([TurnEnded(Outcome.COMPLETE, self.name)])

    async def drain(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.drained.append(seconds)

    async def listing(self, *_: object) -> list[ModelInfo]:
        return [ModelInfo(self.name, 0, "o")]

    async def by_plan(self, *_: object) -> dict[str, list[str]]:
        return {"plus": [self.name]}

    def speak(self, *_: object) -> str:
        return self.name

    async def transcribe(self, *_: object) -> str:
        return self.name


UPSTREAMS = {WEBSITE: Upstream("website"), CODEX: Upstream("codex")}


def caller(kind: UpstreamKind) -> Caller:
    return Caller("t", None, "a", kind)


async def test_a_turn_goes_to_the_upstream_of_its_credential():
    turns = ChosenTurns(CHOICE, UPSTREAMS)
    for credential, name in ((OF_WEBSITE, "website"), (OF_CODEX, "codex")):
        sink = Kept()
        await turns.run(None, credential, sink)
        assert sink.batches == [[TurnEnded(Outcome.COMPLETE, name)]]
    await turns.drain(3)
    assert [upstream.drained for upstream in UPSTREAMS.values()] == [[3], [3]]


async def test_an_upstream_that_is_not_there_takes_no_credential():
    choice = UpstreamChoice("the client", taken=frozenset({CODEX}))
    turns = ChosenTurns(choice, {CODEX: UPSTREAMS[CODEX]})
    with pytest.raises(AuthError, match="Codex's login only"):
        await turns.run(None, OF_WEBSITE, Kept())
    choice = UpstreamChoice("the client", taken=frozenset({WEBSITE}))
    with pytest.raises(AuthError, match="no accounts of Codex's login"):
        await ChosenTurns(choice, {WEBSITE: UPSTREAMS[WEBSITE]}).run(None, OF_CODEX, Kept())


async def test_models_and_accounts_are_those_of_the_callers_upstream():
    catalogue, accounts = ChosenCatalogue(UPSTREAMS), ChosenAccounts(UPSTREAMS)
    for kind in UpstreamKind:
        assert [info.id for info in await catalogue.listing(caller(kind))] == [kind]
        assert await accounts.by_plan(caller(kind)) == {"plus": [kind]}
    assert [info.id for info in await catalogue.listing(None)] == ["website"]
    alone = ChosenCatalogue({CODEX: UPSTREAMS[CODEX]})
    assert [info.id for info in await alone.listing(None)] == ["codex"]


async def test_sound_is_of_the_website():
    website = UPSTREAMS[WEBSITE]
    assert WebsiteSpeech(CHOICE, website).speak(None, OF_WEBSITE) == "website"
    transcriptions = WebsiteTranscriptions(CHOICE, website)
    assert await transcriptions.transcribe(None, None, OF_WEBSITE) == "website"
    with pytest.raises(NotFoundError, match="website's login") as caught:
        WebsiteSpeech(CHOICE, website).speak(None, OF_CODEX)
    assert caught.value.code == NOT_OFFERED
    with pytest.raises(NotFoundError):
        await transcriptions.transcribe(None, None, OF_CODEX)
    with pytest.raises(NotFoundError):
        WebsiteSpeech(CHOICE, None).speak(None, OF_WEBSITE)


async def test_allowances_are_of_codex_accounts_alone():
    class Allowances:
        async def of(self, credential: Credential) -> str:
            return f"of {credential.token}"

        def known(self) -> list[str]:
            return ["windows"]

    of_both, of_one = CodexOnlyAllowances(CHOICE, Allowances()), CodexOnlyAllowances(CHOICE, None)
    assert await of_both.of(OF_CODEX) == "of codex:rt_one"
    assert (of_both.known(), of_one.known()) == (["windows"], ())
    for allowances, credential in ((of_both, OF_WEBSITE), (of_one, OF_CODEX)):
        with pytest.raises(NotFoundError) as caught:
            await allowances.of(credential)
        assert caught.value.code == NOT_OFFERED
