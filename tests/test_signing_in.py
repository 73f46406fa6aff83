"""Signing in with a ChatGPT plan, as a whole: the commands, a gateway, and the demo.

Exchanged tokens are kept in the state store and in the file of keys. The demo is as strict as the
real service, and ends a login whose refresh token is used twice.
"""

import asyncio
import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.program.commands.cli import main
from service.program.kept import open_key_file
from service.settings.config import load_config
from tests.demo_process import running_demo_process
from tests.service.program.gateway_process import GatewayProcess, fetch
from tests.service.program.signing_in import codex_stats, expire, post, settings_for
from tests.test_secrets_stay import found_in
from upstream.tokens.cache import Known

KEY = re.compile(r"sk-gw-[A-Za-z0-9]{51}")
CANARY = "canary.of.an.address"
Start = Callable[..., GatewayProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[GatewayProcess] = []

    def gateway(settings: dict[str, Any]) -> GatewayProcess:
        (tmp_path / "config.yaml").write_text(json.dumps(settings))
        started.append(GatewayProcess(tmp_path, "-m", "service"))
        started[-1].address(60)
        return started[-1]

    yield gateway
    for one in started:
        one.close()


def command(folder: Path, *arguments: str, given: str = "") -> str:
    """Run a command in a gateway's folder and return its output.

    It runs in this process: to start one for each takes longer than all that they do.
    """
    said = io.StringIO()
    with (
        chdir(folder),
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(said),
        redirect_stderr(said),
    ):
        patch.setattr(sys, "stdin", io.StringIO(given))
        assert main(arguments) == 0, said.getvalue()
    return said.getvalue()


def key_in(said: str) -> str:
    return KEY.findall(said)[0]


def ask(address: str, key: str) -> tuple[int, Any]:
    """Ask on a new connection; return the status and the answer."""
    message = {"role": "user", "content": "what is 6*7"}
    body = json.dumps({"model": "gpt-6-sol", "messages": [message]})
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    with closing(HTTPConnection(address.removeprefix("http://"), timeout=60)) as connection:
        connection.request("POST", "/v1/chat/completions", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def usage_of(address: str, key: str) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    with closing(HTTPConnection(address.removeprefix("http://"), timeout=60)) as connection:
        connection.request("GET", "/v1/usage", headers=headers)
        return json.loads(connection.getresponse().read())


def assert_answers(address: str, key: str) -> None:
    status, answer = ask(address, key)
    assert status == 200, answer
    assert "Demo answer" in answer["choices"][0]["message"]["content"]


def test_beside_a_gateway_on_the_demo_one_is_signed_in_at_once_and_the_line_works(
    start: Start, tmp_path: Path
) -> None:
    gateway = start({"server": {"host": "127.0.0.1", "port": 0}})
    said = command(tmp_path, "login")
    assert "Signing in at the built-in demo" in said
    line = re.findall(r"^ +(curl .*)$", said, re.MULTILINE)[0]
    assert f"{gateway.address()}/v1/chat/completions" in line
    streamed = subprocess.run(
        ["/bin/sh", "-c", f"{line} -sS"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert "Demo answer" in "".join(re.findall(r'"content":"([^"]*)"', streamed))
    assert streamed.rstrip().endswith("data: [DONE]")
    assert "d***@example.org" in command(tmp_path, "accounts", "list")
    seen = usage_of(gateway.address(), key_in(said))
    assert [window["name"] for window in seen["windows"]][:2] == ["primary", "secondary"]
    other = key_in(command(tmp_path, "keys", "add", "bot", "--account", "codex"))
    assert usage_of(gateway.address(), other) == {"object": "usage", "key": {}}

    assert "removed codex" in command(tmp_path, "accounts", "remove", "codex", given="n\n")
    status, answer = ask(gateway.address(), key_in(said))
    assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
    assert "sign in again: python -m service login" in answer["error"]["message"]
    command(tmp_path, "login")
    assert_answers(gateway.address(), key_in(said))
    assert gateway.stop() == 0
    assert not (tmp_path / "data" / "demo.json").exists()


def test_an_account_of_the_demo_is_never_sent_elsewhere(start: Start, tmp_path: Path) -> None:
    gateway = start({"server": {"host": "127.0.0.1", "port": 0}})
    key = key_in(command(tmp_path, "login"))
    assert gateway.stop() == 0
    with running_demo_process() as other:
        before = codex_stats(other)
        gateway = start(settings_for(other))
        status, answer = ask(gateway.address(), key)
        assert status == 401
        assert "signed in at the built-in demo" in answer["error"]["message"]
        assert "sign in again: python -m service login" in answer["error"]["message"]
        assert codex_stats(other) == before
        other_key = key_in(command(tmp_path, "login"))
        assert_answers(gateway.address(), other_key)
        assert ask(gateway.address(), key)[0] == 401


# --- no login is lost ------------------------------------------------------------------


def filed() -> str:
    """Return the refresh token in the file of keys of the current directory."""
    accounts = open_key_file(load_config(Path("config.yaml")).config).accounts
    (account,) = accounts.listing()
    value = asyncio.run(accounts.get(account.token_key))
    assert value is not None
    rotated = msgspec.json.decode(value, type=Known).rotated
    return rotated.refresh_token if rotated else account.refresh_token


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def drop_state() -> None:
    for path in filter(Path.is_file, Path("data").glob("state.db*")):
        path.unlink()


def kill(gateway: GatewayProcess) -> None:
    gateway.process.send_signal(signal.SIGKILL)
    gateway.process.wait(30)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def demo() -> Iterator[str]:
    with running_demo_process() as demo:
        yield demo


@pytest.fixture
def signed_in(start: Start, here: Path, demo: str) -> tuple[Callable[[], GatewayProcess], str]:
    """Return a function that starts a gateway with a signed-in account, and the account's key."""
    settings = settings_for(demo)
    (here / "config.yaml").write_text(json.dumps(settings))
    return lambda: start(settings), key_in(command(here, "login"))


def renew(gateway: GatewayProcess, demo: str, key: str) -> None:
    """Make the gateway exchange its refresh token; reusing one would end the login."""
    expire(demo)
    assert_answers(gateway.address(), key)


def test_killed_between_store_and_file_and_then_without_its_store_it_stays_signed_in(
    signed_in, here: Path, demo: str
) -> None:
    begin, key = signed_in
    lock, gateway = here / "data" / ".keys.json.lock", begin()
    assert_answers(gateway.address(), key)
    assert codex_stats(demo)["exchanges"] == 0  # the login's own access token was good
    first = filed()
    renew(gateway, demo, key)
    wait_until(lambda: filed() != first)
    # The store takes the next token, and the file cannot.
    second = filed()
    lock.unlink()
    lock.mkdir()
    renew(gateway, demo, key)
    kill(gateway)
    assert filed() == second
    lock.rmdir()
    # The next process brings it there before anybody asks; then the store is lost.
    gateway = begin()
    wait_until(lambda: filed() != second)
    kill(gateway)
    drop_state()
    gateway = begin()
    renew(gateway, demo, key)
    assert codex_stats(demo)["exchanges"] == 3
    assert gateway.stop() == 0


def test_when_an_older_copy_of_the_file_comes_back_the_store_leads(
    signed_in, here: Path, demo: str
) -> None:
    begin, key = signed_in
    gateway, file = begin(), here / "data" / "keys.json"
    older, first = file.read_bytes(), filed()
    renew(gateway, demo, key)
    wait_until(lambda: filed() != first)
    newer = filed()
    kill(gateway)
    file.write_bytes(older)
    gateway = begin()
    wait_until(lambda: filed() == newer)
    renew(gateway, demo, key)
    assert codex_stats(demo)["exchanges"] == 2
    assert gateway.stop() == 0


def test_a_login_that_has_ended_says_to_sign_in_again(signed_in, here: Path, demo: str) -> None:
    begin, key = signed_in
    post(f"{demo}/oauth/revoke", token=filed())  # at another place
    gateway = begin()
    expire(demo)
    for _ in range(2):
        status, answer = ask(gateway.address(), key)
        assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
        assert "has to sign in again: python -m service login" in answer["error"]["message"]
    assert codex_stats(demo)["exchanges"] == 1  # a dead token is not sent again
    assert "its login has ended" in command(here, "accounts", "show", "codex")
    command(here, "login")
    assert_answers(gateway.address(), key)


# --- secrets stay ---------------------------------------------------------------------


def test_no_command_and_no_log_has_an_address_or_a_token(start: Start, here: Path) -> None:
    with running_demo_process("--codex-account", CANARY) as demo:
        settings = settings_for(demo) | {"log": {"level": "DEBUG"}}
        (here / "config.yaml").write_text(json.dumps(settings))
        said = [command(here, "login", "--name", "mine")]
        key = key_in(said[0])
        gateway = start(settings)
        tokens = {filed()}
        assert_answers(gateway.address(), key)
        expire(demo)
        assert_answers(gateway.address(), key)
        wait_until(lambda: filed() not in tokens)
        tokens.add(filed())
        said += [command(here, "accounts", "list"), command(here, "accounts", "show", "mine")]
        said += [command(here, "keys", "add", "bot", "--account", "mine")]
        said += [command(here, "keys", "list"), command(here, "accounts", "remove", "mine")]
        assert ask(gateway.address(), key)[0] == 401
        with closing(fetch(f"{gateway.address()}/metrics")) as metrics:
            figures = metrics.read()
        assert gateway.stop() == 0
    secrets = (CANARY, *tokens)
    assert found_in("".join(said).encode(), secrets) == []
    assert found_in(figures, secrets) == []
    for path in here.rglob("*"):
        if path.is_file():
            assert found_in(path.read_bytes(), (*secrets, key)) == [], path
