"""`python -m service calls …`, as it is typed."""

import asyncio
import json
import re
import time
from pathlib import Path

import pytest
from msgspec import structs

from service.program.commands.call_commands import table
from service.program.commands.cli import main
from service.vocabulary.credentials import Credential
from service.vocabulary.events import Outcome
from service.vocabulary.gateway_keys import KeyTerms
from service.vocabulary.ledger.calls import Call, Dialect
from storage.ledger.sqlite_calls import SqliteCalls
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile

NOW_MS = int(time.time() * 1000)
CALL = Call(
    at_ms=NOW_MS,
    request_id="req_1",
    dialect=Dialect.CHAT,
    status=200,
    total_ms=12_340,
    bytes=4_000,
    key="a1b2c3d4",
    model="gpt-4o",
    upstream_model="gpt-4o-2024",
    outcome=Outcome.COMPLETE,
    first_token_ms=850,
    prompt_tokens=1_200,
    completion_tokens=34,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, *calls: Call) -> None:
    async def written() -> None:
        log = SqliteCalls(folder / "data" / "calls.db")
        await log.write(calls)
        await log.close()

    asyncio.run(written())


def test_a_table_has_a_line_for_each_call() -> None:
    refused = Call(
        at_ms=NOW_MS, request_id="req_2", dialect=Dialect.MESSAGES, status=401, total_ms=3, bytes=9
    )
    odd = structs.replace(CALL, model="m\x1b[31m\u202e" + "x" * 300, key="revoked0")
    lines = table([CALL, refused, odd], {"a1b2c3d4": "my bot"}).splitlines()
    head, first, second, third = (re.split(r" {2,}", line) for line in lines)
    assert head == [
        *("time", "key", "api", "model", "ended", "status", "first", "total", "in", "out"),
        "request",
    ]
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW_MS / 1000))
    assert first == [
        *(moment, "my bot", "chat", "gpt-4o", "complete", "200", "0.85 s", "12.34 s", "1,200"),
        *("34", "req_1"),
    ]
    assert second[1:] == [
        *("-", "messages", "-", "not begun", "401", "-", "0.00 s", "-", "-", "req_2"),
    ]
    assert third[1] == "revoked0"
    assert third[3].startswith("m?[31m?xxx")
    assert third[3].endswith("…")
    assert len({line.index("req_") for line in lines[1:]}) == 1  # the columns are straight


def test_calls_are_listed_filtered_and_told_as_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = KeyFile(folder / "data" / "keys.json", Cipher(b"secret"))
    key = file.add(KeyTerms("my bot"), Credential("t"))[6:14]
    hour = 3_600_000
    write(
        folder,
        *(
            structs.replace(CALL, at_ms=NOW_MS - number * hour, request_id=f"req_{number}", key=key)
            for number in range(6)
        ),
        structs.replace(CALL, at_ms=NOW_MS - 9 * hour, request_id="other", outcome=Outcome.CUT),
    )

    def ids(*options: str) -> list[str]:
        assert main(["calls", "--json", *options]) == 0
        return [json.loads(line)["request_id"] for line in capsys.readouterr().out.splitlines()]

    assert ids() == [*(f"req_{number}" for number in range(6)), "other"]
    assert ids("--key", "my bot", "--limit", "2") == ids("--key", key, "--limit", "2")
    assert ids("--since", "150m") == ["req_0", "req_1", "req_2"]
    assert ids("--until", "8h") == ids("--outcome", "cut") == ["other"]
    assert ids("--model", "no such") == ids("--status", "404") == []
    moment = time.strftime("%Y-%m-%dT%H:%M", time.localtime(NOW_MS / 1000 - 5 * 3600 - 600))
    assert len(ids("--since", moment)) == 6
    assert main(["calls", "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert "the newest 3; there are older ones" in lines[-1]
    assert main(["calls", "--key", "nobody"]) == 0
    assert capsys.readouterr().out == "no such calls\n"


def test_without_a_log_there_is_a_word_about_it_and_no_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calls"]) == 0
    assert "there is no log of calls yet: data/calls.db" in capsys.readouterr().err
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--since", "yesterday"], "argument --since: must be a time such as"),
        (["--outcome", "good"], "argument --outcome: "),
        (["--limit", "0"], "argument --limit: must be a whole number of 1 or more"),
        (["--limit", "1000000"], "argument --limit: must be at most"),
    ],
)
def test_a_wrong_option_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert folder.exists()
    with pytest.raises(SystemExit) as ended:
        main(["calls", *options])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_log_that_cannot_be_read_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data" / "calls.db").mkdir(parents=True)
    assert main(["calls"]) == 1
    assert "SQLite" in capsys.readouterr().err
