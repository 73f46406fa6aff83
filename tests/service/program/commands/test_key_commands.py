"""`python -m service keys …`, as it is typed."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from service.program.commands.cli import main
from service.vocabulary.credentials import Budgets, Credential
from storage.secrets.cipher import Cipher, load_or_create_secret
from storage.secrets.key_file import KeyFile

ROOT = Path(__file__).resolve().parents[4]
TOKEN = "a-refresh-token-of-the-operator"


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.fixture
def keys(in_folder: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return what types a command, in this process, and gives it a line; it returns status and output."""
    in_folder.setenv("GATEWAY_SERVER__KEYS_FILE", "data/keys.json")

    def run(*arguments: str, given: str = "") -> tuple[int, str, str]:
        in_folder.setattr(sys, "stdin", io.StringIO(given))
        return main(["keys", *arguments]), *capsys.readouterr()

    return run


def store(folder: Path) -> KeyFile:
    secret = load_or_create_secret(folder / "data" / "secret.key")
    return KeyFile(folder / "data" / "keys.json", Cipher(secret))


def test_a_key_is_made_shown_once_listed_and_revoked(keys, tmp_path: Path) -> None:
    limits = ("--requests-per-minute", "30", "--concurrent-requests", "2", "--model", "gpt-4o")
    limits += ("--requests-per-day", "100", "--tokens-per-5-hours", "5000")
    status, output, told = keys("add", "my bot", *limits, given=f"{TOKEN},team-1\n")
    assert status == 0, told
    key = output.strip()
    granted = store(tmp_path).find(key)
    budgets = Budgets(requests_per_day=100, tokens_per_5_hours=5000)
    assert granted.credential == Credential(
        TOKEN,
        "team-1",
        granted.key.digest,
        ("gpt-4o",),
        sees_account=False,
        budgets=budgets,
    )
    assert granted.key.budgets == budgets
    assert (granted.key.requests_per_minute, granted.key.concurrent_requests) == (30, 2)
    _, listed, _ = keys("list")
    head, line = listed.splitlines()
    assert head.split() == [
        *("id", "name", "made", "a", "minute", "at", "once", "account", "models", "budgets"),
    ]
    assert line.split()[:3] == [key[6:14], "my", "bot"]
    limited = "100 requests per day, 5000 tokens per 5 hours"
    assert line.removesuffix(limited).split()[-5:] == ["30", "2", "a", "token", "gpt-4o"]
    assert line.endswith(limited)
    for secret in (TOKEN, "team-1", key[14:], granted.key.digest):
        assert secret not in listed + told
    _, revoked, _ = keys("revoke", "my bot")
    assert revoked == f"revoked {key[6:14]} (my bot)\n"
    assert store(tmp_path).listing() == []


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        (("revoke", "nobody"), "", "there is no key 'nobody'"),
        (("add", "bot"), "", "You didn't provide an API key"),
        (("add", "bot"), "two\twords\n", "characters that no token has"),
        (("add", "bot"), "sk-gw-abcdefgh\n", "cannot stand for a gateway key"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_one(arguments, given, told, keys) -> None:
    status, output, error = keys(*arguments, given=given)
    assert (status, output) == (1, "")
    assert told in error
    assert error.count("\n") == 1
    assert "words" not in error


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("add",),
        ("add", " "),
        ("add", "a\tb"),
        ("add", "x" * 65),
        ("add", "sk-gw-abc"),
        ("add", "bot", "--requests-per-minute", "0"),
        ("add", "bot", "--concurrent-requests", "some"),
        *(("add", "bot", "--tokens-per-week", number) for number in ("0", "-1", "x", "1.5", "٣")),
        ("add", "bot", "a-token-as-an-argument"),
        ("revoke",),
    ],
)
def test_a_wrong_command_is_status_two(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", *arguments])
    assert ended.value.code == 2
    assert "usage: " in capsys.readouterr().err


@pytest.mark.whole
def test_at_a_terminal_the_token_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "service", "keys", "add", "bot"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "GATEWAY_SERVER__KEYS_FILE": "data/keys.json",
        },
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    shown = b""
    while b"after a comma: " not in shown:
        shown += os.read(parent, 1000)
    os.write(parent, f"{TOKEN}\n".encode())
    while (more := read_or_end(parent)) != b"":
        shown += more
    assert process.wait(30) == 0
    os.close(parent)
    assert TOKEN.encode() not in shown
    key = shown.decode().split()[-1]
    assert store(tmp_path).find(key).credential.token == TOKEN


def read_or_end(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1000)
    except OSError:  # Linux says so of a terminal that nobody has open any more
        return b""
