"""Tests of many rows: one test tries each row, and names those that fail.

pytest makes an item of each row of `parametrize`, with fixtures, hooks and reports of its own: 3 ms
beside a check that takes microseconds. `each_row` is for rows that need no fresh fixture.
"""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest

IN_FULL = 5  # rows of which a failing test shows the traceback; it names the others
MAX_NAME = 80
Naming = Callable[[Any], object] | Iterable[str] | None
Test = Callable[..., Any]
Param = type(pytest.param())


class Row(NamedTuple):
    """One set of arguments."""

    name: str
    values: dict[str, Any]


class Wrong(NamedTuple):
    """A row that failed, and how."""

    name: str
    report: str


def each_row(
    names: str | Sequence[str], rows: Iterable[Any], ids: Naming = None
) -> Callable[[Test], Test]:
    """Call a test once for each row, and fail at the end with every row that failed.

    The arguments are those of `pytest.mark.parametrize`. Arguments that no row has are fixtures,
    made once for all rows. Two of these above one test try every pair of their rows.

    Raises:
        ValueError: there are no rows, or rows with marks, which only an item can have.
    """
    own = _rows(names, list(rows), ids)

    def decorate(test: Test) -> Test:
        inner: list[Row] = getattr(test, "rows", [Row("", {})])
        # The upper decorator changes slowest, as in loops that are written out.
        all_rows = [_joined(one, other) for one, other in itertools.product(own, inner)]
        return _looping(getattr(test, "of_one_row", test), all_rows)

    return decorate


def _rows(names: str | Sequence[str], given: list[Any], ids: Naming) -> list[Row]:
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if not given:
        raise ValueError(f"no rows of {names}: nothing would be tested")
    listed = None if ids is None or callable(ids) else list(ids)
    found, is_tuple = [], len(fields) > 1 or not isinstance(names, str)
    for index, one in enumerate(given):
        row = one if isinstance(one, Param) else pytest.param(*(one if is_tuple else (one,)))
        if row.marks:
            raise ValueError(f"row {index} of {names} has marks, which need parametrize")
        name = str(row.id or (listed[index] if listed else _name(index, row.values, ids)))
        found.append(Row(name, dict(zip(fields, row.values, strict=True))))
    return found


def _name(index: int, values: Sequence[object], ids: Naming) -> str:
    if callable(ids):
        return "-".join(str(ids(value)) for value in values)
    text = ", ".join(map(repr, values))
    return text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}… (row {index})"


def _joined(one: Row, other: Row) -> Row:
    return Row(" / ".join(filter(None, (one.name, other.name))), one.values | other.values)


def _looping(test: Test, rows: list[Row]) -> Test:
    if inspect.iscoroutinefunction(test):

        async def loop(**fixtures: Any) -> None:
            wrong = []
            for row in rows:
                try:
                    await test(**fixtures, **row.values)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - it is reported
                    wrong.append(_wrong(row, error))
            _report(wrong, len(rows))
    else:

        def loop(**fixtures: Any) -> None:
            wrong = []
            for row in rows:
                try:
                    test(**fixtures, **row.values)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - it is reported
                    wrong.append(_wrong(row, error))
            _report(wrong, len(rows))

    loop = functools.wraps(test)(loop)
    signature = inspect.signature(test)
    fixtures = [each for name, each in signature.parameters.items() if name not in rows[0].values]
    vars(loop).update(
        of_one_row=test, rows=rows, __signature__=signature.replace(parameters=fixtures)
    )
    return loop


def _wrong(row: Row, error: BaseException) -> Wrong:
    shown = pytest.ExceptionInfo.from_exception(error)
    shown.traceback = shown.traceback[1:] or shown.traceback  # without the loop above
    return Wrong(row.name, str(shown.getrepr(style="short")))


def _report(wrong: list[Wrong], count: int) -> None:
    if not wrong:
        return
    lines = [f"{len(wrong)} of {count} rows fail"]
    lines += [f"--- {each.name}\n{each.report}" for each in wrong[:IN_FULL]]
    lines += [f"--- {each.name}" for each in wrong[IN_FULL:]]
    pytest.fail("\n".join(lines), pytrace=False)
