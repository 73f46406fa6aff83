"""Warnings that are let through once a minute."""

from service.observing.throttled import MAX_KINDS, SECONDS, Seldom


def test_each_kind_is_due_once_a_minute() -> None:
    now = 0.0
    seldom = Seldom(lambda: now)
    assert [seldom.is_due("a"), seldom.is_due("a"), seldom.is_due("b")] == [True, False, True]
    now = SECONDS - 1
    assert not seldom.is_due("a")
    now = SECONDS
    assert [seldom.is_due("a"), seldom.is_due("a")] == [True, False]


def test_it_does_not_grow_without_end() -> None:
    seldom = Seldom(lambda: 0.0)
    for number in range(3 * MAX_KINDS):
        assert seldom.is_due(str(number))
    assert len(seldom._next) <= MAX_KINDS
