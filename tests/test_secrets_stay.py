"""No secret gets into logs, errors, figures or files, even when an upstream repeats it (spec 4).

The tokens here have no recognisable form, so whatever hides them must know them and cannot guess.
"""

import asyncio
import base64
import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from PIL import Image
from redis.asyncio import Redis

from service.observing.logs import setup_logging
from service.settings.config import LogConfig
from service.turns.shared_turns import SharedTurns
from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.gateway import Answer, Gateway, read, running_demo, running_gateway
from tests.redis_server import RedisServer, running_redis
from tests.scripted_upstream import DONE, Head, ScriptedUpstream, Step, answer, event, final

REFRESH = "canaryRefreshTokenOfACaller00001"
ROTATED = "canaryRotatedRefreshToken0000002"
DEAD = "deadCanaryRefreshTokenOfACaller3"
ACCESS = "fk-canaryAccessTokenOfACaller004"
EXCHANGED = "canaryExchangedAccessToken000005"
JWT = "eyJhbCanary006.eyJzdWIiOiJjYW5hcnkifQ.canarySignature"
ACCOUNT = "canary-account-0007"
SECRET = "canarySecretThatEncryptsState08"
GPTS_KEY = "canaryKeyThatReadsGptInfo0009"
PROXY_KEY = "canaryKeyOfTheProxyInFront0010"
ADMIN_KEY = "canaryKeyOfTheOperator00000012"
REDIS_PASSWORD = "canaryRedisPassword00000000011"
TOKENS = (REFRESH, ROTATED, DEAD, ACCESS, EXCHANGED, JWT)
CANARIES = (*TOKENS, ACCOUNT, SECRET, GPTS_KEY, PROXY_KEY, ADMIN_KEY, REDIS_PASSWORD)


def forms(secret: str) -> set[bytes]:
    """Return the spellings in which a secret may appear."""
    raw = secret.encode()
    encoded = {base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"=")}
    return {raw, quote(secret, safe="").encode(), raw.hex().encode(), *encoded}


def found_in(data: bytes, secrets: tuple[str, ...] = CANARIES) -> list[str]:
    return [secret for secret in secrets if any(form in data for form in forms(secret))]


