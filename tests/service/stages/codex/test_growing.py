"""Text in pieces and then whole; transcripts of whole turns are in `test_codex.py` above the room."""

from service.stages.codex.growing import GrowingText
from tests.rows import each_row


@each_row(
    ("pieces", "whole", "rest", "is_rewritten"),
    [
        (["Hel", "lo"], "Hello", "", False),
        (["Hel"], "Hello", "lo", False),
        ([], "Hello", "Hello", False),
        (["Hello"], "Hel", "", False),
        (["Help"], "Hello", "lo", True),
        (["Hello"], None, "", False),
    ],
)
def test_the_whole_text_gives_what_the_pieces_lacked(pieces, whole, rest, is_rewritten):
    text = GrowingText()
    assert "".join(map(text.append, pieces)) == "".join(pieces)
    assert text.complete(whole) == rest
    assert text.is_rewritten is is_rewritten
    assert text.chars == len("".join(pieces)) + len(rest)


def test_what_an_event_of_its_own_told_is_the_whole_text_where_nothing_else_is():
    text = GrowingText()
    text.append("Hel")
    text.whole = "Hello"
    assert text.complete() == "lo"


def test_half_a_character_waits_for_its_other_half_and_is_not_lost_without_one():
    text = GrowingText()
    assert [text.append(piece) for piece in ("a\ud83d", "\ude00b", "\ud83d")] == ["a", "😀b", ""]
    assert text.complete() == "\ud83d"
    other = GrowingText()
    other.append("a\ud83d")
    assert other.complete("a😀") == "😀"
