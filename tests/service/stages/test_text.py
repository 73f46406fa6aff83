import pytest

from service.stages.text import ends_in_half, join_surrogates, truncate_utf16


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("plain", "plain"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83d\ude00b\ud83d", "a😀b\ud83d"),
        ("\ude00\ud83d", "\ude00\ud83d"),
    ],
)
def test_only_pairs_of_halves_are_joined(text: str, joined: str) -> None:
    assert join_surrogates(text) == joined


def test_a_high_half_at_the_end_is_seen_and_nothing_else() -> None:
    assert ends_in_half("a\ud83d")
    assert not any(ends_in_half(text) for text in ("", "a", "😀", "\ude00", "\ud83dx"))


@pytest.mark.parametrize(
    ("text", "units", "left"),
    [
        ("hello", 2, "he"),
        ("hello", 9, "hello"),
        ("a😀b", 3, "a😀"),
        ("a😀b", 2, "a\ud83d"),
        ("中文", 1, "中"),
        ("x", 0, ""),
    ],
)
def test_truncation_counts_utf16_code_units(text: str, units: int, left: str) -> None:
    assert truncate_utf16(text, units) == left