class Records(logging.Handler):
    """Keeps log records as they were made, before the last filter redacts them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {vars(record)}")


@contextmanager
def logged(folder: Path, form: str) -> Iterator[Records]:
    """Log at every level as the program does, and check records before and after redaction."""
    loggers = {"": logging.getLogger()} | {
        name: one
        for name, one in logging.root.manager.loggerDict.items()
        if isinstance(one, logging.Logger)
    }
    levels = {name: one.level for name, one in loggers.items()}
    config = LogConfig(level="DEBUG", path=str(folder / "access.log"), format=form)
    records = Records()
    with setup_logging(config):
        logging.getLogger().addHandler(records)
        for name, one in loggers.items():
            one.setLevel(logging.DEBUG if name != "aiosqlite" else logging.WARNING)
        try:
            yield records
        finally:
            logging.getLogger().removeHandler(records)
            for name, level in levels.items():
                loggers[name].setLevel(level)


# --- what the upstream repeats --------------------------------------------------------


def detail(words: str) -> dict[str, Any]:
    return {"detail": {"message": words, "code": "some_code"}}


JSON = "application/json"


def scripts(bearer: str) -> list[tuple[Head, tuple[Step, ...]]]:
    """Return all ways in which an upstream can repeat this bearer."""
    leak = f"{bearer} with {PROXY_KEY}"
    return [
        (Head(401, JSON), (detail(leak),)),
        (Head(403, JSON), (detail(f"account {leak}"),)),
        (Head(404, JSON), ({"detail": leak},)),
        (Head(422, JSON), ({"detail": [{"loc": ["body"], "msg": leak, "type": "x"}]},)),
        (Head(429, JSON), (detail(leak),)),
        (Head(500, JSON), ({"error": {"error": {"message": leak}}},)),
        (Head(500, "text/plain"), (leak.encode(),)),
        (Head(503, "text/html"), (f"<html>{leak}</html>".encode(),)),
        (Head(200, JSON), (detail(leak),)),
        (Head(200, JSON), ({"error": leak},)),
        (Head(200, "text/plain"), (leak.encode(),)),
        (Head(200, "text/html"), (f"<html>{leak}</html>".encode(),)),
        (Head(), (event({"message": None, "error": leak}), DONE)),
        (Head(), (event({"message": None, "error": {"message": leak}}), DONE)),
        (Head(), (answer("Hi"), event({"message": None, "error": leak}), DONE)),
        (Head(), (answer("Hi"), event({"type": "oops", "error": leak}), DONE)),
        (Head(), (f"{leak}\n\n".encode(), DONE)),
        (Head(), (event(leak.encode()), DONE)),
        (Head(), (event(json.dumps(leak).encode()), DONE)),
        (Head(), (event({leak: 1}), event({"type": bearer}), DONE)),
        (Head(), (event({"v": leak, "p": leak, "o": leak}, name="delta"), DONE)),
        (Head(), (event(json.dumps(leak).encode(), name="delta_encoding"), DONE)),
        (Head(), (answer("Hi"), f"{leak}\n".encode())),
    ]


def refusals_of(token: str) -> list[tuple[int, str, str]]:
    """Return all ways in which a token service can repeat what it was sent."""
    return [
        (400, JSON, json.dumps({"error": "invalid_grant", "error_description": token})),
        (401, JSON, json.dumps({"error": {"message": f"{token} is dead", "code": "x"}})),
        (403, JSON, json.dumps({"detail": f"refresh_token={quote(token)}&x=y"})),
        (401, JSON, json.dumps(f"{token} {token[:20]} {token[4:]}")),
        (401, JSON, json.dumps({"refresh_token": token})),
        (500, "text/plain", token),
        (429, JSON, json.dumps({"detail": token})),
        (503, "text/html", f"<html>{token}</html>"),
    ]


DEAD_TOKENS = [f"{DEAD}{number}" for number in range(len(refusals_of("")))]


async def exchange(request: web.Request) -> web.Response:
    """Answer as a token service that repeats what it was sent in its errors."""
    token = str((await request.post())["refresh_token"])
    if token in DEAD_TOKENS:
        status, kind, text = refusals_of(token)[DEAD_TOKENS.index(token)]
        return web.Response(status=status, content_type=kind, text=text)
    given = {"access_token": EXCHANGED, "expires_in": 86400, "refresh_token": ROTATED}
    return web.json_response(given)


@asynccontextmanager
async def leaky_upstream() -> AsyncIterator[ScriptedUpstream]:
    """Run the scripted upstream with a token service that repeats tokens too."""
    upstream = ScriptedUpstream()
    app = upstream.app()
    app.router.add_post("/leaky/refresh", exchange)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()


# --- the run --------------------------------------------------------------------------


async def ask_everything(gateway: Gateway, upstream: ScriptedUpstream) -> list[Answer]:
    """Provoke each refusal on each endpoint; return all that callers got."""
    got = []
    for token, bearer in ((REFRESH, EXCHANGED), (ACCESS, ACCESS), (JWT, JWT)):
        for head, steps in scripts(bearer):
            for stream in (False, True):
                upstream.scripts[:] = [(head, list(steps))]
                got.append(await gateway.chat(token=f"{token},{ACCOUNT}", stream=stream))
                assert got[-1].status != 500, (head, steps, got[-1].body)
    upstream.scripts[:] = [(Head(), [final("Hi"), DONE])]
    got += await asyncio.gather(*(gateway.chat(token=token) for token in DEAD_TOKENS))
    for headers in (
        {"Authorization": REFRESH},
        {"Authorization": f"Basic {REFRESH}"},
        {"Authorization": f"Bearer {REFRESH} {ACCESS}"},
        {"Authorization": f"Bearer {REFRESH}é"},
        {"Authorization": f"Bearer {REFRESH}", "ChatGPT-Account-ID": f"{ACCOUNT} x"},
        {"Authorization": f"Bearer {REFRESH}", "ChatGPT-Account-ID": ACCOUNT},
    ):
        got.append(await gateway.chat(headers=headers))
    return got


async def ask_elsewhere(gateway: Gateway, token: str) -> list[Answer]:
    """Call the paths that are not chats."""
    got = []
    headers = {"Authorization": f"Bearer {token}", "ChatGPT-Account-ID": ACCOUNT}
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", f"/v1/models/gpt-4o?key={token}"),
        ("POST", "/getAccountID"),
        ("GET", "/readyz"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
    ):
        async with gateway.session.request(method, gateway.url + path, headers=headers) as one:
            got.append(await read(one))
    return got


def settings_with_canaries(upstream_url: str, state: str) -> dict[str, Any]:
    return {
        "tokens": {
            "secret": SECRET,
            "oaifree_url": f"{upstream_url}/leaky/refresh",
        },
        "gpts_key": GPTS_KEY,
        "gpts": {"a-gpt": {"id": "g-abc"}},
        "upstream": {"headers": {"X-Proxy-Key": PROXY_KEY}, "retries": 0},
        "storage": {"state": state},
    }


def check(
    records: Records,
    answers: list[Answer],
    folder: Path,
    secrets: tuple[str, ...] = CANARIES,
) -> None:
    log = (folder / "log" / "access.log").read_bytes()
    assert log.count(b"\n") > len(answers)
    assert found_in(log, secrets) == []
    for line in records.lines:
        assert found_in(line.encode("utf-8", "backslashreplace"), secrets) == [], line
    for one in answers:
        told = one.body + str(dict(one.headers)).encode()
        assert found_in(told, secrets) == [], one.body
    for path in folder.rglob("*"):
        if path.is_file():
            assert found_in(path.read_bytes(), secrets) == [], path


@pytest.mark.parametrize("form", ["text", "json"])
async def test_nothing_of_a_caller_s_or_the_operator_s_is_told_or_kept(
    form: str, tmp_path: Path
) -> None:
    with logged(tmp_path / "log", form) as records:
        async with leaky_upstream() as upstream:
            upstream.plays(final("Hi"), DONE)
            settings = settings_with_canaries(upstream.url, f"sqlite:{tmp_path}/state.db")
            async with running_gateway(upstream.url, tmp_path, **settings) as gateway:
                answers = await ask_everything(gateway, upstream)
                for token in (REFRESH, ACCESS):
                    answers += await ask_elsewhere(gateway, token)
                assert upstream.turns[-1].headers["X-Proxy-Key"] == PROXY_KEY
                check(records, answers, tmp_path)
    assert {one.status for one in answers} >= {200, 401, 403, 404, 429, 502, 503}
    check(records, answers, tmp_path)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.mark.needs_redis
async def test_nothing_is_kept_in_clear_in_redis(redis_server: RedisServer, tmp_path: Path) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await redis.config_set("rdbcompression", "no")
        await redis.config_set("requirepass", REDIS_PASSWORD)
    address = redis_server.url.replace("redis://", f"redis://:{REDIS_PASSWORD}@")
    with logged(tmp_path / "log", "text") as records:
        async with leaky_upstream() as upstream:
            upstream.plays(final("Hi"), DONE)
            settings = settings_with_canaries(upstream.url, address)
            async with running_gateway(upstream.url, tmp_path, **settings) as gateway:
                answers = await ask_everything(gateway, upstream)
                answers += await ask_elsewhere(gateway, REFRESH)
        async with Redis.from_url(address) as redis:
            assert await redis.dbsize() > 0
            await redis.save()
    check(records, answers, tmp_path)
    assert found_in(redis_server.dump.read_bytes()) == []


@pytest.mark.needs_redis
async def test_a_store_that_cannot_be_reached_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upstream.tokens.exchange.LOCK_SECONDS", 0.5)
    with running_redis() as server, logged(tmp_path / "log", "text") as records:
        wrong = server.url.replace("redis://", f"redis://:{REDIS_PASSWORD}@")
        async with leaky_upstream() as upstream:
            upstream.plays(final("Hi"), DONE)
            settings = settings_with_canaries(upstream.url, wrong)
            async with running_gateway(upstream.url, tmp_path, **settings) as gateway:
                answers = [
                    await gateway.chat(token=REFRESH),
                    *await ask_elsewhere(gateway, REFRESH),
                ]
                server.stop()
                answers += [await gateway.chat(token=token) for token in DEAD_TOKENS]
                answers += await ask_elsewhere(gateway, REFRESH)
    check(records, answers, tmp_path)


async def test_a_proxy_that_fails_is_named_without_its_password(tmp_path: Path) -> None:
    answers = []
    with logged(tmp_path / "log", "text") as records:
        for scheme in ("http", "socks5"):
            proxy = f"{scheme}://{PROXY_KEY}:{REDIS_PASSWORD}@127.0.0.1:9"
            upstream = {"proxy": proxy, "retries": 0}
            async with running_gateway(
                "http://upstream.invalid", tmp_path, upstream=upstream
            ) as gateway:
                answers += [await gateway.chat(token=token) for token in (ACCESS, REFRESH)]
                answers += await ask_elsewhere(gateway, ACCESS)
    check(records, answers, tmp_path)


async def test_a_bug_is_logged_without_what_it_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_turns: object, _request: object, credential: Credential, *_: object) -> None:
        message = f"no header: {credential.token} of {credential.account_id}"
        raise ValueError(message)

    monkeypatch.setattr(SharedTurns, "run", broken)
    key_file = KeyFile(tmp_path / "keys.json", Cipher(SECRET.encode()))
    key = key_file.add(KeyTerms("bot"), Credential(REFRESH, ACCOUNT))
    server = {"keys_file": str(tmp_path / "keys.json")}
    answers = []
    with logged(tmp_path / "log", "text") as records:
        async with running_gateway(
            "http://127.0.0.1:9", tmp_path, server=server, tokens={"secret": SECRET}
        ) as gateway:
            for token in (key, f"{REFRESH},{ACCOUNT}", f"{ACCESS},{ACCOUNT}", JWT):
                answers += [await gateway.chat(token=token, stream=on) for on in (False, True)]
    assert [one.status for one in answers] == [500] * len(answers)
    assert sum("no header: [redacted]" in line for line in records.lines) == len(answers)
    assert sum("ValueError" in line for line in records.lines) == len(answers)
    check(records, answers, tmp_path, (*CANARIES, key, key[14:]))


async def test_no_route_tells_a_secret_whoever_asks(tmp_path: Path) -> None:
    key_file = KeyFile(tmp_path / "keys.json", Cipher(SECRET.encode()))
    key = key_file.add(KeyTerms("bot"), Credential(REFRESH, ACCOUNT))
    revoked = key_file.add(KeyTerms("revoked"), Credential(REFRESH, ACCOUNT))
    key_file.revoke("revoked")
    answers = []
    with logged(tmp_path / "log", "json") as records:
        async with leaky_upstream() as upstream:
            upstream.plays(final("Hi"), DONE)
            settings = settings_with_canaries(upstream.url, f"sqlite:{tmp_path}/state.db")
            server = {"keys_file": str(tmp_path / "keys.json"), "admin_key": ADMIN_KEY}
            async with running_gateway(
                upstream.url, tmp_path, server=server, **settings
            ) as gateway:
                asked = routes_of(gateway)
                assert len(asked) > 40
                of_operator = [one for one in asked if one[1].startswith("/admin/")]
                for token in (key, revoked, REFRESH, ACCESS, ADMIN_KEY):
                    for method, path in of_operator if token == ADMIN_KEY else asked:
                        answers.append(await ask_route(gateway, method, path, token))
    assert {one.status for one in answers} >= {200, 400, 401, 403, 404}
    assert 500 not in {one.status for one in answers}
    check(records, answers, tmp_path, (*CANARIES, key, key[14:], revoked, revoked[14:]))


def routes_of(gateway: Gateway) -> list[tuple[str, str]]:
    """Return method and path of every route of the application, and of requests without one."""
    routes = {
        (route.method, re.sub(r"\{[^}]*\}", "main.js", route.resource.canonical))
        for route in gateway.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    return sorted(routes | {("GET", "/nothing"), ("PUT", "/v1/models"), ("GET", "/readyz?verbose")})


async def ask_route(gateway: Gateway, method: str, path: str, token: str) -> Answer:
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hello"}],
        "prompt": "Hello",
        "input": "Hello",
    }
    headers = {"Authorization": f"Bearer {token}", "Referer": f"https://a.example/?key={token}"}
    async with gateway.session.request(
        method, gateway.url + path, json=body if method == "POST" else None, headers=headers
    ) as response:
        return await read(response)


async def test_what_is_uploaded_and_stored_for_a_caller_names_nobody(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(picture, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
    content: Any = [
        {"type": "text", "text": "What is in it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    with logged(tmp_path / "log", "json") as records:
        async with (
            running_demo() as demo,
            running_gateway(demo, tmp_path, tokens={"secret": SECRET}) as gateway,
        ):
            answers = [
                await gateway.chat(asked, token=token)
                for token in (ACCESS, f"{ACCESS},{ACCOUNT}", REFRESH)
                for asked in (content, "draw two boats", "make report.csv")
            ]
            assert [one.status for one in answers] == [200] * len(answers)
            assert list((tmp_path / "images").iterdir())
    check(records, answers, tmp_path)
