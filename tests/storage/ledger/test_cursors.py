"""Places in the log, as callers send them back."""

import pytest

from storage.ledger.cursors import Place, place_in, text_of


def test_a_place_comes_back_as_it_was_given_out() -> None:
    assert place_in(text_of(Place(1_796_040_000_000, 42))) == Place(1_796_040_000_000, 42)


@pytest.mark.parametrize("text", ["", "1", "1-", "-1-2", "1-2-3", "１-2", "1" * 400, "1-2 OR 1=1"])
def test_anything_else_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="is no place"):
        place_in(text)
