"""Markers, cut everywhere (protocol 5, spec 7.2)."""

import itertools
from collections.abc import Iterable

from service.stages.markup.markers import MAX_QUEUED_CHARS, Markers, plain_chars
from service.stages.markup.private_use import MAX_MARKER_CHARS
from service.stages.markup.references import Reference, ReferencesKnown
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    AssetWanted,
    CitationResolved,
    Cited,
    Delta,
    LinkForm,
    ReasoningText,
    Source,
    ToolCallText,
    TurnFacts,
)
from tests.rows import each_row

END = ToolCallText("t", "", "")  # any next visible piece
PAGE = Source("https://e.org/", "E")
CITE = "\ue200cite\ue202turn0search1\ue201"


def numbered(index: int, start: int = 0, url: str = PAGE.url) -> Reference:
    return Reference("", index, None, start, "", (Source(url, "E"),), is_complete=True)


def marked(text: str = "[E](https://e.org/)", *, is_complete: bool = True) -> Reference:
    return Reference(CITE, None, None, 0, text, (PAGE,), is_complete=is_complete)


def fed(deltas: Iterable[Delta | ReferencesKnown]) -> list[Delta]:
    markers = Markers()
    start = (AnswerStarted("m"), *deltas)
    return [piece for delta in start for piece in markers.feed(delta)]


def shown(deltas: Iterable[Delta | ReferencesKnown]) -> str:
    """Return the text with files as `{path}`; ends the message first."""
    out = ""
    for piece in fed((*deltas, END)):
        match piece:
            case AnswerText(text) | Cited(_, text):
                out += text
            case AssetWanted(form=form, pointer=path):
                out += f"{{{form}:{path}}}"
            case _:
                pass
    return out


KNOWN = ReferencesKnown("m", (numbered(11), marked()))


@each_row(
    ("text", "expected"),
    [
        ("a【11†source】b", "a[[11](https://e.org/)]b"),
        ("a【11†来源】b【11†(PrintWiki)】", "a[[11](https://e.org/)]b[[11](https://e.org/)]"),
        ("a【12†source】b", "ab"),
        ("【注意】 and 【1】 and 【 ", "【注意】 and 【1】 and 【 "),
        ("【11†no\nline】", "【11†no\nline】"),
        (f"a {CITE} b", "a [E](https://e.org/) b"),
        ("a \ue200filecite\ue202x\ue201b", "a b"),
        ("a\ue203b\ue204c\ue206d\ue201e", "abcde"),
        ("a \ue200cite\ue202turn0", "a "),
        ("a\ue200cite\ue200x\ue201b", "ab"),
        ("a【11†sour", "a"),
        ("a【1", "a"),
        ("[x](sandbox:/mnt/a b.csv)!", "[x{target:/mnt/a b.csv}!"),
        ("[x](sandbox:/mnt/a (1).csv)", "[x{target:/mnt/a (1).csv}"),
        ("[x](sandbox:/mnt/a", "[x](sandbox:/mnt/a"),
        ("[x](sandbox:/mnt\n)", "[x](sandbox:/mnt\n)"),
        ("[x](https://e.org)", "[x](https://e.org)"),
        ("see sandbox:/mnt/a.csv. Or", "see {bare:/mnt/a.csv}. Or"),
        ("sandbox:/mnt/a.csv", "{bare:/mnt/a.csv}"),
        ("在sandbox:/mnt/图.png，好", "在{bare:/mnt/图.png}，好"),
        ("sandbox:/ and sandbox: and sand", "sandbox:/ and sandbox: and sand"),
        ("ends in s", "ends in s"),
        ("ends in ]", "ends in ]"),
        ("ends in ](sandbo", "ends in ](sandbo"),
        ("](sandbox:/](sandbox:/", "](sandbox:/](sandbox:/"),
        ("[a](sandbox:/b [c](sandbox:/d) e)", "[a{target:/b [c](sandbox:/d) e}"),
        ("a 【1†b【11†s】c", "a 【1†b[[11](https://e.org/)]c"),
        ("x :contentReference[oaicite:0]{index=0} y", "x  y"),
        ("x :contentReference[oaicite:0] y", "x  y"),
        ("a: b:: c::: d", "a: b:: c::: d"),
        (":::writing{id=1}\nDear\n:::\nx", "Dear\nx"),
        (":::writing{id=1}\nDear\n:::", "Dear\n"),
        ("a\n::: note\nb\n:::\n", "a\n::: note\nb\n:::\n"),
        (":", ":"),
        ("\n::", "\n::"),
        ('by \ue200entity\ue202["p","Ada"]\ue201.', "by Ada."),
        ("\ue200url\ue202a\ue202https://e.org/\ue201", "[a](https://e.org/)"),
        ("a:::contentReference[oaicite:0]{index=0}", "a::"),
    ],
)
def test_markers_become_what_the_table_says_however_the_text_is_cut(
    text: str, expected: str
) -> None:
    assert shown([KNOWN, AnswerText(text)]) == expected
    assert shown([KNOWN, *(AnswerText(char) for char in text)]) == expected
    for cut in range(1, len(text)):
        assert shown([KNOWN, AnswerText(text[:cut]), AnswerText(text[cut:])]) == expected


