"""Markup of the website's page (spec 7.2), whole and in pieces."""

from service.stages.markup.directives import Directives, Found, is_incomplete
from tests.rows import each_row

CITED = ":contentReference[oaicite:0]"


def at_citation(text: str, *, is_end: bool = False) -> Found:
    return Directives().at_citation(text, 0, is_end=is_end)


@each_row(
    ("text", "found"),
    [
        (CITED + "{index=0} x", (37, False)),
        (CITED + " x", (28, False)),
        (CITED + "{index=0\n}", (28, False)),
        (CITED, None),
        (CITED + "{ind", None),
        (CITED[:-1], None),
        (":contentReference[oaicite:0 x\n]", (1, True)),
        (":contentReference[oaicite:" + "0" * 300, (1, True)),
        (CITED + "{" + "i" * 300, (28, False)),
    ],
)
def test_a_citation_is_markup_as_far_as_it_is_whole(text: str, found: Found) -> None:
    assert at_citation(text) == found


@each_row("text", [CITED, CITED + "{ind", CITED[:-1]])
def test_at_the_end_of_a_message_what_has_begun_is_markup(text: str) -> None:
    assert at_citation(text, is_end=True) == (len(text), False)


OPENING = ':::writing{variant="email"}\n'


@each_row(
    ("text", "found"),
    [
        (OPENING + "Dear", (28, False)),
        (":::writing\nDear", (11, False)),
        (":::writing{a} Dear\n", (13, False)),
        (":::writing Dear\n", (1, True)),
        (":::writings\n", (1, True)),
        (":::note\n", (1, True)),
        (":::\n", (1, True)),
        (":::", None),
        (":::writ", None),
        (OPENING[:-1], None),
        (":::writing{" + "x" * 3000, (1, True)),
    ],
)
def test_a_block_begins_with_a_line_of_its_own(text: str, found: Found) -> None:
    assert Directives().at_fence(text, 0, is_end=False) == found


@each_row(
    ("text", "found"),
    [
        (":::\nx", (4, False)),
        ("::: \t\r\n", (7, False)),
        ("::: x\n", (1, True)),
        (":::", None),
        ("::: ", None),
        (":::" + " " * 100 + "\n", (1, True)),
    ],
)
def test_a_block_ends_with_three_colons_on_a_line(text: str, found: Found) -> None:
    directives = Directives()
    directives.at_fence(OPENING, 0, is_end=False)
    assert directives.at_fence(text, 0, is_end=False) == found


def test_a_block_that_has_ended_ends_once_and_at_the_end_of_a_message_without_a_line() -> None:
    directives = Directives()
    directives.at_fence(OPENING, 0, is_end=False)
    assert directives.at_fence(":::", 0, is_end=True) == (3, False)
    assert directives.at_fence(":::\n", 0, is_end=False) == (1, True)


def test_the_beginning_of_a_citation_is_told_from_a_colon() -> None:
    assert is_incomplete(":contentRef")
    assert not any(map(is_incomplete, (":", ":content", ":contentRex")))
