"""The size budget: a function over it has a comment above its first line that says why.

Code lines are counted without blanks, comments and the docstring.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.rooms import ROOT, statements
from tests.rows import each_row

SOURCES = sorted(
    path
    for package in ("service", "handlers", "upstream", "storage", "bench", "fuzz", "supply")
    for path in (ROOT / package).rglob("*.py")
)
MAX_FUNCTION_LINES = 30
MAX_MODULE_LINES = 450  # 300 is the aim; only the vocabulary and the table of messages are longer
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: str) -> Iterator[Function]:
    """Yield all functions."""
    yield from (place for place in statements(ast.parse(source)) if isinstance(place, Function))


def lines_of_code(source: str) -> frozenset[int]:
    """Return the numbers of all lines that are neither blank nor only a comment."""
    noise = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return frozenset(
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in noise
        for line in range(token.start[0], token.end[0] + 1)
    )


def spans(function: Function) -> bool:
    """Tell whether a function may be too long: it is, with its blank lines and comments."""
    return (function.end_lineno or function.lineno) - function.lineno >= MAX_FUNCTION_LINES


def size(function: Function, code: frozenset[int]) -> int:
    body = function.body
    is_documented = ast.get_docstring(function) is not None
    first = body[1] if is_documented and len(body) > 1 else body[0]
    start, end = first.lineno, function.end_lineno or first.lineno
    return sum(start <= line <= end for line in code)


def has_reason(source: str, function: Function) -> bool:
    first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    return source.splitlines()[first - 2].strip().startswith("#")


@each_row("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_long_function_says_why(path: Path) -> None:
    source = path.read_text("utf-8")
    unexplained = [one for one in functions(source) if spans(one) and not has_reason(source, one)]
    code = lines_of_code(source) if unexplained else frozenset()
    sizes = {function.name: size(function, code) for function in unexplained}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_FUNCTION_LINES} == {}


def test_a_function_is_found_wherever_it_is() -> None:
    inner = "def b(): pass"
    for place in (
        "if x:",
        "if x: pass\nelse:",
        "for x in y:",
        "with x:",
        "class X:",
        "async def x():",
    ):
        assert [one.name for one in functions(f"{place}\n {inner}")][-1] == "b"
    for place in (
        "try:\n {}\nfinally: pass",
        "try: pass\nexcept X:\n {}",
        "try: pass\nfinally:\n {}",
    ):
        assert [one.name for one in functions(place.format(inner))] == ["b"]
    assert [one.name for one in functions(f"match x:\n case 1:\n  {inner}")] == ["b"]


@each_row("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_a_drawer(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_MODULE_LINES
