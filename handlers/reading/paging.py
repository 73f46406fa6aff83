"""Pages of lists, as in OpenAI's API."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from handlers.reading.json_body import quoted, refusal

Entry = TypeVar("Entry")

_COUNT = re.compile(r"[0-9]{1,10}", re.ASCII)


def in_order(entries: list[Any], query: Mapping[str, str], default: str = "desc") -> list[Any]:
    """Return entries, given newest first, in the order that the query asks for.

    Raises:
        RequestError: there is no such order.
    """
    order = query.get("order") or default
    if order not in ("asc", "desc"):
        raise refusal("order", f"{quoted(order)} is no order; use 'asc' or 'desc'")
    return entries[::-1] if order == "asc" else entries


class Page(Struct, Generic[Entry], frozen=True):
    """A page of a list; the ids are those of its first and last entry, null if it is empty."""

    data: list[Entry]
    first_id: str | None
    last_id: str | None
    has_more: bool


def page_of(
    entries: Sequence[Entry],
    id_of: Callable[[Entry], str],
    query: Mapping[str, str],
    default: int,
    most: int,
) -> Page[Entry]:
    """Return the page of a list that the query asks for.

    Args:
        entries: the whole list, in order.
        id_of: returns the id of an entry.
        query: `after` is the id of the last entry that the caller has, `limit` the
            size of the page.
        default: the size of a page without `limit`.
        most: the largest size.

    Raises:
        RequestError: the limit is invalid.
    """
    ids = [id_of(entry) for entry in entries]
    after, start = query.get("after"), 0
    if after:
        # No entry follows one that does not exist any more.
        start = ids.index(after) + 1 if after in ids else len(ids)
    end = start + _limit(query.get("limit"), default, most)
    page = ids[start:end]
    return Page(
        data=list(entries[start:end]),
        first_id=page[0] if page else None,
        last_id=page[-1] if page else None,
        has_more=len(ids) > end,
    )


def page_between(
    entries: Sequence[Entry],
    id_of: Callable[[Entry], str],
    query: Mapping[str, str],
    default: int,
    most: int,
) -> Page[Entry]:
    """Return the page of a list that the query asks for, by the rules of Anthropic's lists.

    Args:
        entries: the whole list, in order.
        id_of: returns the id of an entry.
        query: `after_id` is the id of the entry before the page, `before_id` of the one behind it,
            `limit` the size of the page.
        default: the size of a page without `limit`.
        most: the largest size.

    Raises:
        RequestError: the limit is invalid.
    """
    before = query.get("before_id")
    if before is None:
        return page_of(entries, id_of, {**query, "after": query.get("after_id", "")}, default, most)
    ids = [id_of(entry) for entry in entries]
    end = ids.index(before) if before in ids else 0
    start = max(0, end - _limit(query.get("limit"), default, most))
    page = ids[start:end]
    return Page(
        data=list(entries[start:end]),
        first_id=page[0] if page else None,
        last_id=page[-1] if page else None,
        has_more=start > 0,
    )


def _limit(given: str | None, default: int, most: int) -> int:
    if given is None:
        return default
    if not _COUNT.fullmatch(given) or not 1 <= int(given) <= most:
        raise refusal("limit", f"expected a number from 1 to {most}")
    return int(given)
