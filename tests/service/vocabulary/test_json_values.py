import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.vocabulary.json_values import SLICE_BYTES, counted
from tests.chance import examples
from tests.growth import MOST, growth
from tests.rows import each_row


def number_of(text: bytes, slice_bytes: int = SLICE_BYTES) -> int:
    count = 0
    for count in counted(text, slice_bytes):  # noqa: B007 - the last one
        pass
    return count


def values_in(value: Any) -> int:
    """Count the values of a decoded text, an empty list or object as two."""
    if isinstance(value, dict | list):
        inner = list(value.values()) if isinstance(value, dict) else value
        return 1 + sum(map(values_in, inner)) if inner else 2
    return 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@examples(100)
@given(JSON, st.integers(1, 40), st.booleans())
def test_values_are_counted_wherever_the_text_is_cut(value: Any, size: int, ascii_: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    assert number_of(text, size) == values_in(value)


@each_row(
    ("text", "count"),
    [
        (b"", 0),
        (b"1", 1),
        (b'{"a": [1, "x, y"]}', 4),
        (rb'["\",", "\\", "\\\"[{,"]', 4),
        (b'"' * 4000, 1000),
    ],
)
def test_structure_within_strings_does_not_count(text: bytes, count: int) -> None:
    assert number_of(text) == count


@each_row("fragment", [b"[],", b'"', b'"",', b'\\"', b"\\", b'"\\', b"{", b" "])
def test_the_time_to_count_grows_with_the_text(fragment: bytes) -> None:
    assert growth(lambda size: number_of(fragment * size), 200_000) < MOST


def test_a_count_can_be_given_up_early() -> None:
    steps = counted(b"[" * 10_000_000)
    assert next(steps) > 60_000
    assert next(steps) > 120_000
