"""Lists that are answered a page at a time, as OpenAI's are."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from handlers.reading.json_body import quoted, refusal

_COUNT = re.compile(r"[0-9]{1,10}", re.ASCII)


def in_order(entries: list[Any], query: Mapping[str, str], default: str = "desc") -> list[Any]:
    """Return entries, the first of which are the newest, in the order that the query asks for.

    Raises:
        RequestError: there is no such order.
    """
    order = query.get("order") or default
    if order not in ("asc", "desc"):
        raise refusal("order", f"{quoted(order)} is no order; use 'asc' or 'desc'")
    return entries[::-1] if order == "asc" else entries


def page_of(
    entries: Sequence[dict[str, Any]], query: Mapping[str, str], default: int, most: int
) -> dict[str, Any]:
    """Return the page of a list that the query asks for.

    Args:
        entries: the whole list, in order; each has an `id`.
        query: `after` is the id of the last entry that the caller has, `limit` the
            size of the page.
        default: the size of a page that names none.
        most: the largest size.

    Raises:
        RequestError: the limit is no such number.
    """
    after = query.get("after")
    if after:
        # Nothing comes after an entry that is not there any more.
        ids = [entry["id"] for entry in entries]
        entries = entries[ids.index(after) + 1 :] if after in ids else []
    limit = _limit(query.get("limit"), default, most)
    page = list(entries[:limit])
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(entries) > limit,
    }


def _limit(given: str | None, default: int, most: int) -> int:
    if given is None:
        return default
    if not _COUNT.fullmatch(given) or not 1 <= int(given) <= most:
        raise refusal("limit", f"expected a number from 1 to {most}")
    return int(given)
