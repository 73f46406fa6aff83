"""Records of typed items: token counts add up, and windows are compared."""

from service.vocabulary.native import LimitWindow, UsageKnown, fullest

ONE = UsageKnown(7, 5, cached_tokens=3, reasoning_tokens=2, picture_tokens=1)


def test_counts_are_added_and_taken_away_one_by_one() -> None:
    assert UsageKnown(14, 10, 6, 4, 2) == ONE + ONE
    assert ONE + ONE - ONE == ONE


def test_shares_add_up_to_the_whole() -> None:
    assert UsageKnown(7, 6).shares(3) == [UsageKnown(3, 2), UsageKnown(2, 2), UsageKnown(2, 2)]
    for number in (1, 2, 4):
        assert sum(ONE.shares(number), UsageKnown(0, 0)) == ONE


def test_the_fullest_window_counts() -> None:
    assert fullest([LimitWindow("primary", 10.0), LimitWindow("secondary", 70.5)]) == 70.5
    assert fullest([]) == 0
