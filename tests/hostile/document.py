"""`docs/hostile-inputs.md`, made of the inputs that the tests send."""

import re
from pathlib import Path

from tests.hostile.addresses import ADDRESSES
from tests.hostile.bodies import BODIES, PACKED
from tests.hostile.case import Hostile, Played, Section, Wire
from tests.hostile.codex_upstreams import CODEX
from tests.hostile.connections import NOT_HTTP, SMUGGLED
from tests.hostile.fields import CREATED, DEMANDS, FIELDS, PARTS, PICTURES, SPOKEN
from tests.hostile.forms import FORMS
from tests.hostile.operator import OPERATOR
from tests.hostile.places import CREDENTIALS, PATHS, STRANGERS
from tests.hostile.upstreams import UPSTREAM

ASKED = (
    BODIES, PACKED, FIELDS, DEMANDS, PARTS, ADDRESSES, CREATED, PICTURES, SPOKEN, FORMS, PATHS,
    STRANGERS, CREDENTIALS, OPERATOR,
)  # fmt: skip
SENT = (NOT_HTTP, SMUGGLED)
PLAYED = (UPSTREAM, CODEX)
SECTIONS: tuple[Section, ...] = (*ASKED, *SENT, *PLAYED)

# A place has a bracket, a dot or a line below; an address a colon.
IS_CODE = re.compile(r"\S*[\[_.:]\S*")
PATH = Path(__file__).resolve().parents[2] / "docs" / "hostile-inputs.md"
HEAD = """# Hostile inputs, and what each is answered

This page is written by the tests: each of its {count} rows is an input of `tests/hostile`, which is
sent to a gateway over a socket and has to get the answer that stands here; after each, the same
gateway answers a good request. `make hostile` writes the page anew. What the inputs are to break is
in the [threat model](threat-model.md); faults of the upstream are in `tests/faults`, and what a
fuzzer found in `fuzz/`.

An answer is a status, the `code` of its error and, where a field is to blame, its `param`. Long
texts are cut, and their length is given. `tests/test_hostile.py` is the test.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD.format(count=sum(len(section.rows) for section in SECTIONS))]
    for section in SECTIONS:
        parts += [f"## {section.title} ({len(section.rows)})\n", f"{section.about}\n"]
        parts += [_line(["input", "sent", "answer", "why"]), _line(["---"] * 4)]
        parts += [_line(_cells(row)) for row in section.rows]
        parts.append("")
    return "\n".join(parts)


def _cells(row: Hostile | Wire | Played) -> list[str]:
    return [_text(row.name), _code(row.shown), row.answer, row.why]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(name: str) -> str:
    """Return a name in words as it is, and a place or an address as code."""
    place, number, rest = name.partition(" (")
    return f"{_code(place)}{number}{rest}" if IS_CODE.fullmatch(place) else name


def _code(text: str) -> str:
    """Return a text as code within a table, whatever is in it."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    shown = shown.replace("|", "\\|")
    if not shown:
        return ""
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"
