"""The marks of one block; whole texts are in `test_call_text.py`."""

from service.stages.function_calls.call_block import Block, CallBlock, Opening, PlainText
from service.stages.function_calls.call_shapes import WrittenCall
from tests.rows import each_row

TAGGED = Opening(0, is_tagged=True, has_fence=False)
FENCED = Opening(0, is_tagged=False, has_fence=True)
CALL = '{"name":"add","arguments":{}}'


def read(
    text: str, opening: Opening = TAGGED, *, is_final: bool = True
) -> tuple[int, PlainText | CallBlock]:
    block = Block("", opening, frozenset({"add"}))
    end = block.feed(text, 0, is_final=is_final)
    assert block.is_over
    return end, block.result()


def test_a_block_ends_with_its_end_tag() -> None:
    text = f" {CALL} </tool_call>"
    end, result = read(f"{text} more", is_final=False)
    assert (end, result) == (len(text), CallBlock(text, (WrittenCall("add", "{}"),)))


def test_a_block_without_end_tag_ends_where_other_text_begins() -> None:
    end, _ = read(f"{CALL} more")
    assert end == len(CALL)


def test_a_fence_ends_with_its_closing_line() -> None:
    text = f"{CALL}\n```"
    assert read(f"{text}\nmore", FENCED, is_final=False)[0] == len(text)


@each_row("mark", ["<", "</tool_", "`", " ", ""])
def test_a_block_waits_while_a_mark_may_grow(mark: str) -> None:
    block = Block("", TAGGED, frozenset())
    assert block.feed(CALL + mark, 0, is_final=False) == len(CALL)
    assert not block.is_over


def test_a_tag_with_nothing_behind_it_was_only_mentioned() -> None:
    assert read(" is a tag")[1] == PlainText("")
