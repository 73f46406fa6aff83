"""Every test on generated input takes its settings from `tests/chance.py`.

By default such a test fails where an example takes 200 ms, as it may on a busy machine, and tries
other examples in each run.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent


def unsettled(source: str) -> Iterator[str]:
    """Yield the names of tests with `given` and without such settings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
            if "given" in decorators and not decorators & {"examples", "FAST"}:
                yield node.name


def test_no_test_on_generated_input_has_other_settings() -> None:
    sources = {path: path.read_text("utf-8") for path in TESTS.rglob("test_*.py")}
    drawn = {path: source for path, source in sources.items() if "\n@given(" in source}
    assert len(drawn) > 15
    assert {
        str(path): names for path, source in drawn.items() if (names := [*unsettled(source)])
    } == {}


def test_a_test_without_them_is_found() -> None:
    given = "@given(st.text())\ndef test_it(text): pass\n"
    assert [*unsettled(given)] == ["test_it"]
    assert [*unsettled(f"@examples(100)\n{given}"), *unsettled(f"@FAST\n{given}")] == []
