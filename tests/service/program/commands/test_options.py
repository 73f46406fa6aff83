"""The options of the command line."""

import pytest

from service.program.commands.options import parser
from tests.rows import each_row


@each_row(
    ("typed", "read"),
    [
        ("login", {"command": "login", "name": None, "browser": False}),
        ("login --browser --name mine", {"browser": True, "name": "mine"}),
        ("accounts list", {"command": "accounts", "verb": "list"}),
        ("accounts remove mine --yes --keep-tokens", {"name": "mine", "keep_tokens": True}),
        ("keys add bot --account mine --shows-account", {"account": "mine", "name": "bot"}),
        ("--check", {"command": None, "check": True}),
    ],
)
def test_what_is_typed(typed: str, read: dict[str, object]) -> None:
    assert vars(parser().parse_args(typed.split())).items() >= read.items()


@pytest.mark.parametrize(
    "typed",
    ["login mine", "login --name sk-gw-abc", "accounts", "accounts show", "accounts end", "keys"],
)
def test_what_is_mistyped_is_status_two(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(typed.split())
    assert ended.value.code == 2
    assert "usage: " in capsys.readouterr().err
