"""Files and tests that the threat model names exist."""

import re
from pathlib import Path

from tests.rows import each_row

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
NAMED = sorted(
    set(re.findall(r"`((?:service|handlers|upstream|storage|supply|tests)/[\w/.]+)`", TEXT))
)


@each_row("name", NAMED)
def test_a_file_that_the_threat_model_names_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_every_border_names_code_and_a_test() -> None:
    rows = [line for line in TEXT.partition("## Borders")[2].splitlines() if line.startswith("| ")]
    for row in rows[2:]:
        _, _, _, where, shown, _ = row.split("|")
        assert "`" in where
        assert "`tests/" in shown
    assert len(rows) > 20
