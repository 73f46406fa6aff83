from typing import Any

import pytest

from handlers.reading.paging import in_order, page_of
from service.vocabulary.errors import RequestError

ENTRIES: list[dict[str, Any]] = [{"id": letter} for letter in "abcde"]


def ids(page: dict[str, Any]) -> str:
    return "".join(entry["id"] for entry in page["data"])


def test_a_page_names_its_ends_and_whether_there_is_more() -> None:
    page = page_of(ENTRIES, {"limit": "2"}, 20, 100)
    assert ids(page) == "ab"
    assert (page["object"], page["first_id"], page["last_id"]) == ("list", "a", "b")
    assert page["has_more"] is True


def test_pages_follow_each_other_to_the_end() -> None:
    assert ids(page_of(ENTRIES, {"after": "b", "limit": "2"}, 20, 100)) == "cd"
    last = page_of(ENTRIES, {"after": "d"}, 20, 100)
    assert (ids(last), last["has_more"]) == ("e", False)


def test_nothing_comes_after_what_is_gone() -> None:
    page = page_of(ENTRIES, {"after": "x"}, 20, 100)
    assert (page["data"], page["first_id"], page["last_id"]) == ([], None, None)


def test_a_page_has_its_default_size() -> None:
    assert ids(page_of(ENTRIES, {}, 3, 100)) == "abc"


@pytest.mark.parametrize("limit", ["0", "101", "-1", "two", "1.5", "", "９"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(RequestError) as caught:
        page_of(ENTRIES, {"limit": limit}, 20, 100)
    assert caught.value.param == "limit"


def test_the_order_is_the_newest_first_unless_said() -> None:
    assert in_order([2, 1], {}) == in_order([2, 1], {"order": "desc"}) == [2, 1]
    assert in_order([2, 1], {"order": "asc"}) == [1, 2]
    with pytest.raises(RequestError):
        in_order([2, 1], {"order": "up"})
