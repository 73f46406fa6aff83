"""Who rests until when, in one process and in another."""

import pytest

from service.observing.metrics import Metrics
from service.upstream_errors.codex_refusals import CodexRefusedError
from service.upstream_errors.error_bodies import MAX_WAIT_SECONDS
from service.vocabulary.credentials import Caller
from service.vocabulary.native import LimitsKnown, LimitWindow, Scope
from tests.scripted_codex import token_of
from tests.upstream.codex.conftest import NOW
from upstream.codex.account.limits import AccountLimits
from upstream.codex.account.names import AccountNames
from upstream.codex.account.rests import AccountRests

ONE = Caller(token_of("acc-1", jti="one"), "acc-1", "one")
TWO = Caller(token_of("acc-1", jti="two"), "acc-1", "two")
OTHER = Caller(token_of("acc-2"), "acc-2", "other")
TEXT, PICTURES = Scope.TEXT, Scope.PICTURES
NAMES = AccountNames(lambda _: True)


@pytest.fixture
def now() -> list[float]:
    return [NOW]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def limits(now) -> AccountLimits:
    return AccountLimits(NAMES, lambda: now[0])


@pytest.fixture
def process(state, metrics, limits, now):
    return lambda: AccountRests(state, NAMES, limits, metrics, lambda: now[0])


async def test_an_account_rests_in_every_process_until_its_time(process, metrics, now):
    here, there = process(), process()
    await here.rest(ONE, TEXT, NOW + 90)
    for rests in (here, there):
        for caller in (ONE, TWO):
            with pytest.raises(CodexRefusedError, match="2 minutes") as caught:
                await rests.check(caller, TEXT)
            failure = caught.value.failure()
            assert (failure.status, failure.is_final) == (429, True)
            assert failure.retry_after_seconds == 90
        await rests.check(OTHER, TEXT)
        await rests.check(ONE, PICTURES)
    now[0] += 91
    for rests in (here, there):
        assert await rests.until(ONE, TEXT) is None
    count = metrics.registry.get_sample_value
    assert count("gateway_account_limits_reached_total", {"scope": "text"}) == 1
    assert count("gateway_account_resting_refusals_total", {"scope": "text"}) == 4


@pytest.mark.parametrize("until", [None, NOW, NOW - 5, NOW + MAX_WAIT_SECONDS + 1])
async def test_without_a_time_that_makes_sense_nothing_rests(process, until):
    rests = process()
    await rests.rest(ONE, TEXT, until)
    await rests.check(ONE, TEXT)


async def test_without_a_time_the_windows_that_are_full_tell_it(process, limits):
    full, fuller = (LimitWindow(name, 100.0, 300, NOW + at) for name, at in (("a", 50), ("b", 90)))
    open_ = LimitWindow("c", 99.9, 300, NOW + 500)
    limits.note(ONE, LimitsKnown((full, fuller, open_)))
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 100.0, 300, NOW + 70),), "image_gen"))
    rests = process()
    for scope, until in ((TEXT, NOW + 90), (PICTURES, NOW + 70)):
        await rests.rest(ONE, scope, None)
        assert await rests.until(TWO, scope) == until
    await rests.rest(OTHER, TEXT, None)
    assert await rests.until(OTHER, TEXT) is None


async def test_what_another_version_has_written_is_no_rest(process, state):
    rests = process()
    await rests.rest(ONE, TEXT, NOW + 90)
    await state.set(f"codex-rest:text:{NAMES.of(ONE)}", b"{}", 90)
    assert await process().until(ONE, TEXT) is None


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(20, "in a minute"), (600, "10 minutes"), (7200, "2 hours"), (400_000, "5 days")],
)
async def test_the_wait_is_told_in_words(process, seconds, told):
    rests = process()
    await rests.rest(ONE, PICTURES, NOW + seconds)
    with pytest.raises(CodexRefusedError, match=f"pictures .*{told}"):
        await rests.check(ONE, PICTURES)
