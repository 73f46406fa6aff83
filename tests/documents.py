"""The documents of this repository, and the parts of them that tests look for."""

import re
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.zh-CN.md")
# Pages in English with a translation beside them; a README and its pages are a manual.
PAGES = (
    *("README.md", "docs/accounts.md", "docs/admin.md", "docs/api.md", "docs/settings.md"),
    *("docs/operations.md", "docs/demo.md", "docs/clients.md", "docs/moving-over.md"),
)
Row = tuple[str, ...]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


class Document(Struct, frozen=True):
    """One document."""

    name: str
    text: str

    @property
    def prose(self) -> str:
        """Return the text without its blocks of code."""
        return _BLOCK.sub("", self.text)

    @property
    def code(self) -> set[str]:
        """Return all words in backticks."""
        return set(code_words(self.prose))

    @property
    def headings(self) -> list[str]:
        return re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)

    def blocks(self, language: str) -> list[str]:
        return [body for name, body in _BLOCK.findall(self.text) if name == language]

    def section(self, titles: tuple[str, ...]) -> str:
        """Return the only section with one of these titles, without its blocks of code."""
        (found,) = (part for part in re.split(r"\n##? ", self.prose) if part.startswith(titles))
        return found

    def table(self, known: str) -> list[Row]:
        """Return the rows, without the head, of the only table with this text in a first cell."""
        tables = [_rows(part) for part in self.prose.split("\n\n")]
        found = [rows for rows in tables if any(known in row[0] for row in rows)]
        assert len(found) == 1, f"{len(found)} tables of {self.name} have a row of {known}"
        return found[0]


def read_document(name: str) -> Document:
    return Document(name, (ROOT / name).read_text("utf-8"))


def translated(page: str) -> str:
    """Return the name of the translation of a page."""
    return page.replace(".md", ".zh-CN.md")


def manual_pages(readme: str) -> tuple[str, ...]:
    """Return the pages in the language of this README, itself first."""
    return PAGES if readme == "README.md" else tuple(map(translated, PAGES))


def read_manual(readme: str) -> Document:
    """Return a README and its pages as one document."""
    pages = (read_document(page).text for page in manual_pages(readme))
    return Document(readme, "\n".join(pages))


def code_words(text: str) -> list[str]:
    """Return the words in backticks, in order."""
    return _CODE.findall(text)


def bare(cell: str) -> str:
    """Return the word of a cell that is a single word in backticks."""
    return cell.removeprefix("`").removesuffix("`")


def _rows(part: str) -> list[Row]:
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in lines[2:]]
