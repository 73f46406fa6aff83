import pytest

from service.pipeline.request_tokens import (
    FILE_TOKENS,
    PICTURE_TOKENS,
    tokens_of_function,
    tokens_of_messages,
    tokens_of_part,
)
from service.pipeline.usage import MESSAGE_TOKENS, REPLY_TOKENS, count
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    DrawnPart,
    FilePart,
    Function,
    ItemPart,
    Part,
    ResultPart,
    SealedPart,
    TextPart,
)

PICTURE = FilePart("p", data_url="data:image/png;base64,AAAA")


@pytest.mark.parametrize(
    ("part", "text", "others"),
    [
        (TextPart("Hello there"), "Hello there", 0),
        (PICTURE, "", PICTURE_TOKENS),
        (FilePart("p", url="https://a.example/a.png"), "", PICTURE_TOKENS),
        (FilePart("p", data_url="data:application/pdf;base64,AAAA"), "", FILE_TOKENS),
        (FilePart("p", file_id="file-1"), "", FILE_TOKENS),
        (DrawnPart(PICTURE), "", PICTURE_TOKENS),
        (CallPart("call_1", "add", '{"a": 1}', "p"), 'add {"a": 1}', 0),
        (ResultPart("call_1", (TextPart("2"), PICTURE), "p"), "2", PICTURE_TOKENS),
        (SealedPart("sealed", ("I think",)), "I think", 0),
        (ItemPart({"type": "compaction"}), '{"type": "compaction"}', 0),
    ],
)
def test_each_kind_of_part_counts(part: Part, text: str, others: int) -> None:
    assert tokens_of_part(part) == count(text) + others > 0


def test_messages_count_their_parts_and_what_is_between_them() -> None:
    one = ChatMessage("user", (TextPart("Hello"), TextPart("there")))
    parts = count("Hello") + count("there")
    assert tokens_of_messages((one, one)) == 2 * (parts + MESSAGE_TOKENS) + REPLY_TOKENS


def test_a_function_counts_more_with_each_of_its_words() -> None:
    short = Function("add", "p", "", {"type": "object"})
    told = Function("add", "p", "Adds two numbers.", {"type": "object"})
    long = Function("add", "p", "Adds two numbers.", {"type": "object", "properties": {"a": {}}})
    counts = [tokens_of_function(each) for each in (short, told, long)]
    assert counts == sorted(set(counts))