def test_only_what_may_be_a_marker_is_held_back() -> None:
    pieces = fed([AnswerText("plain words, 【not"), AnswerText(" one】")])
    assert pieces == [
        AnswerStarted("m"),
        AnswerText("plain words, 【not"),
        AnswerText(" one】"),
    ]


def test_a_marker_waits_for_its_reference_and_the_text_behind_it_waits_too() -> None:
    before = fed([AnswerText(f"a{CITE}"), AnswerText(" b")])
    assert before == [AnswerStarted("m"), AnswerText("a")]
    after = fed([AnswerText(f"a{CITE}"), AnswerText(" b"), KNOWN])
    assert after[2:] == [Cited(1, "[E](https://e.org/)", (PAGE,)), AnswerText(" b")]


def test_an_incomplete_reference_is_waited_for_and_used_at_the_end_all_the_same() -> None:
    half = ReferencesKnown("m", (marked("half", is_complete=False),))
    assert fed([AnswerText(CITE), half]) == [AnswerStarted("m")]
    assert shown([AnswerText(CITE), half]) == "half"
    assert shown([AnswerText(CITE), half, KNOWN]) == "[E](https://e.org/)"


def test_a_marker_is_given_up_when_enough_text_has_queued_behind_it() -> None:
    almost = "x" * (MAX_QUEUED_CHARS - 1)
    assert fed([AnswerText(CITE + almost)]) == [AnswerStarted("m")]
    given_up = fed([AnswerText(CITE + almost), AnswerText("x"), KNOWN])
    assert given_up[1] == Cited(1, "", ())
    assert given_up[-1] == CitationResolved(1, (PAGE,))


def test_a_reference_that_comes_after_its_message_still_resolves_the_place() -> None:
    pieces = fed([AnswerText(f"a{CITE}b"), END, KNOWN, KNOWN])
    assert pieces[1:] == [
        AnswerText("a"),
        Cited(1, "", ()),
        AnswerText("b"),
        END,
        CitationResolved(1, (PAGE,)),
    ]


def test_pages_that_a_reference_gets_later_are_added_to_its_place() -> None:
    page = Source("https://e.org/2", "E2")
    grown = Reference(CITE, None, None, 0, "x", (PAGE, page), is_complete=True)
    later = ReferencesKnown("m", (grown,))
    pieces = fed([KNOWN, AnswerText(CITE), later, later])
    assert pieces[-1] == CitationResolved(1, (PAGE, page))
    assert sum(isinstance(piece, CitationResolved) for piece in pieces) == 1


def test_reasoning_passes_what_waits_and_a_visible_piece_does_not() -> None:
    assert fed([AnswerText(f"a{CITE}"), ReasoningText("r")])[-1] == ReasoningText("r")
    assert fed([AnswerText(f"a{CITE}"), END])[-2:] == [Cited(1, "", ()), END]


def test_of_several_references_the_nearest_one_is_taken() -> None:
    known = ReferencesKnown("m", (numbered(1, 40, "far"), numbered(1, 9, "near")))
    assert shown([known, AnswerText("12345678【1†source】")]) == "12345678[[1](near)]"


