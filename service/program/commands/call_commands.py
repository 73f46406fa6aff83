"""`python -m service calls`: the log of calls as a table for people, or as JSON for programs."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from service.ledger.ports import CallStore
from service.program.ledger import calls_file, open_calls
from service.settings.config import Config
from service.vocabulary.errors import StorageError
from service.vocabulary.ledger.calls import MAX_PAGE, Call, CallFilter
from storage.secrets.keys_document import KeysDocumentFile

FAILED = 1
_HEADS = (
    "time",
    "key",
    "api",
    "model",
    "ended",
    "status",
    "first",
    "total",
    "in",
    "out",
    "request",
)
_LEFT = frozenset({"time", "key", "api", "model", "ended", "request"})
_MAX_CHARS = 32  # of a cell
_NONE = "-"


def run(options: argparse.Namespace, config: Config) -> int:
    """Run the parsed command; return the exit status."""
    file = calls_file(config)
    if file is not None and not file.exists():  # it is the gateway's to create, and to own
        sys.stderr.write(f"there is no log of calls yet: {file}\n")
        return 0
    try:
        names = _names(config)
        wanted = _wanted(options, names)
        calls, has_more = asyncio.run(_found(config, wanted, options.limit))
    except (StorageError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    if options.json:
        sys.stdout.writelines(msgspec.json.encode(call).decode() + "\n" for call in calls)
        return 0
    sys.stdout.write(table(calls, names) if calls else "no such calls\n")
    if has_more:
        sys.stdout.write(
            f"the newest {len(calls)}; there are older ones, see --limit and --until\n"
        )
    return 0


def table(calls: Sequence[Call], names: Mapping[str, str]) -> str:
    """Return calls as lines of columns, the newest first.

    Args:
        calls: to be shown.
        names: of keys, by id.
    """
    rows = [_HEADS, *(_row(call, names) for call in calls)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if head in _LEFT else cell.rjust(width)
            for head, cell, width in zip(_HEADS, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _row(call: Call, names: Mapping[str, str]) -> tuple[str, ...]:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.at_ms / 1000))
    return (
        moment,
        _shown(names.get(call.key or "", call.key)),
        call.dialect,
        _shown(call.model),
        call.outcome or "not begun",
        str(call.status),
        _seconds(call.first_token_ms),
        _seconds(call.total_ms),
        _number(call.prompt_tokens),
        _number(call.completion_tokens),
        call.request_id[:_MAX_CHARS],
    )


def _shown(text: str | None) -> str:
    """Return a text that cannot disturb a terminal."""
    plain = "".join(one if one.isprintable() else "?" for one in text or _NONE)
    return plain if len(plain) <= _MAX_CHARS else f"{plain[: _MAX_CHARS - 1]}…"


def _seconds(milliseconds: int | None) -> str:
    return _NONE if milliseconds is None else f"{milliseconds / 1000:.2f} s"


def _number(number: int | None) -> str:
    return _NONE if number is None else f"{number:,}"


def _names(config: Config) -> dict[str, str]:
    keys = KeysDocumentFile(Path(config.server.keys_file)).current().keys
    return {key.id: key.name for key in keys}


def _wanted(options: argparse.Namespace, names: Mapping[str, str]) -> CallFilter:
    """Return the filter of the options; a key is given by its id or its name."""
    ids = {name: key_id for key_id, name in names.items()}
    return CallFilter(
        since_ms=options.since,
        until_ms=options.until,
        key=ids.get(options.key, options.key),
        model=options.model,
        outcome=options.outcome,
        status=options.status,
    )


async def _found(config: Config, wanted: CallFilter, limit: int) -> tuple[list[Call], bool]:
    """Return the newest calls, and whether there are more of them."""
    store: CallStore = open_calls(config)
    calls: list[Call] = []
    after: str | None = None
    try:
        while len(calls) < limit:
            page = await store.page(wanted, min(MAX_PAGE, limit - len(calls)), after)
            calls += page.calls
            after = page.next
            if after is None:
                break
    finally:
        await store.close()
    return calls, after is not None
