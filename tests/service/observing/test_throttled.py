"""Warnings that are let through once a minute."""

from service.observing.throttled import MAX_KINDS, SECONDS, Throttled


def test_each_kind_is_due_once_a_minute() -> None:
    now = 0.0
    throttled = Throttled(lambda: now)
    assert [throttled.is_due("a"), throttled.is_due("a"), throttled.is_due("b")] == [
        True,
        False,
        True,
    ]
    now = SECONDS - 1
    assert not throttled.is_due("a")
    now = SECONDS
    assert [throttled.is_due("a"), throttled.is_due("a")] == [True, False]


def test_it_does_not_grow_without_end() -> None:
    throttled = Throttled(lambda: 0.0)
    for number in range(3 * MAX_KINDS):
        assert throttled.is_due(str(number))
    assert len(throttled._next) <= MAX_KINDS
