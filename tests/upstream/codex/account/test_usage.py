"""Asking the back end what is used of an account's allowance."""

import asyncio

import pytest
from msgspec import structs

from service.observing.metrics import Metrics
from service.settings.config import CodexConfig
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import UpstreamError, UpstreamRefusedError
from service.vocabulary.native import Credits, LimitsKnown, LimitWindow, Scope
from tests.scripted_codex import token_of
from tests.upstream.codex.conftest import NOW
from upstream.codex.account.limits import FRESH_SECONDS, AccountLimits
from upstream.codex.account.names import AccountNames
from upstream.codex.account.rests import AccountRests
from upstream.codex.account.usage import CodexAllowances, KnownOfAccounts
from upstream.codex.connection.backend import CodexBackend
from upstream.slots.calls import AccountCalls

PRIMARY = {"used_percent": 12.5, "limit_window_seconds": 18_000, "reset_at": NOW + 600}
ANSWER = {
    "plan_type": "plus",
    "rate_limit": {"allowed": True, "primary_window": PRIMARY, "secondary_window": None},
    "credits": {"has_credits": True, "unlimited": False, "balance": "9.99"},
    "additional_rate_limits": [
        {"metered_feature": "image_gen", "rate_limit": {"primary_window": PRIMARY}}
    ],
}
WINDOWS = (
    LimitWindow("primary", 12.5, 300, NOW + 600),
    LimitWindow("image_gen:primary", 12.5, 300, NOW + 600),
)
ONE, RENEWABLE = Credential(token_of("acc-1")), Credential("codex:rt_one")


class Exchange:
    """Exchanges tokens as a test needs them."""

    def __init__(self) -> None:
        self.renewed: list[Credential] = []

    async def caller(self, credential: Credential) -> Caller:
        token = token_of("acc-1") if credential is RENEWABLE else credential.token
        return Caller(token, "acc-1", credential.account)

    async def renew(self, credential: Credential, stale: Caller) -> Caller:
        self.renewed.append(credential)
        return structs.replace(stale, access_token=token_of("acc-1", jti="fresh"))


class Process:
    """One process's parts."""

    def __init__(self, backend, state, now, *, is_accepted=True) -> None:
        names = AccountNames(lambda _: is_accepted)
        limits = AccountLimits(names, lambda: now[0])
        rests = AccountRests(state, names, limits, Metrics(), lambda: now[0])
        self.known = KnownOfAccounts(names, limits, rests)
        self.exchange = Exchange()
        calls = AccountCalls(self.exchange, None)
        self.allowances = CodexAllowances(backend, calls, state, self.known, lambda: now[0])


@pytest.fixture
def now() -> list[float]:
    return [NOW]


@pytest.fixture
def process(backend, state, now):
    def start(**options: bool) -> Process:
        # Each process has a connection of its own, which tells its own limits.
        own = CodexBackend(CodexConfig(), backend.http, lambda: now[0])
        started = Process(own, state, now, **options)
        own.watch(started.known.limits.hear)
        return started

    return start


async def test_the_answer_is_told_in_full_with_the_rests(codex, process) -> None:
    codex.usage = 200, ANSWER
    here = process()
    caller = await here.exchange.caller(ONE)
    await here.known.rests.rest(caller, Scope.PICTURES, NOW + 50)
    allowance = await here.allowances.of(ONE)
    assert (allowance.plan, allowance.windows) == ("plus", WINDOWS)
    assert allowance.credits == Credits(has_credits=True, is_unlimited=False, balance="9.99")
    assert allowance.rests_until == {Scope.TEXT: None, Scope.PICTURES: NOW + 50}
    assert list(here.allowances.known()) == [WINDOWS]
    (asked,) = codex.usages
    assert asked.headers["ChatGPT-Account-Id"] == "acc-1"
    assert asked.headers["Authorization"] == f"Bearer {ONE.token}"


async def test_it_is_asked_once_a_minute_by_all_processes_and_credentials(
    codex, process, now
) -> None:
    codex.usage = 200, ANSWER
    here, there = process(), process()
    again = Credential(token_of("acc-1", jti="another"))
    askers = [each.allowances.of(one) for each in (here, there) for one in (ONE, again) * 5]
    assert {allowance.windows for allowance in await asyncio.gather(*askers)} == {WINDOWS}
    assert len(codex.usages) == 1
    now[0] += FRESH_SECONDS + 1
    await there.allowances.of(ONE)
    assert len(codex.usages) == 2


async def test_a_credential_that_was_never_accepted_gets_nothing_that_another_was_told(
    codex, process
) -> None:
    codex.usage = 200, ANSWER
    await process().allowances.of(ONE)
    codex.usage = 401, {"error": {"code": "token_expired", "message": "No."}, "status": 401}
    forged = Credential(token_of("acc-1", jti="forged"))
    with pytest.raises(UpstreamRefusedError) as caught:
        await process(is_accepted=False).allowances.of(forged)
    assert caught.value.status == 401


async def test_a_refused_token_is_renewed(codex, process) -> None:
    codex.usage = 401, {"error": {"code": "token_expired", "message": "No."}, "status": 401}
    here = process()
    with pytest.raises(UpstreamRefusedError):
        await here.allowances.of(RENEWABLE)
    assert here.exchange.renewed == [RENEWABLE]
    assert len({asked.headers["Authorization"] for asked in codex.usages}) == 2


async def test_what_is_known_is_told_while_the_back_end_has_a_fault(codex, process, now) -> None:
    codex.usage = 400, {"detail": "No."}
    here = process()
    with pytest.raises(UpstreamError):
        await here.allowances.of(ONE)
    caller = await here.exchange.caller(ONE)
    here.known.limits.note(caller, LimitsKnown((LimitWindow("primary", 30.0),), plan="pro"))
    for _ in range(3):
        allowance = await here.allowances.of(ONE)
    assert (allowance.plan, allowance.windows) == ("pro", (LimitWindow("primary", 30.0),))
    assert allowance.credits is None
    assert len(codex.usages) == 2  # the fault has its minute as well
    now[0] += FRESH_SECONDS + 1
    codex.usage = 200, ANSWER
    assert (await here.allowances.of(ONE)).windows[1] == WINDOWS[1]


async def test_what_another_version_has_stored_is_asked_for_again(codex, process, state) -> None:
    codex.usage = 200, ANSWER
    here = process()
    caller = await here.exchange.caller(ONE)
    for name in here.known.names.all_of(caller):
        await state.set(f"codex-usage:{name}", b"[]", 60)
    assert (await here.allowances.of(ONE)).windows == WINDOWS
