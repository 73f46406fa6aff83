from service.stages.markup.private_use import (
    MAX_JSON_MARKER_CHARS,
    MAX_MARKER_CHARS,
    StripMarkers,
    marker_end,
    without_markers,
)
from tests.rows import each_row

CASES = [
    ("plain 【1†s】", "plain 【1†s】"),
    ("a\ue200cite\ue202turn0\ue201b", "ab"),
    ("a\ue203b\ue204c\ue206", "abc"),
    ("a\ue200x\ue200y\ue201b", "ab"),
    ("a\ue201b", "ab"),
    ("a\ue200never ends", "a"),
]


@each_row(("text", "shown"), CASES)
def test_markers_go_however_the_text_is_cut(text: str, shown: str) -> None:
    assert without_markers(text) == shown
    strip = StripMarkers()
    assert "".join(strip.feed(char) for char in text) == shown


def test_a_marker_that_never_ends_is_let_go_after_a_while() -> None:
    text = "x" * MAX_MARKER_CHARS
    assert without_markers("\ue200" + text) == text


LONG = "x" * (MAX_MARKER_CHARS + 10)


@each_row(
    ("text", "shown"),
    [
        (f"a\ue200cite\ue202{LONG}\ue201b", f"acite{LONG}b"),
        (f'a\ue200genui\ue202{{"a":"{LONG}"}}\ue201b', "ab"),
        (
            "\ue200genui\ue202{" + "x" * MAX_JSON_MARKER_CHARS,
            "genui{" + "x" * MAX_JSON_MARKER_CHARS,
        ),
    ],
)
def test_a_marker_with_json_may_be_longer_than_others_however_the_text_is_cut(
    text: str, shown: str
) -> None:
    assert without_markers(text) == shown
    strip = StripMarkers()
    assert "".join(strip.feed(text[at : at + 7]) for at in range(0, len(text), 7)) == shown


@each_row(
    ("text", "end"),
    [
        ("\ue200a\ue201b", (3, True)),
        ("\ue200a\ue200b", (2, False)),
        ("\ue200a", None),
        ("\ue200" + LONG, (1, False)),
    ],
)
def test_a_marker_ends_where_its_kind_says(text: str, end: tuple[int, bool] | None) -> None:
    assert marker_end(text, 0) == end
    assert marker_end("x" + text, 1) == (end and (end[0] + 1, end[1]))
