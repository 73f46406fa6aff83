"""`python -m service login`, as it is typed."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.service.program.gateway_process import ROOT, fetch
from tests.service.program.signing_in import (
    Command,
    choose,
    command_in,
    key_file,
    settings_for,
)

pytestmark = pytest.mark.whole
KEY = re.compile(r"sk-gw-[A-Za-z0-9]{51}")


@pytest.fixture
def command(login_demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    choose(login_demo, account="anna", outcome="ok")
    return command_in(tmp_path, settings_for(login_demo), monkeypatch)


def test_it_signs_in_and_shows_a_key_and_a_line_to_try(
    command: Command, login_demo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(login_demo, account="pro-canary.anna")
    assert command("login", "--name", "my plan") == 0
    output, error = capsys.readouterr()
    assert output.startswith(f"Signing in at {login_demo}, with the public client id of Codex's")
    assert "yours to check" in output
    assert f"{login_demo}/codex/device" in output
    assert re.search(r"\n    [0-9A-F]{4}-[0-9A-F]{6}\n", output)
    assert "only if you began this sign-in yourself" in output
    assert 'p***@example.org, plan pro, as "my plan"' in output
    assert re.search(r"it is good for 1[45]:\d\d minutes\n", error)
    assert error.count("\n") == 1  # no terminal: said once
    assert "canary" not in output + error
    (key,) = set(KEY.findall(output))
    assert f"chat/completions -H 'Authorization: Bearer {key}'" in output
    assert '"model": "gpt-' in output
    granted = key_file(tmp_path).find(key)
    assert (granted.key.name, granted.key.shows_account) == ("my plan", True)
    (account,) = key_file(tmp_path).accounts.listing()
    assert account.email == "pro-canary.anna@example.org"
    assert granted.credential.stored_account == account.id
    assert account.refresh_token not in output + error


def test_another_login_of_an_account_keeps_its_name_and_its_keys(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("login") == 0
    (first,) = set(KEY.findall(capsys.readouterr().out))
    before = key_file(tmp_path).find(first).credential
    assert command("login") == 0
    output = capsys.readouterr().out
    assert "Its earlier keys go on working: codex." in output
    (second,) = set(KEY.findall(output))
    file = key_file(tmp_path)
    one, two = file.find(first).credential, file.find(second).credential
    assert one.token == two.token != before.token
    assert [account.name for account in file.accounts.listing()] == ["codex"]
    assert [key.name for key in file.listing()] == ["codex", "codex-2"]


def test_accounts_are_told_apart_and_a_name_is_one_account_s(
    command: Command, login_demo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("login", "--name", "plan") == 0
    choose(login_demo, account="bo")
    assert command("login", "--name", "plan") == 1
    assert "another account has the name 'plan'" in capsys.readouterr().err
    assert command("login") == 0
    names = [account.name for account in key_file(tmp_path).accounts.listing()]
    assert sorted(names) == ["codex", "plan"]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("denied", "The sign-in was denied: sign in again"),
        ("expired", "is no longer good: sign in again"),
        ("off", "switched off: switch it on in ChatGPT under Settings > Security"),
    ],
)
def test_a_sign_in_that_fails_is_one_sentence_and_status_one(
    command: Command, login_demo: str, outcome: str, told: str, capsys
) -> None:
    choose(login_demo, outcome=outcome)
    assert command("login") == 1
    *progress, error = capsys.readouterr().err.splitlines()
    assert told in error
    assert len(progress) == (0 if outcome == "off" else 1)
    assert not Path("data/keys.json").exists()


def test_without_a_network_it_says_so(
    command: Command, tmp_path: Path, monkeypatch, capsys
) -> None:
    command_in(tmp_path, settings_for("http://127.0.0.1:1"), monkeypatch)
    assert command("login") == 1
    error = capsys.readouterr().err
    assert "http://127.0.0.1:1 cannot be reached" in error
    assert "check the network" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "no gateway runs it in this directory: start one (make run)"),
        ({"codex": {"base_url": ""}}, "codex.base_url is empty"),
    ],
)
def test_where_nobody_can_sign_in_it_says_what_to_do(
    settings, told: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    command = command_in(tmp_path, settings, monkeypatch)
    assert command("login") == 1
    assert told in capsys.readouterr().err


def browser_login(folder: Path, given: "int | None") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "service", "login", "--browser"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=given if given is not None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


def address_in(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+/oauth/authorize\S+", line):
            return found[0]
    raise AssertionError("it shows no address")


def sent_back(address: str) -> str:
    """Return the address that a browser on another machine is sent to, and cannot load."""
    with closing(fetch(address)) as response:
        return str(response.headers["Location"])


def test_the_last_address_of_a_browser_elsewhere_is_pasted_at_a_terminal(
    command: Command, tmp_path: Path
) -> None:
    assert command
    parent, child = pty.openpty()
    process = browser_login(tmp_path, child)
    os.close(child)
    callback = sent_back(address_in(process))
    wrong = re.sub(r"state=[^&]+", "state=wrong", callback)
    os.write(parent, f"{wrong}\n\n{callback}\n".encode())
    output, _ = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == 0, output
    assert "This address is of another sign-in" in output
    assert key_file(tmp_path).find(KEY.findall(output)[0])


def test_a_denied_browser_ends_it(command: Command, login_demo: str, tmp_path: Path) -> None:
    assert command
    choose(login_demo, outcome="denied")
    process = browser_login(tmp_path, None)
    output, _ = process.communicate(f"{sent_back(address_in(process))}\n", timeout=60)
    assert process.returncode == 1
    assert "The sign-in was denied" in output


def test_who_interrupts_it_is_told_that_nobody_was_signed_in(
    command: Command, tmp_path: Path
) -> None:
    assert command
    process = browser_login(tmp_path, None)
    address_in(process)
    ending = threading.Timer(0.5, process.send_signal, [signal.SIGINT])
    ending.start()
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, "Nobody was signed in." in output) == (130, True), output
