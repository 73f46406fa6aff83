"""One exchange: the request, the meaning of a failure, and what is quoted of it."""

import time
from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest

from service.settings.config import TokensConfig
from service.vocabulary.errors import WRONG_KEY, AuthError, ServiceError, TokenServiceError
from tests.growth import MOST, growth
from tests.rows import each_row
from tests.upstream.token_services import (
    KEY,
    FakeTokenService,
    access_token,
    running_token_service,
)
from upstream.tokens import service as token_service
from upstream.tokens.oaifree import OaifreeWire
from upstream.tokens.service import (
    Grant,
    TokenService,
    grant_in,
    read_expiry,
    redacted,
    retry_after,
    words_of,
)
from upstream.tokens.wire import Wire

SECRET = "v1.canary/refresh+token=0123456789"
HTML = "<html><body>Just a moment...</body></html>"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def fake() -> AsyncIterator[FakeTokenService]:
    async with running_token_service() as service:
        yield service


class Asked:
    """A token service, and the wire by which it is asked."""

    def __init__(self, wire: Wire, session: aiohttp.ClientSession) -> None:
        self.wire = wire
        self.service = TokenService(session, time.time, pause_seconds=0.01)

    async def exchange(self, refresh_token: str) -> Grant:
        return await self.service.exchange(self.wire, refresh_token)


@pytest.fixture
def service(fake: FakeTokenService, session: aiohttp.ClientSession) -> Asked:
    return Asked(OaifreeWire(fake.config), session)


async def test_a_grant_says_how_long_it_lasts(fake: FakeTokenService, service: Asked) -> None:
    grant = await service.exchange(SECRET)
    assert fake.calls == [{"refresh_token": SECRET}]
    assert grant.access_token.startswith("eyJhb")
    assert grant.expires_at == pytest.approx(time.time() + 864_000, abs=5)
    assert grant.refresh_token is None


REFUSALS = {
    "string": (
        '{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}',
        "invalid_grant: Unknown or invalid refresh token.",
    ),
    "code": (
        '{"error":"invalid_grant","code":"refresh_token_reused"}',
        "invalid_grant (refresh_token_reused)",
    ),
    "object": (
        '{"error":{"message":"Your refresh token has already been used.","type":'
        '"invalid_request_error","param":null,"code":"refresh_token_reused"}}',
        "Your refresh token has already been used. (refresh_token_reused)",
    ),
    "string code": ('{"error":"refresh_token_expired"}', "refresh_token_expired"),
    "detail": ('{"detail":"refresh token 已失效"}', "refresh token 已失效"),
    "detail object": (
        '{"detail":{"message":"Session ended","code":"app_session_terminated"}}',
        "Session ended (app_session_terminated)",
    ),
    "detail list": (
        '{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"again"}]}',
        "field required; again",
    ),
    "other": ('{"success": false}', '{"success":false}'),
    "empty": ("{}", "{}"),
    "bare string": ('"revoked"', "revoked"),
    "list": ('["revoked"]', "revoked"),
    "bom": ('\ufeff{"error":"invalid_grant"}', "invalid_grant"),
}


@each_row("status", [400, 401, 403])
@each_row("shape", REFUSALS)
async def test_a_refusal_in_json_is_final_and_quoted(
    fake: FakeTokenService, service: Asked, status: int, shape: str
) -> None:
    body, words = REFUSALS[shape]
    fake.calls.clear()
    fake.fail(status, body)
    with pytest.raises(AuthError) as caught:
        await service.exchange(SECRET)
    assert caught.value.message == (
        f"{WRONG_KEY} The token service refused this refresh token: {words}"
    )
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert len(fake.calls) == 1


async def test_json_is_known_by_its_body_not_its_type(
    fake: FakeTokenService, service: Asked
) -> None:
    fake.fail(403, '{"error":"invalid_grant"}', content_type="text/html")
    with pytest.raises(AuthError, match="invalid_grant"):
        await service.exchange(SECRET)


