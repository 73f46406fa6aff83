"""A test of many rows tries each of them and names those that fail."""

from collections.abc import Callable

import pytest

from tests.rows import IN_FULL, each_row


def failure(test: Callable[[], object]) -> str:
    with pytest.raises(pytest.fail.Exception) as caught:
        test()
    return str(caught.value)


def test_every_row_is_tried_and_each_that_fails_is_named() -> None:
    tried = []

    @each_row(("number", "word"), [(1, "one"), (2, "two"), pytest.param(3, "x", id="three")])
    def check(number: int, word: str) -> None:
        tried.append(number)
        assert word == {1: "one"}.get(number)

    said = failure(check)
    assert tried == [1, 2, 3]
    assert said.startswith("2 of 3 rows fail\n--- 2, 'two'\n")
    assert "--- three\n" in said
    assert "--- 1, 'one'" not in said
    assert "assert word == " in said


def test_rows_that_fail_after_many_others_are_named_without_their_traceback() -> None:
    @each_row("number", range(IN_FULL + 2))
    def check(number: int) -> None:
        pytest.fail(f"it is {number}")

    said = failure(check)
    assert said.startswith("7 of 7 rows fail")
    assert f"it is {IN_FULL - 1}" in said
    assert said.endswith(f"--- {IN_FULL}\n--- {IN_FULL + 1}")


def test_every_pair_of_two_sets_of_rows_is_tried() -> None:
    tried = []

    @each_row("one", "ab", ids=str.upper)
    @each_row("two", [1, 2], ids=("first", "second"))
    def check(one: str, two: int) -> None:
        tried.append((one, two))
        assert (one, two) != ("b", 1)

    assert "--- B / first\n" in failure(check)
    assert tried == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


async def test_a_coroutine_is_awaited_for_each_row() -> None:
    tried = []

    @each_row("number", [1, 2, 3])
    async def check(number: int) -> None:
        tried.append(number)
        assert number != 2

    with pytest.raises(pytest.fail.Exception, match="1 of 3 rows fail\n--- 2\n"):
        await check()
    assert tried == [1, 2, 3]


@each_row("name", ["a", "b"])
def test_what_is_no_row_is_a_fixture(name: str, tmp_path) -> None:
    (tmp_path / name).touch(exist_ok=False)
    assert name in {path.name for path in tmp_path.iterdir()}


def test_no_rows_and_rows_with_marks_are_refused() -> None:
    with pytest.raises(ValueError, match="no rows of number"):
        each_row("number", [])
    with pytest.raises(ValueError, match="row 0 of number has marks"):
        each_row("number", [pytest.param(1, marks=pytest.mark.whole)])
