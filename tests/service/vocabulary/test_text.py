from service.vocabulary.text import (
    Pieces,
    common_chars,
    ends_in_half,
    has_private_use,
    join_surrogates,
    lengthened,
    truncate_utf16,
    well_formed,
    without_private_use,
)
from tests.rows import each_row


@each_row(
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


def test_a_lone_half_is_replaced_and_a_pair_joined() -> None:
    assert well_formed("a\ud83d\ude00b\ud83d") == "a😀b�"


def test_a_high_half_at_the_end_is_seen_and_nothing_else() -> None:
    assert ends_in_half("a\ud83d")
    assert not any(ends_in_half(text) for text in ("", "a", "😀", "\ude00", "\ud83dx"))


@each_row(
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


def test_pieces_are_what_was_added() -> None:
    pieces, words = Pieces(), [f"{number} " for number in range(2_500)]
    for word in words:
        pieces.add(word)
    assert pieces.joined() == "".join(words)
    assert pieces.joined() == "".join(words)
    assert Pieces().joined() == ""


@each_row("read_words", [1, 7, 999, 1_000, 1_001, 2_500])
def test_pieces_hold_the_string_of_each_read_and_no_copy(read_words: int) -> None:
    pieces, shared = Pieces(), []
    pieces.add("before ")
    for _ in range(3):
        words = [f"{number} " for number in range(read_words)]
        for word in words:
            pieces.add(word)
        shared.append("".join(words))
        pieces.share(shared[-1])
    assert pieces.joined() == "before " + "".join(shared)
    held = [id(block) for block in pieces._blocks]
    assert all(id(one) in held for one in shared)


def test_pieces_share_nothing_but_their_end() -> None:
    pieces = Pieces()
    pieces.add("one ")
    pieces.share("two ")
    pieces.add("two ")
    pieces.share("three two ")
    assert pieces.joined() == "one two "


@each_row("text", ["", "a", "茶\ud83d", "\ud83d\ude00", "a\ud83d"])
@each_row("more", ["", "b", "\ude00b", "\ud83d\ude00", "\ud83d"])
def test_a_longer_text_is_as_if_it_had_come_at_once(text: str, more: str) -> None:
    assert lengthened(join_surrogates(text), more) == join_surrogates(text + more)


@each_row(
    ("one", "other", "chars"),
    [("", "", 0), ("abc", "abd", 2), ("abc", "abc", 3), ("abc", "ab", 2), ("x", "abc", 0)],
)
def test_the_common_beginning_is_as_long_as_it_is(one: str, other: str, chars: int) -> None:
    assert common_chars(one, other) == common_chars(other, one) == chars


def test_only_the_marks_of_the_website_are_private_use() -> None:
    text = "a\ue1ff\ue200b\ue206\ue207茶"
    assert has_private_use(text)
    assert without_private_use(text) == ("a\ue1ffb\ue207茶", 2)
    assert not any(map(has_private_use, ("plain", "茶", "\ue207", "")))
