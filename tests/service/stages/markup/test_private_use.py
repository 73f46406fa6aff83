import pytest

from service.stages.markup.private_use import MAX_MARKER_CHARS, StripMarkers, without_markers

CASES = [
    ("plain 【1†s】", "plain 【1†s】"),
    ("a\ue200cite\ue202turn0\ue201b", "ab"),
    ("a\ue203b\ue204c\ue206", "abc"),
    ("a\ue200x\ue200y\ue201b", "ab"),
    ("a\ue201b", "ab"),
    ("a\ue200never ends", "a"),
]


@pytest.mark.parametrize(("text", "shown"), CASES)
def test_markers_go_however_the_text_is_cut(text: str, shown: str) -> None:
    assert without_markers(text) == shown
    strip = StripMarkers()
    assert "".join(strip.feed(char) for char in text) == shown


def test_a_marker_that_never_ends_is_let_go_after_a_while() -> None:
    text = "x" * MAX_MARKER_CHARS
    assert without_markers("\ue200" + text) == text
