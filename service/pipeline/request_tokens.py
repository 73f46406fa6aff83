"""Counts the tokens of a request before it is sent: its parts and its functions.

Pictures and files are estimated, since only the upstream sees how much they cost.
"""

import json

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

PICTURE_TOKENS = 765  # what a picture of a screen costs, at 170 for each of four tiles and 85
FILE_TOKENS = 1_500  # of one page; how many there are is seen by the upstream only
_PICTURE = "data:image/"


def tokens_of_messages(messages: tuple[ChatMessage, ...]) -> int:
    """Return the tokens of messages and of the start of their answer; blocks for large ones."""
    parts = sum(tokens_of_part(part) for message in messages for part in message.parts)
    return parts + MESSAGE_TOKENS * len(messages) + REPLY_TOKENS


# One branch for each kind of part: a table.
def tokens_of_part(part: Part) -> int:  # noqa: PLR0911 - see above
    """Return the tokens of a part."""
    match part:
        case TextPart(text):
            return count(text)
        case FilePart():
            is_picture = part.data_url.startswith(_PICTURE) or part.url
            return PICTURE_TOKENS if is_picture else FILE_TOKENS
        case DrawnPart():
            return PICTURE_TOKENS
        case CallPart():
            return count(f"{part.name} {part.arguments}")
        case ResultPart():
            return sum(tokens_of_part(each) for each in part.content)
        case SealedPart():
            return sum(count(text) for text in part.summary)
        case ItemPart():
            return count(json.dumps(part.item, ensure_ascii=False))


def tokens_of_function(function: Function) -> int:
    """Return the tokens of a function's name, description and schema."""
    shown = json.dumps(function.parameters, ensure_ascii=False)
    return count(f"{function.name} {function.description} {shown}")
