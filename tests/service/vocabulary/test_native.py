from service.vocabulary.native import LimitWindow, fullest


def test_the_fullest_window_counts():
    assert fullest([LimitWindow("primary", 10.0), LimitWindow("secondary", 70.5)]) == 70.5
    assert fullest([]) == 0
