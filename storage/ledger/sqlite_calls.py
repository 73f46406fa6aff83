"""The log of calls in one SQLite file, beside that of the state, for all processes of a machine.

    calls    one row a call, in the order they were written
    sums     one row an hour, key, model, outcome and upstream: what totals are made of

A page looks through at most `MAX_LOOKED_AT` calls, along an index that fits the question, so that
no question holds the file up. Pages of the file that are free after a removal are given back to the
disk.
"""

import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from service.vocabulary.ledger.calls import (
    Call,
    CallFilter,
    CallLimits,
    CallPage,
    CallTotal,
    TotalsFilter,
    Trimmed,
)
from storage.ledger.cursors import Place, place_in, text_of
from storage.ledger.sums import (
    NUMBERS,
    Cell,
    hours_of,
    step_seconds,
    summed,
    total_of,
)
from storage.state.sqlite_file import Schema, SqliteFile

MAX_LOOKED_AT = 20_000  # calls for one page
_MAX_REMOVED = 5_000  # by one statement, which holds the write lock for its time
_WAL_BYTES = 1024 * 1024
_DAY_MS = 86_400_000
_NUL_SIGN = r"\u0000"  # as JSON writes it
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # the sign, and no backslash and `u0000`


def _columns(number: int) -> str:
    """Return the values of a row that is a list in JSON, `json_extract(value, '$[0]'), …`."""
    return ", ".join(f"json_extract(value, '$[{place}]')" for place in range(number))