def test_file_citations_match_by_their_pair() -> None:
    file = Reference("", None, (3, 1), 0, "", (Source("", "b.pdf"),), is_complete=True)
    other = Reference("", None, (3, 0), 0, "", (Source("", "a.pdf"),), is_complete=True)
    assert shown([ReferencesKnown("m", (other, file)), AnswerText("x【3:1†f】")]) == "x[b.pdf]"


def test_references_of_another_message_do_not_match() -> None:
    other = ReferencesKnown("another", (marked(),))
    assert shown([other, AnswerText(f"a{CITE}b")]) == "ab"


def test_a_marker_that_never_ends_is_let_go() -> None:
    text = "x" * MAX_MARKER_CHARS
    assert shown([AnswerText("\ue200" + text)]) == text


def test_a_file_is_asked_for_with_its_message_and_conversation() -> None:
    facts = TurnFacts(conversation_id="c")
    (wanted,) = [
        p for p in fed([facts, AnswerText("[x](sandbox:/a)")]) if isinstance(p, AssetWanted)
    ]
    assert (wanted.conversation_id, wanted.message_id, wanted.pointer, wanted.form) == (
        "c",
        "m",
        "/a",
        LinkForm.TARGET,
    )


def test_every_pair_of_cuts_gives_the_same_text() -> None:
    text = f"a【11†s】b{CITE}[x](sandbox:/m) sandbox:/n."
    whole = shown([KNOWN, AnswerText(text)])
    for one, two in itertools.combinations(range(1, len(text)), 2):
        pieces = (AnswerText(text[:one]), AnswerText(text[one:two]), AnswerText(text[two:]))
        assert shown([KNOWN, *pieces]) == whole


PIECES = [
    "word ",
    "s",
    "sa",
    "sand",
    "sandbox",
    "sandbox:",
    "]",
    "](",
    "](s",
    "](sandbox:/x",
    "(",
    ":",
]
PIECES += ["sandbox:/", "x", "茶", "【1†a】", "\ue200", "\ue206", "a]b", "\n", ""]


@each_row("last", PIECES)
@each_row("first", PIECES)
def test_plain_text_is_what_goes_out_at_once_and_unchanged(first: str, last: str) -> None:
    text = first + last
    markers = Markers()
    out = [delta for delta in markers.feed(AnswerText(text)) if isinstance(delta, AnswerText)]
    said = "".join(delta.text for delta in out)
    size = plain_chars(text)
    if size >= 0:  # otherwise the stage decides
        assert (said, markers.held) == (text[:size], text[size:])
        assert markers.is_idle


LINKS = [
    "[a](sandbox:/" + "x" * 2000 + ") b",
    "sandbox:/" + "x" * 1000 + "." * 50 + "y" * 500 + " b",
    "sandbox:/" + "." * 2000 + " b",
    "[a](sandbox:/" + "(" * 600 + ")" * 601 + " sandbox:/c",
    ":::writing{" + "x" * 3000 + "}\nb",
    "【11†" + "x" * 400 + "】b",
    "\ue200cite\ue202" + "x" * 3000 + "\ue201b",
]


@each_row("text", LINKS)
def test_what_is_too_long_for_a_marker_is_so_however_the_text_is_cut(text: str) -> None:
    whole = shown([AnswerText(text)])
    for size in (1, 7, 1030):
        pieces = [AnswerText(text[at : at + size]) for at in range(0, len(text), size)]
        assert shown(pieces) == whole


def test_words_stand_where_citations_are_not_shown_and_blocks_lose_their_markers() -> None:
    ada = '\ue200entity\ue202["p","Ada"]\ue201'
    block = AnswerBlock("b", "python", f"x{CITE}", f"T{ada}", is_document=True)
    pieces = fed([AnswerText(f"{ada}{CITE}"), KNOWN, block])
    assert pieces[1:] == [
        Cited(1, "Ada", (), "Ada"),
        Cited(2, "[E](https://e.org/)", (PAGE,)),
        AnswerBlock("b", "python", "x", "T", is_document=True),
    ]
