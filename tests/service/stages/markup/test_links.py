"""The ends of sandbox links (protocol 5.5)."""

from service.stages.markup.links import BARE, MAX_PATH_CHARS, TARGET, LinkEnds, without_sentence_end
from tests.rows import each_row

START = len(TARGET)


def ends(text: str) -> LinkEnds:
    links = LinkEnds()
    links.look_at(text)
    return links


@each_row(
    ("text", "end"),
    [
        ("](sandbox:/a)", 12),
        ("](sandbox:/a (1).csv) b", 20),
        ("](sandbox:/a ](sandbox:/b) c) d", 28),
        ("](sandbox:/a", None),
        ("](sandbox:/a (b", None),
        ("](sandbox:/a\n)", 0),
        ("](sandbox:/" + "a" * MAX_PATH_CHARS + ")", 0),
        ("](sandbox:/" + "a" * MAX_PATH_CHARS, 0),
        ("](sandbox:/" + "a" * (MAX_PATH_CHARS - 3) + ")", START + MAX_PATH_CHARS - 2),
    ],
)
def test_a_target_ends_with_the_parenthesis_that_closes_it(text: str, end: int | None) -> None:
    assert ends(text).of_target(0) == end
    assert ends("x" + text).of_target(1) == (end + 1 if end else end)


@each_row(
    ("text", "end"),
    [
        ("sandbox:/a b", 10),
        ("sandbox:/茶。", 10),
        ("sandbox:/a", None),
        ("sandbox:/" + "a" * MAX_PATH_CHARS, 0),
        ("sandbox:/" + "a" * (MAX_PATH_CHARS - 2) + " ", len(BARE) + MAX_PATH_CHARS - 1),
    ],
)
def test_a_bare_link_ends_with_what_is_no_part_of_a_path(text: str, end: int | None) -> None:
    assert ends(text).of_path(0) == end


def test_links_are_found_the_same_where_the_text_grows_and_is_dropped() -> None:
    text = "](sandbox:/a) ](sandbox:/b (c) d) sandbox:/e ](sandbox:/f"
    starts = [at for at in range(len(text)) if text.startswith(TARGET, at)]
    whole = ends(text)
    expected = [whole.of_target(at) for at in starts]
    assert expected == [12, 32, None]
    growing, dropped = LinkEnds(), 0
    found: list[int | None] = []
    for start in starts:
        for size in range(start + START + 1, len(text) + 1):
            growing.look_at(text[dropped:size])
            end = growing.of_target(start - dropped)
            if end is not None:
                break
        found.append(end if end is None else end + dropped)
        count = len(text) if end is None else end + 1
        growing.drop(count)
        dropped += count
    assert found == expected


def test_a_full_stop_belongs_to_the_sentence() -> None:
    assert without_sentence_end("sandbox:/a.csv.,!") == "sandbox:/a.csv"