_FIELDS = Call.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_INDEXED = ("key", "account", "model", "outcome")  # the more telling ones first
_SCHEMA = Schema(
    version=1,
    statements=(
        "CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,"
        " request_id TEXT NOT NULL, dialect TEXT NOT NULL, status INTEGER NOT NULL,"
        " total_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, key TEXT, account TEXT, model TEXT,"
        " upstream_model TEXT, upstream TEXT, outcome TEXT, first_token_ms INTEGER,"
        " prompt_tokens INTEGER, completion_tokens INTEGER, cached_tokens INTEGER,"
        " reasoning_tokens INTEGER, is_estimated INTEGER NOT NULL, bodies TEXT)",
        "CREATE INDEX IF NOT EXISTS calls_at ON calls (at_ms)",
        *(
            f"CREATE INDEX IF NOT EXISTS calls_{name} ON calls ({name}, at_ms)"
            f" WHERE {name} IS NOT NULL"
            for name in _INDEXED
        ),
        "CREATE TABLE IF NOT EXISTS sums (hour INTEGER NOT NULL, key TEXT NOT NULL,"
        " model TEXT NOT NULL, outcome TEXT NOT NULL, upstream TEXT NOT NULL, "
        + ", ".join(f"{name} INTEGER NOT NULL" for name in NUMBERS)
        + ", PRIMARY KEY (hour, key, model, outcome, upstream)) WITHOUT ROWID",
    ),
    settings=(
        f"PRAGMA journal_size_limit = {_WAL_BYTES}",
        "PRAGMA wal_autocheckpoint = 200",
    ),
    first_settings=("PRAGMA auto_vacuum = INCREMENTAL",),
)
# One statement adds many rows, which come as JSON: for each row by itself the thread would wait for
# the interpreter, and make the event loop wait.
_ADD = f"INSERT INTO calls ({_COLUMNS}) SELECT {_columns(len(_FIELDS))} FROM json_each(?)"
_ADD_SUMS = (
    f"INSERT INTO sums SELECT {_columns(len(Cell._fields) + len(NUMBERS))} FROM json_each(?)"
    " WHERE true"  # without it SQLite takes ON for part of a join
    " ON CONFLICT (hour, key, model, outcome, upstream) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in NUMBERS)
)
_SUMMED = ", ".join(f"sum({name})" for name in NUMBERS)
_REMOVE = (
    "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE at_ms < ? ORDER BY at_ms LIMIT ?)"
    " RETURNING 1"
)
_PAGES = (
    "SELECT page_count, freelist_count, page_size"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
_FOR_EVER = 1 << 62


class SqliteCalls:
    """The log in the file at `path`; implements `service.ledger.ports.CallStore`.

    Args:
        path: of the file, which need not exist yet.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._written = SqliteFile(path, _SCHEMA, is_checked=False)
        self._read = SqliteFile(path, _SCHEMA, is_checked=False)  # so that no reader waits
        self._clock = clock

    async def write(self, calls: Sequence[Call]) -> None:
        """Add calls and their sums, all of them or none."""
        rows = [msgspec.structs.astuple(call) for call in calls]
        sums = [(*cell, *numbers) for cell, numbers in summed(calls).items()]
        await self._written.write(((_ADD, (_json(rows),)), (_ADD_SUMS, (_json(sums),))))

    async def page(self, wanted: CallFilter, limit: int, after: str | None = None) -> CallPage:
        """Return at most `limit` calls, the newest first; see the port."""
        place = None if after is None else place_in(after)
        looked_at, others, values = _conditions(wanted, place)
        base = f"SELECT * FROM calls {looked_at} ORDER BY at_ms DESC, id DESC LIMIT :looked_at"
        values |= {"looked_at": MAX_LOOKED_AT if others else limit + 1, "limit": limit + 1}
        rows = await self._read.rows(
            f"SELECT id, {_COLUMNS} FROM ({base}) {others} LIMIT :limit",
            values,
        )
        calls = tuple(_call(row[1:]) for row in rows[:limit])
        if len(rows) > limit:
            return CallPage(calls, text_of(Place(calls[-1].at_ms, rows[limit - 1][0])))
        if not others:
            return CallPage(calls, None)
        last = await self._read.rows(
            f"SELECT at_ms, id FROM ({base}) LIMIT 1 OFFSET {MAX_LOOKED_AT - 1}",
            values,
        )
        return CallPage(calls, text_of(Place(*last[0])) if last else None)

    async def totals(self, wanted: TotalsFilter) -> tuple[CallTotal, ...]:
        """Return the sums by step and group, the oldest step first; see the port."""
        first, last = hours_of(wanted)
        step, group = step_seconds(wanted.step), wanted.by or "''"
        filters = {"key": wanted.key, "model": wanted.model, "outcome": wanted.outcome}
        chosen = {name: value for name, value in filters.items() if value is not None}
        conditions = ["hour >= :first", "hour < :last", *(f"{name} = :{name}" for name in chosen)]
        rows = await self._read.rows(
            f"SELECT hour / {step} * {step} AS begin, {group} AS of, {_SUMMED} FROM sums"
            f" WHERE {' AND '.join(conditions)} GROUP BY begin, of ORDER BY begin, of",
            {"first": first, "last": last, **chosen},
        )
        return tuple(total_of(begin, of, numbers) for begin, of, *numbers in rows)

    async def trim(self, limits: CallLimits) -> Trimmed:
        """Remove the oldest calls and sums until the log is within its limits; see the port."""
        until_ms = int(self._clock() * 1000) - limits.keep_days * _DAY_MS
        removed = 0
        while number := await self._remove(until_ms, _MAX_REMOVED):
            removed += number
        await self._written.rows("DELETE FROM sums WHERE hour < ?", (until_ms // 1000,))
        allowed = limits.max_bytes * 9 // 10 - 2 * _WAL_BYTES
        while True:
            size, kept = await self._size(), await self._number()
            if size <= allowed:
                break
            excess = math.ceil(kept * (size - allowed) / size)
            number = await self._remove(_FOR_EVER, min(excess, _MAX_REMOVED))
            removed += number
            if not number and not await self._remove_sums():
                break
        if await self._size(with_free=True) > allowed:  # the limit was larger before
            await self._written.shrink()
        return Trimmed(removed, kept, size)

    async def close(self) -> None:
        """Close the file."""
        await self._read.close()
        await self._written.close()

    async def _size(self, *, with_free: bool = False) -> int:
        """Return the bytes of the file's pages."""
        [[pages, free, page_bytes]] = await self._written.rows(_PAGES)
        return int((pages if with_free else pages - free) * page_bytes)

    async def _number(self) -> int:
        [[number]] = await self._written.rows("SELECT count(*) FROM calls")
        return int(number)

    async def _remove(self, until_ms: int, limit: int) -> int:
        return len(await self._written.rows(_REMOVE, (until_ms, limit)))

    async def _remove_sums(self) -> bool:
        """Remove the sums of the oldest hour; tell whether there were any."""
        return bool(
            await self._written.rows(
                "DELETE FROM sums WHERE hour = (SELECT min(hour) FROM sums) RETURNING 1"
            )
        )


def _conditions(wanted: CallFilter, place: Place | None) -> tuple[str, str, dict[str, Any]]:
    """Return the bounds of the calls to look at, the conditions on them, and the values of both."""
    given = {
        name: value
        for name, value in msgspec.structs.asdict(wanted).items()
        if value is not None and not name.endswith("_ms")
    }
    along = next((name for name in _INDEXED if name in given), None)
    looked_at = [f"{along} = :{along}"] if along else []
    values: dict[str, Any] = dict(given)
    if wanted.since_ms is not None:
        looked_at.append("at_ms >= :since")
        values["since"] = wanted.since_ms
    if wanted.until_ms is not None:
        looked_at.append("at_ms < :until")
        values["until"] = wanted.until_ms
    if place is not None:
        looked_at += ["at_ms <= :place_ms", "(at_ms, id) < (:place_ms, :place_id)"]
        values |= {"place_ms": place.at_ms, "place_id": place.number}
    others = [f"{name} = :{name}" for name in given if name != along]
    return _where(looked_at), _where(others), values


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _json(rows: Sequence[tuple[Any, ...]]) -> str:
    """Return rows as JSON; a NUL, at which SQLite would end a text, becomes U+FFFD."""
    text = msgspec.json.encode(rows).decode()
    return _NUL.sub(r"\1\\ufffd", text) if _NUL_SIGN in text else text


def _call(row: Sequence[Any]) -> Call:
    return msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Call, strict=False)
