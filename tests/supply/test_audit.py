"""The verdict on pip-audit's output; the program itself needs a service that tests do without."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from supply.audit import NOT_KNOWN, VULNERABLE, main

FINE = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
BAD = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"]}],
}
SKIPPED = {"name": "redis", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.fixture
def audited(tmp_path: Path):
    """Run the audit with a program that answers as pip-audit does; return status and output."""

    def run(*answers: Any, status: int = 0, error: str = "") -> tuple[int, str]:
        for number, answer in enumerate(answers):
            text = answer if isinstance(answer, str) else json.dumps({"dependencies": answer})
            (tmp_path / f"{number}.txt").write_text(text)
        program = tmp_path / "pip-audit"
        program.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"assert '--require-hashes' in sys.argv\n"
            f"print(open(sys.argv[-1]).read()); sys.stderr.write({error!r}); sys.exit({status})\n"
        )
        program.chmod(0o755)
        output = io.StringIO()
        files = [str(tmp_path / f"{number}.txt") for number in range(len(answers))]
        return main([str(program), *files], output), output.getvalue()

    return run


def test_all_looked_up_and_none_vulnerable_is_a_pass(audited) -> None:
    other = {"name": "yarl", "version": "1", "vulns": []}
    status, said = audited([FINE], [FINE, other])
    assert status == 0
    assert said == "2 of 2 packages were looked up.\nNo known vulnerabilities.\n"


def test_what_is_vulnerable_is_named_with_what_mends_it(audited) -> None:
    status, said = audited([FINE, BAD], [SKIPPED], status=1)
    assert status == VULNERABLE
    assert "pillow 1.0: PYSEC-1, CVE-2026-1; mended in 1.1\n" in said
    assert "Nothing is known of 1" in said


def test_what_was_not_looked_up_is_no_pass(audited) -> None:
    status, said = audited([FINE, SKIPPED])
    assert status == NOT_KNOWN
    assert "1 of 2 packages were looked up." in said
    assert "Nothing is known of 1: the vulnerability service of PyPI does not answer" in said
    assert "No known" not in said


@pytest.mark.parametrize("answer", ["", "no JSON", "{}", "[]", []])
def test_no_answer_is_no_pass(audited, answer: object) -> None:
    status, said = audited([FINE], answer, status=1, error="first\nConnectionError: no route")
    assert status == NOT_KNOWN
    assert "No known" not in said
    reason = (
        "was not asked. ConnectionError: no route\n" if answer != [] else "no packages in it.\n"
    )
    assert said.endswith(reason)
