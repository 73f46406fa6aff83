import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from service.answers.messages import (
    BlockEvent,
    BlockGrows,
    BlockStart,
    BlockStop,
    FoundPage,
    TextDelta,
)
from service.stages.encode.message_blocks import (
    MAX_FOUND_PAGES,
    GatheredBlocks,
    MessageBlocks,
    Thinking,
)
from service.vocabulary.events import FunctionArguments, FunctionCallStarted, ReasoningText
from service.vocabulary.native import FunctionCallEnded
from service.vocabulary.rendered import ContentText, Rendered
from service.vocabulary.wire import to_json
from tests.chance import examples

PIECES = st.one_of(
    st.text("ab \n", max_size=3).map(ContentText),
    st.text("ab", max_size=3).map(ReasoningText),
    st.just("call"),
    st.just("rest"),
)


@examples(100)
@given(st.lists(PIECES), st.booleans(), st.booleans())
def test_12_blocks_are_numbered_and_one_is_open_at_a_time(
    pieces: list[Rendered | str], is_shown: bool, has_words: bool
) -> None:
    """A8 12, for pieces in any order; no text is lost except white space by itself."""
    blocks = MessageBlocks("msg_0123456789abcdef", Thinking(is_shown, has_words))
    events = [*fed(blocks, pieces), *blocks.finish()]
    opened: list[int] = []
    is_open = False
    for event in events:
        assert isinstance(event, BlockStart) is not is_open
        if isinstance(event, BlockStart):
            opened.append(event.index)
        assert event.index == opened[-1]
        is_open = not isinstance(event, BlockStop)
    assert not is_open
    assert opened == list(range(len(opened)))
    said = "".join(piece.text for piece in pieces if isinstance(piece, ContentText))
    grown = [event.delta for event in events if isinstance(event, BlockGrows)]
    sent = "".join(delta.text for delta in grown if isinstance(delta, TextDelta))
    assert "".join(sent.split()) == "".join(said.split())
    assert blocks.has_said is bool("".join(said.split()) or "call" in pieces)


def fed(blocks: MessageBlocks, pieces: list[Rendered | str]) -> Iterator[BlockEvent]:
    """Yield the events of these pieces, of calls, and of keep-alives."""
    for at, piece in enumerate(pieces):
        if piece == "rest":
            yield from blocks.rest()
        elif piece == "call":
            yield from blocks.feed(FunctionCallStarted(at, f"call_{at}", "add"))
            yield from blocks.feed(FunctionArguments(at, "{}"))
            yield from blocks.feed(FunctionCallEnded(at))
        elif not isinstance(piece, str):
            yield from blocks.feed(piece)


def test_a_search_fits_a_line() -> None:
    blocks = MessageBlocks("msg_0123456789abcdef", Thinking())
    pages = [FoundPage(f"https://example.org/{at}/{'x' * 80}", "A title") for at in range(500)]
    events = list(blocks.search("boats", pages))
    assert max(len(to_json(event)) for event in events) < 60_000
    assert to_json(events[-2]).count(b'"web_search_result"') == MAX_FOUND_PAGES


def test_12_calls_that_come_side_by_side_are_told_one_after_the_other() -> None:
    """A8 12: pieces beside an open call wait for its end, and none is lost."""
    blocks = MessageBlocks("msg_0123456789abcdef", Thinking(is_shown=True))
    whole = GatheredBlocks()
    pieces: list[Rendered] = [
        FunctionCallStarted(0, "call_0", "first"),
        FunctionArguments(0, '{"a":'),
        FunctionCallStarted(1, "call_1", "second"),
        FunctionArguments(1, '{"b": 1'),
        ContentText("Said between. "),
        FunctionArguments(0, " 0}"),
        FunctionArguments(1, "1}"),
        FunctionCallEnded(1),
        FunctionCallStarted(2, "call_2", "third"),
        FunctionCallEnded(0),
        ReasoningText("Hm."),
        FunctionArguments(2, "{}"),  # its end never comes
    ]
    for piece in pieces:
        for event in blocks.feed(piece):
            whole.feed(event)
    for event in blocks.finish():
        whole.feed(event)
    told = [json.loads(to_json(block)) for block in whole.blocks]
    assert [(each["type"], each.get("input")) for each in told] == [
        ("tool_use", {"a": 0}),
        ("tool_use", {"b": 11}),
        ("text", None),
        ("tool_use", {}),
        ("thinking", None),
    ]
