import pytest

from handlers.reading.paging import Page, in_order, page_of
from service.vocabulary.errors import RequestError
from tests.rows import each_row

ENTRIES = list("abcde")


def paged(query: dict[str, str], default: int = 20) -> Page[str]:
    return page_of(ENTRIES, str, query, default, 100)


def test_a_page_names_its_ends_and_whether_there_is_more() -> None:
    page = paged({"limit": "2"})
    assert page.data == ["a", "b"]
    assert (page.first_id, page.last_id) == ("a", "b")
    assert page.has_more is True


def test_pages_follow_each_other_to_the_end() -> None:
    assert paged({"after": "b", "limit": "2"}).data == ["c", "d"]
    last = paged({"after": "d"})
    assert (last.data, last.has_more) == (["e"], False)


def test_nothing_comes_after_what_is_gone() -> None:
    page = paged({"after": "x"})
    assert (page.data, page.first_id, page.last_id) == ([], None, None)


def test_a_page_has_its_default_size() -> None:
    assert paged({}, 3).data == ["a", "b", "c"]


@each_row("limit", ["0", "101", "-1", "two", "1.5", "", "９"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(RequestError) as caught:
        paged({"limit": limit})
    assert caught.value.param == "limit"


def test_the_order_is_the_newest_first_unless_said() -> None:
    assert in_order([2, 1], {}) == in_order([2, 1], {"order": "desc"}) == [2, 1]
    assert in_order([2, 1], {"order": "asc"}) == [1, 2]
    with pytest.raises(RequestError):
        in_order([2, 1], {"order": "up"})
