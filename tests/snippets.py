"""What the documents ask a reader to type: blocks of code, and commands within sentences."""

import re
from collections.abc import Iterator

from msgspec import Struct

from tests.documents import Document, code_words

_PROGRAMS = r"python|\.venv/bin/python|pip|npm|curl|docker|nginx|kubectl|systemctl"
# `make report.csv` is a message to the demo, not a command.
_COMMAND = re.compile(rf"(?:[A-Z_]+=\S* )*(?:make [a-z]+(?: [A-Z]+=.*)?|(?:{_PROGRAMS}) \S.*)")
_FENCE = re.compile(r"^\s*```(\w*)\n(.*?)^\s*```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(^|\s+)# .*$")


class Snippet(Struct, frozen=True):
    """One thing to type; each line of a shell block is one."""

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def snippets_of(document: Document) -> list[Snippet]:
    """Return all snippets of a document, in order."""
    found = [*_blocks(document), *_commands_in_prose(document)]
    return sorted(found, key=lambda one: one.line)


def _blocks(document: Document) -> Iterator[Snippet]:
    for fence in _FENCE.finditer(document.text):
        line = document.text.count("\n", 0, fence.start(2)) + 1
        if fence[1] == "sh":
            yield from _shell_lines(document.name, line, fence[2])
        else:
            yield Snippet(document.name, line, fence[1], fence[2])


def _shell_lines(name: str, first: int, block: str) -> Iterator[Snippet]:
    """Yield each command of a block; lines joined by backslashes are one command."""
    text, begun = "", first
    for number, line in enumerate(block.splitlines(), first):
        begun = begun if text else number
        text += _COMMENT.sub("", line)
        if text.endswith("\\"):
            text = text.removesuffix("\\")
            continue
        if text.strip():
            yield Snippet(name, begun, "sh", text.strip())
        text = ""
    assert not text, f"{name}:{begun} ends with a backslash"


def _commands_in_prose(document: Document) -> Iterator[Snippet]:
    without = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), document.text)
    assert "```" not in without, f"{document.name} has a fence that is not closed"
    for number, line in enumerate(without.splitlines(), 1):
        for word in code_words(line):
            if _COMMAND.fullmatch(word):
                yield Snippet(document.name, number, "sh", word)
