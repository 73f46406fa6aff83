"""`docs/compatibility.md`, made of the tables that the tests run by."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from handlers.openapi.endpoints import ENDPOINTS
from tests.clients.clients import CLIENTS, WEB, Client
from tests.compatibility.case import Case
from tests.compatibility.official import calls, shape
from tests.compatibility.tables import TABLES, Table

PATH = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
FEW = 6
OFFERED = """## Calls that are offered

`tests/test_openapi.py` makes each of them, and holds the answers against `/openapi.json`.
"""
HEAD = """# What of the official API is honoured, ignored and refused

This page is written by the tests: each row is a case of `tests/compatibility`, which sends the
field to the gateway, with the demo upstream behind it, and looks at what comes of it. The fields,
their kinds and the calls are those of the `openai` package for Python that the tests have
installed, and of `anthropic` for `/v1/messages`; one that is new there fails the tests until it has
a row. `make compatibility` writes the page anew.

- **honoured**: it reaches the upstream, or changes the answer as it should.
- **ignored**: accepted, and the upstream is asked the same as without it; a field is then named in
  the header `x-ignored-fields`, unless its row says otherwise.
- **refused**: 400, and the error's `param` is where it stands.

The last column is the name of the test: `make test ARGS="tests/compatibility -k chat.logprobs"`.
"""
PROGRAMS = """## Programs and libraries

Each is installed as its users do it, unmodified, and run by `tests/clients` against the gateway with
the demo upstream behind it, where nothing but loopback can be reached. All that a row says passes, in
the version that is pinned; `cut` means that an answer which the upstream cut off is an error there,
streamed and whole, and not a shorter answer. The last two are run by `make clients-web`, Open WebUI
in a browser. The last column is what passes on an account of Codex's login as well; `calls as made`
means that the arguments of a call come in pieces, as they are made. The newest official SDK for Python
is what `tests/test_sdk*.py` are written with.
"""


def written(answers: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        answers: what each call that is not offered is answered.
    """
    offered = sorted(each for each in calls() if is_offered(each))
    parts = [HEAD, OFFERED, *(f"- `{_long(each)}`" for each in offered)]
    for table in TABLES:
        parts += [f"\n## {_long(table.call)}\n", *_rows(table)]
    parts += ["\n## Calls that are not offered\n", "Each is answered with 404 or 405, and with:\n"]
    reasons: dict[str, list[str]] = {}
    for call in sorted(answers, key=lambda each: each.partition(" ")[2]):
        reasons.setdefault(answers[call], []).append(call)
    parts += ["| calls | why |", "| --- | --- |"]
    for reason, missing in reasons.items():
        parts.append(f"| {_named(missing)} | {reason} |")
    parts += [
        "",
        PROGRAMS,
        "| package | version | chat | responses | messages | besides | on a Codex account |",
        f"|{' --- |' * 7}",
    ]
    parts += [_client(each) for each in (*CLIENTS, *WEB)]
    return "\n".join(parts) + "\n"


@cache
def _offered() -> frozenset[str]:
    return frozenset(shape(f"{each.method.upper()} {each.path}") for each in ENDPOINTS)


def is_offered(call: str) -> bool:
    """Return whether a call of the SDK is in the table of endpoints."""
    return shape(_long(call)) in _offered()


def _named(missing: list[str]) -> str:
    """Return the names of calls; of many, what their paths begin with."""
    if len(missing) <= FEW:
        return ", ".join(f"`{_long(each)}`" for each in missing)
    starts = dict.fromkeys("/".join(each.partition(" ")[2].split("/")[:2]) for each in missing)
    named = ", ".join(f"`/v1{start}`" for start in starts)
    return f"{named} ({len(missing)} calls)"


def _long(call: str) -> str:
    method, _, path = call.partition(" ")
    return f"{method} /v1{path}"


def _rows(table: Table) -> list[str]:
    head = ["| field | value | what happens | test |", "| --- | --- | --- | --- |"]
    return head + [_row(case, name) for case, name in table.named()]


def _row(case: Case, name: str) -> str:
    value = f"`{case.shown.replace('|', chr(92) + '|')}`" if case.shown else ""
    happens = str(case.verdict)
    if case.verdict == "ignored" and case.is_silent:
        happens += ", without being named"
    if case.verdict == "refused" and case.param not in ("", case.field):
        happens += f" as `{case.param}`"
    return f"| `{case.field}` | {value} | {happens} | `{name}` |"


def _client(client: Client) -> str:
    name = f"`{client.package}` ({client.registry})"
    features = (client.chat, client.responses, client.messages, client.besides)
    kinds = [*(", ".join(each) for each in features), "; ".join(client.codex)]
    return f"| {' | '.join([name, client.version, *kinds])} |"
