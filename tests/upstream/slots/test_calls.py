import asyncio
import weakref
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller, read_credential
from service.vocabulary.errors import QueueFullError, ShutdownError, UpstreamRefusedError
from service.vocabulary.events import Failure
from tests.garbage import without_collector
from tests.rows import each_row
from upstream.slots.calls import AccountCalls
from upstream.slots.queueing import AccountQueues

REFRESH = read_credential("Bearer a-refresh-token", None, None)
ACCESS = read_credential("Bearer fk-an-access-token", None, None)
UNAUTHORIZED = UpstreamRefusedError(Failure(401, "No.", "x", "y"), 401)


class Tokens:
    """Returns the tokens in turn, the last one again and again."""

    def __init__(self, *names):
        self.names = list(names)
        self.renewed = 0

    async def caller(self, _credential):
        return Caller(self.names[0], None, "account")

    async def renew(self, _credential, _refused):
        self.renewed += 1
        if len(self.names) > 1:
            self.names.pop(0)
        return Caller(self.names[0], None, "account")


def calls(tokens=None, **settings):
    waiting = Gauge("waiting", "", registry=CollectorRegistry())
    return AccountCalls(
        tokens or Tokens("a"), AccountQueues(UpstreamConfig(**settings), waiting, None)
    )


def refusing(*dead):
    seen = []

    async def call(caller):
        seen.append(caller.access_token)
        if caller.access_token in dead:
            raise UNAUTHORIZED
        return f"for {caller.access_token}"

    return seen, call


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "c"]])
async def test_a_refused_call_is_freed_without_the_garbage_collector(names):
    class Request:
        """What the call was made for: it may have megabytes."""

    async def asked():
        request = Request()

        async def call(caller):
            assert request
            if caller.access_token != "c":
                raise UpstreamRefusedError(Failure(401, "No.", "x", "y"), 401)

        with suppress(UpstreamRefusedError):
            await renewing(calls(Tokens(*names)), REFRESH, call)
        return weakref.ref(request)

    with without_collector():
        assert (await asked())() is None


async def renewing(made, credential, call):
    async with made.slot(credential) as caller:
        return await made.renewing(credential, caller, call)


async def test_a_refused_token_is_renewed_once():
    seen, call = refusing("a")
    assert await renewing(calls(Tokens("a", "b")), REFRESH, call) == "for b"
    assert seen == ["a", "b"]


@each_row(("credential", "names", "renewed"), [(ACCESS, ("a", "b"), 0), (REFRESH, ("a",), 1)])
async def test_what_cannot_be_renewed_is_refused(credential, names, renewed):
    tokens = Tokens(*names)
    seen, call = refusing("a")
    with pytest.raises(UpstreamRefusedError):
        await renewing(calls(tokens), credential, call)
    assert (seen, tokens.renewed) == (["a"], renewed)


async def test_other_refusals_are_not_about_the_token():
    tokens = Tokens("a", "b")

    async def call(_caller):
        raise UpstreamRefusedError(Failure(429, "No.", "x", "y"), 429)

    with pytest.raises(UpstreamRefusedError):
        await renewing(calls(tokens), REFRESH, call)
    assert tokens.renewed == 0


async def test_calls_take_slots_of_their_account():
    made = calls(streams_per_account=1, queue_per_account=0)
    async with made.slot(REFRESH):
        with pytest.raises(QueueFullError):
            async with made.slot(REFRESH):
                pass
    async with made.slot(REFRESH) as caller:
        assert caller.access_token == "a"


async def test_a_drain_waits_for_what_runs_and_lets_nothing_in():
    made = calls()
    async with made.slot(REFRESH):
        drained = asyncio.ensure_future(made.drain(60))
        await asyncio.sleep(0)
        with pytest.raises(ShutdownError):
            async with made.slot(REFRESH):
                pass
        assert not drained.done()
    await asyncio.wait_for(drained, 20)


async def test_a_drain_ends_when_its_time_is_over():
    made = calls()
    async with made.slot(REFRESH):
        await made.drain(0.01)
