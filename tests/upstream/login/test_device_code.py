"""Signing in by a code, with the demo on a socket; nobody waits, since the clock is the test's."""

from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from service.settings.config import TokensConfig
from tests.upstream.login.choosing import Choose
from upstream.login.device_code import DEFAULT_INTERVAL, LIFE_SECONDS, DeviceLogin
from upstream.login.exchange import redeem
from upstream.login.issuer import LoginError, LoginIssuer, UnreachableError


class Time:
    """Goes on by what is slept, and by nothing else."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def login(issuer: LoginIssuer, time: Time) -> DeviceLogin:
    return DeviceLogin(issuer, time.clock, time.sleep)


async def wait(login: DeviceLogin) -> list[float]:
    """Wait for a new code to be typed in; return how long it was still good each time."""
    left: list[float] = []
    await login.wait(await login.begin(), left.append)
    return left


@pytest.mark.parametrize("account", ["anna", "anna-terse"])
async def test_a_code_is_shown_asked_for_and_exchanged(
    login: DeviceLogin, issuer: LoginIssuer, choose: Choose, time: Time, account: str
) -> None:
    """The terse one has the other spellings: `usercode`, and numbers in place of texts."""
    await choose(account=account)
    code = await login.begin()
    assert code.address == issuer.url("/codex/device")
    assert code.user_code
    assert code.user_code not in repr(code)
    left: list[float] = []
    found = await login.wait(code, left.append)
    assert found.redirect_uri == issuer.url("/deviceauth/callback")
    assert time.slept == [1.0, 1.0, 1.0]  # two answers say "not yet"
    assert left == [LIFE_SECONDS, LIFE_SECONDS - 1, LIFE_SECONDS - 2]
    signed_in = await redeem(issuer, found)
    assert signed_in.email == f"{account}@example.org"
    with pytest.raises(LoginError, match="no tokens"):
        await redeem(issuer, found)  # a code is good once


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("denied", "was denied: sign in again, and allow it"),
        ("expired", "no longer good: sign in again"),
        ("off", "switched off: switch it on in ChatGPT under Settings > Security"),
        ("never", "not typed in within 15 minutes and is no longer good: sign in again"),
    ],
)
async def test_a_sign_in_that_fails_says_why_and_what_to_do(
    login: DeviceLogin, choose: Choose, time: Time, outcome: str, told: str
) -> None:
    await choose(outcome=outcome)
    with pytest.raises(LoginError, match=told):
        await wait(login)
    assert time.now - 1000 <= LIFE_SECONDS


Answers = list[web.Response | None]


@pytest.fixture
async def scripted(
    session: ClientSession, time: Time
) -> AsyncIterator[Callable[[Answers], DeviceLogin]]:
    """A service that gives these answers, in order; None breaks the connection."""
    answers: Answers = []

    async def handle(request: web.Request) -> web.Response:
        answer = answers.pop(0)
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return answer

    app = web.Application()
    app.router.add_post("/{tail:.*}", handle)
    async with TestServer(app) as server:
        url = str(server.make_url("/oauth/token"))

        def script(given: Answers) -> DeviceLogin:
            answers[:] = given
            issuer = LoginIssuer(TokensConfig(codex_url=url), session)
            return DeviceLogin(issuer, time.clock, time.sleep)

        yield script


def begun(interval: object = "2") -> web.Response:
    fields = {"device_auth_id": "d", "user_code": "AB-CD", "interval": interval}
    return web.json_response(fields)


def status(number: int, **fields: object) -> web.Response:
    return web.json_response(fields, status=number)


def done() -> web.Response:
    return web.json_response({"authorization_code": "c", "code_verifier": "v"})


async def test_a_fault_that_passes_costs_no_sign_in(scripted, time: Time) -> None:
    login = scripted(
        [begun(), None, status(502), status(404), status(429), None, status(403), done()]
    )
    await wait(login)
    assert time.slept == [2.0] * 7


@pytest.mark.parametrize("fault", [None, 500])
async def test_three_faults_in_a_row_end_it(scripted, fault: int | None) -> None:
    faults = [None if fault is None else status(fault) for _ in range(3)]
    login = scripted([begun(), *faults])
    with pytest.raises(UnreachableError):
        await wait(login)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([status(400, error="invalid_client")], "status 400 and no code"),
        ([status(200)], "status 200 and no code"),
        ([status(200, device_auth_id="d", user_code="a\x1b[2Jb")], "status 200 and no code"),
        ([begun(), status(418)], "status 418 and no code"),
        ([begun(), status(200, authorization_code="c")], "status 200 and no code"),
        ([begun(), status(401, error={"code": "access_denied"})], "was denied"),
        ([begun(), status(400, code="expired_token")], "no longer good"),
    ],
)
async def test_another_status_ends_it(scripted, answers: Answers, told: str) -> None:
    with pytest.raises(LoginError, match=told):
        await wait(scripted(answers))


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (5, 5),
        ("7.5", 7.5),
        (0, 1),
        (-1, 1),
        ("3600", 60),
        ("soon", DEFAULT_INTERVAL),
        (None, DEFAULT_INTERVAL),
        ("nan", DEFAULT_INTERVAL),
        ([], DEFAULT_INTERVAL),
    ],
)
async def test_the_interval_is_a_number_or_its_text_and_bounded(
    scripted, told: object, seconds: float
) -> None:
    code = await scripted([begun(told)]).begin()
    assert code.interval == seconds
