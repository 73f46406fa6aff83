"""`python -m service accounts …` and keys for accounts, as they are typed."""

import io
import os
import re
import sys
from pathlib import Path

import pytest

from service.program.demo_child import RunningDemo, told
from tests.service.program.signing_in import (
    Command,
    choose,
    codex_stats,
    command_in,
    key_file,
    settings_for,
)

pytestmark = pytest.mark.whole


@pytest.fixture
def command(login_demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Command:
    """Runs commands where one account has signed in."""
    choose(login_demo, account="pro-anna", outcome="ok")
    run = command_in(tmp_path, settings_for(login_demo), monkeypatch)
    assert run("login", "--name", "mine") == 0
    capsys.readouterr()
    return run


def answers(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_it_is_listed_and_shown_with_its_address_masked(command: Command, capsys) -> None:
    assert command("accounts", "list") == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "address", "plan", "at", "signed", "in", "keys"]
    assert line.split()[:4] == ["mine", "p***@example.org", "pro", "openai"]
    assert line.split()[-1] == "mine"
    assert command("accounts", "show", "mine") == 0
    shown = capsys.readouterr().out
    assert re.search(r"access token good until +\d{4}-\d\d-\d\d", shown)
    assert "anna" not in line + shown


def test_keys_are_added_for_it_and_stand_for_it_alone(
    command: Command, tmp_path: Path, capsys
) -> None:
    assert command("keys", "add", "bot", "--account", "mine", "--model", "gpt-6-sol") == 0
    granted = key_file(tmp_path).find(capsys.readouterr().out.strip())
    assert granted.credential.models == ("gpt-6-sol",)
    assert granted.credential.stored_account
    assert not granted.key.shows_account
    assert command("keys", "add", "eye", "--account", "mine", "--shows-account") == 0
    assert key_file(tmp_path).find(capsys.readouterr().out.strip()).key.shows_account
    assert command("keys", "list") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[6] for line in lines] == ["mine", "mine", "mine"]
    assert command("keys", "add", "other", "--account", "nobody's") == 1
    assert "there is no account 'nobody's'" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["y\n", "n\n", ""])
def test_it_is_removed_with_its_tokens_and_after_asking_its_keys(
    answer: str, command: Command, login_demo: str, monkeypatch, capsys
) -> None:
    revocations = codex_stats(login_demo)["revocations"]
    answers(monkeypatch, answer)
    assert command("accounts", "remove", "mine") == 0
    output = capsys.readouterr().out
    assert "removed mine (p***@example.org)" in output
    assert "Revoke its keys, too (mine)? [y/N]" in output
    assert codex_stats(login_demo)["revocations"] == revocations + 1
    file = key_file(Path.cwd())
    assert file.accounts.listing() == []
    assert len(file.listing()) == (0 if answer.startswith("y") else 1)
    assert command("accounts", "remove", "mine") == 1
    assert command("keys", "list") == 0


def test_keys_that_stay_are_good_again_after_another_login(
    command: Command, tmp_path: Path, monkeypatch
) -> None:
    answers(monkeypatch, "")
    assert command("accounts", "remove", "mine") == 0
    assert command("login") == 0
    file = key_file(tmp_path)
    (account,) = file.accounts.listing()
    assert [file.account_of(key) for key in file.listing()] == [account.id, account.id]


def test_what_cannot_be_revoked_is_not_removed_unless_one_says_so(
    command: Command, tmp_path: Path, monkeypatch, capsys
) -> None:
    command_in(tmp_path, settings_for("http://127.0.0.1:1"), monkeypatch)
    assert command("accounts", "remove", "mine") == 1
    error = capsys.readouterr().err
    assert "cannot be reached" in error
    assert "Nothing was removed; --keep-tokens removes it here alone." in error
    assert len(key_file(tmp_path).accounts.listing()) == 1
    assert command("accounts", "remove", "mine", "--keep-tokens", "--yes") == 0
    assert key_file(tmp_path).accounts.listing() == []
    assert key_file(tmp_path).listing() == []


def test_the_tokens_of_one_issuer_are_not_sent_to_the_other(
    command: Command, login_demo: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    """It signed in at what the settings took for OpenAI; now they say that the demo is there."""
    revocations = codex_stats(login_demo)["revocations"]
    command_in(tmp_path, {}, monkeypatch)
    with told(RunningDemo(login_demo, "http://127.0.0.1:1/v1", os.getpid())):
        assert command("accounts", "remove", "mine") == 1
    assert "It signed in at OpenAI, which is not where these settings lead" in (
        capsys.readouterr().err
    )
    assert codex_stats(login_demo)["revocations"] == revocations
