import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from service.pipeline.usage import count, encoding
from service.stages.render.limit import MAX_WORD_CHARS, Limit, _settled_end
from service.vocabulary.events import (
    CitationResolved,
    FunctionArguments,
    FunctionCallStarted,
    Outcome,
    ReasoningText,
    Source,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.rendered import ContentCited, ContentText, Rendered
from tests.chance import examples
from tests.rows import each_row

COMPLETE = TurnEnded(Outcome.COMPLETE, "stop")
LENGTH = TurnEnded(Outcome.LENGTH, "length")
STOPPED = TurnEnded(Outcome.COMPLETE, "stop", stop_sequence="END")
CITED = ContentCited(1, "[[1](https://a.example)]", (Source("https://a.example", "A"),))


def limited(
    pieces: Iterable[Rendered | str], max_tokens: int | None = None, stop: tuple[str, ...] = ()
) -> list[Rendered]:
    limit = Limit(max_tokens, stop, encoding())
    whole = [ContentText(piece) if isinstance(piece, str) else piece for piece in pieces]
    return [out for piece in whole for out in limit.feed(piece)]


def text_of(pieces: Iterable[Rendered]) -> str:
    return "".join(p.text for p in pieces if isinstance(p, ContentText | ContentCited))


def test_the_first_stop_string_cuts_the_text_before_it() -> None:
    out = limited(["one two three", COMPLETE], stop=("three", "two"))
    assert out == [ContentText("one "), structs.replace(COMPLETE, stop_sequence="two")]


def test_a_stop_string_is_found_across_pieces() -> None:
    assert limited(["one E", "N", "D two", COMPLETE], stop=("END",)) == [
        ContentText("one "),
        STOPPED,
    ]


def test_only_a_possible_beginning_is_held_back() -> None:
    limit = Limit(None, ("\n\nUser:",), None)
    assert list(limit.feed(ContentText("a\n\nUs"))) == [ContentText("a")]
    assert list(limit.feed(ContentText("x"))) == [ContentText("\n\nUs"), ContentText("x")]


def test_what_was_held_back_goes_out_at_the_end() -> None:
    assert text_of(limited(["one EN", COMPLETE], stop=("END",))) == "one EN"


def test_the_shortest_stop_string_wins_where_two_overlap() -> None:
    assert text_of(limited(["a", "b", "c", "d", COMPLETE], stop=("abcde", "bc"))) == "a"


def test_nothing_follows_a_cut() -> None:
    out = limited(["a STOP", "b", ReasoningText("r"), COMPLETE], stop=("STOP",))
    assert out == [ContentText("a "), structs.replace(COMPLETE, stop_sequence="STOP")]


def test_a_failure_comes_through_after_what_was_held_back() -> None:
    failed = TurnEnded(Outcome.CUT, None)
    assert limited(["a ST", failed], stop=("STOP",)) == [
        ContentText("a "),
        ContentText("ST"),
        failed,
    ]


def test_other_pieces_do_not_wait() -> None:
    out = limited(["a ST", ReasoningText("r"), TurnFacts("c")], stop=("STOP",))
    assert out == [ContentText("a "), ReasoningText("r"), TurnFacts("c")]


def test_a_citation_stays_whole_and_its_late_source_follows_it() -> None:
    late = CitationResolved(1, (Source("https://b.example", "B"),))
    out = limited(["ST", CITED, late, "x", COMPLETE], stop=("ST[[1](https://a.example)]!",))
    assert out == [ContentText("ST"), CITED, late, ContentText("x"), COMPLETE]


def test_a_call_follows_the_text_before_it_and_is_gone_with_it() -> None:
    call: list[Rendered] = [FunctionCallStarted(0, "call_a", "add"), FunctionArguments(0, "{}")]
    assert limited(["one EN", *call, COMPLETE], stop=("END",)) == [
        ContentText("one "),
        ContentText("EN"),
        *call,
        COMPLETE,
    ]
    assert limited(["one EN", *call, "D", COMPLETE], stop=("END",))[-1] == STOPPED
    assert limited([*call, COMPLETE], stop=("END",)) == [*call, COMPLETE]


def test_a_stop_string_inside_a_citation_cuts_it() -> None:
    out = limited(["a ", CITED, "b", COMPLETE], stop=("https",))
    assert out == [
        ContentText("a "),
        ContentText("[[1]("),
        structs.replace(COMPLETE, stop_sequence="https"),
    ]


@each_row("max_tokens", [1, 2, 3, 7, 19])
def test_a_text_is_cut_after_exactly_that_many_tokens(max_tokens: int) -> None:
    text = "The quick brown fox, unbelievably, jumps over the lazy dog's antidisestablishment. " * 2
    out = limited([text, COMPLETE], max_tokens)
    assert count(text_of(out)) == max_tokens
    assert text.startswith(text_of(out))
    assert out[-1] == LENGTH


def test_a_text_of_exactly_that_many_tokens_is_complete() -> None:
    text = "hello world again"
    out = limited([text, COMPLETE], count(text))
    assert text_of(out) == text
    assert out[-1] == COMPLETE


def test_citations_count_as_text() -> None:
    out = limited([CITED, "x", COMPLETE], count(CITED.text))
    assert out == [CITED, LENGTH]


def test_text_far_from_the_limit_goes_out_at_once() -> None:
    limit = Limit(100, (), encoding())
    assert list(limit.feed(ContentText("unbeliev"))) == [ContentText("unbeliev")]


def test_a_stop_string_before_the_token_limit_is_a_stop() -> None:
    assert limited(["one two END three", COMPLETE], 3, ("END",))[-1] == STOPPED


def test_the_token_limit_before_a_stop_string_is_a_length() -> None:
    out = limited(["one two three four END", COMPLETE], 2, ("END",))
    assert (text_of(out), out[-1]) == ("one two", LENGTH)


@each_row("text", ["a" * 50_000, "=" * 50_000, "你好" * 20_000, "1" * 50_000])
def test_a_run_without_a_break_is_cut_long_before_its_end(text: str) -> None:
    limit = Limit(100, (), encoding())
    pieces = (ContentText(text[at : at + 50]) for at in range(0, len(text), 50))
    out: list[Rendered] = []
    fed = 0
    for piece in pieces:
        fed += len(piece.text)
        out += limit.feed(piece)
        if out and out[-1] == LENGTH:
            break
    assert out[-1] == LENGTH
    assert fed <= 100 * 64 + MAX_WORD_CHARS  # one token is 64 of the equals signs
    assert count(text_of(out)) == 100


def test_a_megabyte_under_a_high_limit_passes() -> None:
    text = "hello world " * 100_000
    assert len(text_of(limited([text, COMPLETE], 1_000_000))) == len(text)


PARTS = (
    """un|able| |  |\n|\n\n|'s|'|don't|,|，|你好|é|e\u0301|123|4|²|=|{|}|(|)|😀|\ud800|abc.|://|/"""
)
WORDS = st.lists(st.sampled_from(PARTS.split("|")), max_size=40).map("".join)


@examples(300)
@given(WORDS, WORDS)
def test_no_later_text_changes_tokens_before_a_break(text: str, more: str) -> None:
    end = _settled_end(text, 0, is_final=False)
    whole = text + more
    assert count(whole) == count(whole[:end]) + count(whole[end:])


@examples(300)
@given(WORDS, st.integers(1, 12), st.integers())
def test_the_cuts_between_pieces_do_not_matter(text: str, max_tokens: int, seed: int) -> None:
    chance = random.Random(seed)
    pieces, at = [], 0
    while at < len(text):
        size = chance.randint(1, 6)
        pieces.append(text[at : at + size])
        at += size
    stop = ("able(", "， ", "=}")
    whole = limited([text, COMPLETE], max_tokens, stop)
    cut = limited([*pieces, COMPLETE], max_tokens, stop)
    assert (text_of(cut), cut[-1]) == (text_of(whole), whole[-1])
    assert text.startswith(text_of(whole))
    assert count(text_of(whole)) <= max_tokens + 1  # half a character at the end is dropped