@each_row(
    ("status", "body"),
    [
        *((status, HTML) for status in (200, 400, 401, 403, 404, 429, 502, 503)),
        *((status, "") for status in (200, 204, 400, 401, 403, 500)),
        *((status, '{"error":"invalid_grant"}') for status in (404, 408, 409, 418, 422, 429)),
        *((status, '{"error":"invalid_grant"}') for status in (500, 502, 503, 504, 530)),
        *((200, body) for body in ("null", "[]", "{}", '{"access_token":null}', '{"detail":"x"}')),
        *((200, f'{{"access_token":"{token}"}}') for token in ("", "a b", "a\\r\\nb", "ä")),
        *((401, body) for body in ("null", "7", "{", '{"a":', "invalid", "[" * 100_000)),
        (302, '{"access_token":"eyJhb"}'),
    ],
)
async def test_everything_else_is_a_passing_fault_that_is_tried_again(
    fake: FakeTokenService, service: Asked, status: int, body: str
) -> None:
    fake.calls.clear()
    fake.fail(status, body, times=3)
    with pytest.raises(TokenServiceError) as caught:
        await service.exchange(SECRET)
    assert len(fake.calls) == 3
    assert caught.value.status == 503
    words = caught.value.message.lower()
    for phrase in ("credit", "balance", "permission", "quota", "rate limit", "429", "<", "grant"):
        assert phrase not in words


@pytest.mark.parametrize("faults", [1, 2])
async def test_a_fault_that_passes_is_not_noticed(
    fake: FakeTokenService, service: Asked, faults: int
) -> None:
    fake.fail(502, HTML, times=faults, content_type="text/html")
    assert isinstance(await service.exchange(SECRET), Grant)
    assert len(fake.calls) == faults + 1


async def test_a_refusal_after_a_fault_is_a_refusal(fake: FakeTokenService, service: Asked) -> None:
    fake.fail(500)
    fake.fail(401, '{"error":"invalid_grant"}')
    with pytest.raises(AuthError):
        await service.exchange(SECRET)
    assert len(fake.calls) == 2


async def test_a_line_that_is_cut_is_a_passing_fault(
    fake: FakeTokenService, service: Asked
) -> None:
    fake.answers = [None, None, None]
    with pytest.raises(TokenServiceError, match="cannot be reached"):
        await service.exchange(SECRET)
    assert len(fake.calls) == 3


