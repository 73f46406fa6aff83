"""Docstrings are plain sentences: none makes a reader ask what "what" stands for.

`Tell whether` is how those of predicates begin.
"""

import ast
import re

from tests.rooms import ROOT
from tests.test_sizes import SOURCES

RIDDLE = re.compile(
    r"(Return|Yield|Say)s? (what|whether|if|which|how|when|where)\b|Tells? (what|which|how|when)\b"
    r"|.*\bnobody\b",
    re.DOTALL | re.IGNORECASE,
)
TEXT = re.compile(r'"""(.+?)"""', re.DOTALL)


def test_no_docstring_is_a_riddle() -> None:
    riddles = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in SOURCES
        for text in TEXT.findall(path.read_text("utf-8"))
        if RIDDLE.match(text)
    ]
    assert riddles == []


def test_a_docstring_is_found_and_judged() -> None:
    source = 'def f():\n    """Return what it is."""\n'
    assert TEXT.findall(source) == [ast.get_docstring(ast.parse(source).body[0])]
    for riddle in ("Return what it is.", "Says how it is.", "Hold it.\n\nNobody else may."):
        assert RIDDLE.match(riddle)
    for plain in ("Return the item.", "Tell whether it is one.", "Return an address.\n\nTell how."):
        assert not RIDDLE.match(plain)
