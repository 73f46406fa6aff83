"""Which credentials are checked upstream before anything is stored for them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.ports import StateStore
from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import (
    AuthError,
    UnconfirmedError,
    UpstreamRefusedError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import Failure
from storage.state.store import open_state
from upstream.slots import acceptance
from upstream.slots.acceptance import ACCEPTED_SECONDS, UpstreamAcceptance
from upstream.slots.calls import AccountCalls
from upstream.slots.queueing import AccountQueues

ACCESS = Credential("fk-an-access-token")
REFRESH = Credential("a-refresh-token")


class Tokens:
    """Turns credentials into callers; the access token `old` can be renewed."""

    def __init__(self) -> None:
        self.access_token = "old"

    async def caller(self, credential: Credential) -> Caller:
        if credential.token == "dead":
            raise AuthError("dead")
        return Caller(self.access_token, credential.account_id, credential.account)

    async def renew(self, credential: Credential, _refused: Caller) -> Caller:
        self.access_token = "new"
        return await self.caller(credential)


class Upstream:
    """Counts the checks, and fails as the test says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, Exception] = {}

    async def ask(self, caller: Caller) -> None:
        self.asked.append(caller.access_token)
        await asyncio.sleep(0)
        if error := self.errors.get(caller.access_token):
            raise error


def refused(status: int, upstream_status: int | None = None) -> UpstreamRefusedError:
    return UpstreamRefusedError(Failure(status, "No.", "x", "y"), upstream_status or status)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    yield store
    await store.close()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


Make = Callable[[], UpstreamAcceptance]


@pytest.fixture
def make(state: StateStore, upstream: Upstream, now: list[float]) -> Make:
    """Return the acceptance of another process, which shares only the state store."""

    def another() -> UpstreamAcceptance:
        waiting = Gauge("waiting", "", registry=CollectorRegistry())
        calls = AccountCalls(Tokens(), AccountQueues(UpstreamConfig(), waiting, None))
        return UpstreamAcceptance(calls, upstream.ask, state, lambda: now[0])

    return another


async def test_the_upstream_is_asked_once_an_hour_for_all_processes(
    make: Make, upstream: Upstream, state: StateStore, now: list[float]
) -> None:
    one, other = make(), make()
    await asyncio.gather(*(one.confirm(ACCESS) for _ in range(20)))
    await other.confirm(ACCESS)
    assert len(upstream.asked) == 1
    now[0] += ACCEPTED_SECONDS - 1
    await state.delete(f"accepted:{ACCESS.account}")
    await one.confirm(ACCESS)
    assert len(upstream.asked) == 1
    now[0] += 1
    await one.confirm(ACCESS)
    assert len(upstream.asked) == 2


async def test_whoever_was_answered_lately_is_not_asked_about(
    make: Make, upstream: Upstream
) -> None:
    accepted = make()
    accepted.note(Caller("old", None, ACCESS.account))
    await accepted.confirm(ACCESS)
    assert upstream.asked == []


async def test_a_claimed_account_id_is_another_account(make: Make, upstream: Upstream) -> None:
    accepted = make()
    await accepted.confirm(ACCESS)
    await accepted.confirm(Credential(ACCESS.token, "team-77"))
    await accepted.confirm(Credential("fk-another", "team-77"))
    assert len(upstream.asked) == 3


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_the_refusal_is_the_upstreams_and_nothing_is_remembered(
    make: Make, upstream: Upstream, state: StateStore, status: int
) -> None:
    accepted = make()
    upstream.errors["old"] = refused(status)
    for _ in range(2):
        with pytest.raises(UpstreamRefusedError) as caught:
            await accepted.confirm(ACCESS)
        assert caught.value.status == status
    assert len(upstream.asked) == 2
    assert await state.get(f"accepted:{ACCESS.account}") is None


async def test_a_refused_token_is_renewed_if_it_can_be(make: Make, upstream: Upstream) -> None:
    upstream.errors["old"] = refused(401)
    await make().confirm(REFRESH)
    assert upstream.asked == ["old", "new"]


@pytest.mark.parametrize(
    "error", [refused(502, 403), refused(404), UpstreamUnreachableError("It is gone.")]
)
async def test_an_upstream_that_says_nothing_of_the_key_is_a_503(
    make: Make, upstream: Upstream, error: Exception
) -> None:
    upstream.errors["old"] = error
    with pytest.raises(UnconfirmedError) as caught:
        await make().confirm(ACCESS)
    assert caught.value.status == 503
    assert caught.value.retry_after_seconds


async def test_a_dead_credential_asks_nothing(make: Make, upstream: Upstream) -> None:
    with pytest.raises(AuthError):
        await make().confirm(Credential("dead"))
    assert upstream.asked == []


async def test_memory_is_bounded(
    make: Make, upstream: Upstream, state: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "MAX_REMEMBERED", 2)
    accepted = make()
    for number in range(3):
        accepted.note(Caller("old", None, Credential(f"fk-{number}").account))
    await accepted.confirm(Credential("fk-2"))
    assert upstream.asked == []
    await accepted.confirm(Credential("fk-0"))
    assert upstream.asked == ["old"]
    assert await state.get(f"accepted:{Credential('fk-0').account}") == b"true"