async def test_a_service_that_is_down_is_one_warning_however_many_ask(
    fake: FakeTokenService, service: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        fake.answers = [None, None, None]
        with pytest.raises(TokenServiceError):
            await service.exchange(SECRET)
    assert len(caplog.messages) == 1


async def test_a_service_that_is_silent_or_absent_is_a_passing_fault(
    fake: FakeTokenService,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_service, "_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    fake.delay_seconds = 0.5
    absent = TokensConfig(oaifree_url="http://127.0.0.1:1/refresh")
    for config in (fake.config, absent):
        with pytest.raises(TokenServiceError, match="cannot be reached"):
            await Asked(OaifreeWire(config), session).exchange(SECRET)


async def test_a_redirect_does_not_carry_the_token_elsewhere(
    fake: FakeTokenService, service: Asked
) -> None:
    fake.fail(307, times=3, location=f"{fake.url}/elsewhere")
    with pytest.raises(TokenServiceError):
        await service.exchange(SECRET)
    assert len(fake.calls) == 3


async def test_the_wait_that_the_service_asks_for_is_handed_on(
    fake: FakeTokenService, service: Asked
) -> None:
    fake.fail(503, times=3, retry_after="17")
    with pytest.raises(TokenServiceError) as caught:
        await service.exchange(SECRET)
    assert caught.value.retry_after_seconds == 17
    assert len(fake.calls) == 3


@pytest.mark.whole
async def test_a_short_wait_is_kept_before_the_next_try(
    fake: FakeTokenService, service: Asked
) -> None:
    fake.fail(429, retry_after="0.3")
    started = time.monotonic()
    await service.exchange(SECRET)
    assert time.monotonic() - started >= 0.3


@each_row(
    ("header", "seconds"),
    [
        (None, None),
        ("30", 30),
        ("0.5", 0.5),
        ("-3", None),
        ("nan", None),
        ("soon", None),
        ("1e99", 86400),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=10) == seconds


NOW = 7.5


@each_row(
    ("answer", "life_seconds"),
    [
        ({"access_token": "opaque", "expires_in": 863_999}, 863_999),
        ({"access_token": "opaque", "expires_in": "120"}, 120),
        ({"access_token": "opaque"}, 3600),
        ({"access_token": "opaque", "expires_in": None}, 3600),
        ({"access_token": "opaque", "expires_in": -5}, 3600),
        ({"access_token": "opaque", "expires_in": True}, 3600),
        ({"access_token": "opaque", "expires_in": "soon"}, 3600),
        ({"access_token": access_token(600_000, now=NOW), "expires_in": 10}, 600_000),
        ({"access_token": access_token(None), "expires_in": 10}, 10),
        ({"access_token": "eyJhbroken.x.y"}, 3600),
    ],
)
def test_the_life_is_in_the_token_or_beside_it_or_an_hour(
    answer: dict[str, object], life_seconds: float
) -> None:
    grant = grant_in(answer, NOW)
    assert grant is not None
    assert grant.expires_at == NOW + life_seconds


@each_row("exp", [True, [1], {}, "x", float("nan"), float("inf"), 10**400, None])
def test_an_exp_that_is_no_time_is_unknown(exp: object) -> None:
    assert read_expiry(jwt.encode({"exp": exp}, KEY)) is None


@each_row("token", ["", "eyJhb", "a.b.c", "eyJhbGciOiJub25lIn0.W10.x", "ä.ö.ü"])
def test_a_token_that_is_no_jwt_has_no_known_end(token: str) -> None:
    assert read_expiry(token) is None


def test_deep_nesting_is_no_fault_of_ours() -> None:
    answer: object = "deep"
    for _ in range(500):
        answer = {"error": answer}
    assert words_of(answer)


@each_row(
    "words",
    [
        f"no such token {SECRET}.",
        "no such token v1.canary%2Frefresh%2Btoken%3D0123456789",
        "no such token v1.canary/refresh%2Btoken%3D0123456789",
        f"no such token {SECRET[:20]}…",
        f"the token {access_token(10)} is not this one's",
        f"{'x' * 490} {SECRET}",
        f"{'x ' * 240}{SECRET}",
        f"{SECRET} " * 100 + SECRET,
        f"{'x ' * 240}{access_token(10)}",
    ],
)
def test_no_piece_of_a_token_is_quoted(words: str) -> None:
    line = redacted(words, SECRET)
    assert "canary" not in line
    assert "eyJ" not in line
    assert len(line) <= 500


def test_words_are_one_line_and_ordinary_words_stay() -> None:
    assert redacted(" refresh_token_reused:\n\tsign in  again ", "re") == (
        "refresh_token_reused: sign in again"
    )


@each_row("word", ["eyJ", "eyJ ", "eyJ.", "a.b.", f"{SECRET[:12]} ", f"{SECRET} "])
def test_the_time_to_take_tokens_out_grows_with_the_words(word: str) -> None:
    assert growth(lambda size: redacted(word * size, SECRET), 4_000) < MOST


async def test_the_refusal_of_a_rotten_service_does_not_leak(
    fake: FakeTokenService, service: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    fake.fail(500, f"<p>{SECRET}</p>")
    fake.fail(401, f'{{"error":{{"message":"{SECRET} is dead","code":"{SECRET}"}}}}')
    with pytest.raises(ServiceError) as caught:
        await service.exchange(SECRET)
    assert "is dead" in caught.value.message
    assert "canary" not in caught.value.message + repr(caught.value) + caplog.text


def test_a_grant_shows_no_token() -> None:
    assert SECRET not in repr(Grant(SECRET, 0.0, SECRET))
