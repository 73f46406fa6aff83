"""Sums in what was said."""

from tests.rows import each_row
from upstream.demo.ground.sums import computed


@each_row(
    ("text", "result"),
    [
        ("What is 12 + 30?", "12+30=42"),
        ("7 × 6", "7*6=42"),
        ("1/3=?", "1/3=0.3333333333"),
        ("1/0", "1/0=∞"),
        ("4-6", "4-6=-2"),
        ("it was 2024-05-01", ""),
        (f"{'9' * 30} * {'9' * 30}", ""),
    ],
)
def test_a_sum_is_worked_out(text: str, result: str) -> None:
    assert computed(text) == result
