"""The records of answers always send what the SDK's own types require."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from msgspec import UNSET, Struct
from openai.types import Completion, FileDeleted, FileObject, Model, responses
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.image_edit_completed_event import ImageEditCompletedEvent
from openai.types.image_edit_partial_image_event import ImageEditPartialImageEvent
from openai.types.image_gen_completed_event import ImageGenCompletedEvent
from openai.types.image_gen_partial_image_event import ImageGenPartialImageEvent
from openai.types.images_response import ImagesResponse
from pydantic import BaseModel

from service.answers import chats, images, listed
from service.answers.response_events import ResponseEvent
from service.answers.responses import ModelResponse, OutputItem
from service.vocabulary.wire import ErrorDetails


def of_the_sdk(union: Any) -> dict[str, type[BaseModel]]:
    """Return the members of one of the SDK's unions, by their types."""
    members = get_args(get_args(union)[0])
    return {get_args(one.model_fields["type"].annotation)[0]: one for one in members}


EVENTS = of_the_sdk(responses.ResponseStreamEvent)
ITEMS = of_the_sdk(responses.ResponseOutputItem)
# Our record -> the SDK's.
PAIRS: list[tuple[type[Struct], type[BaseModel]]] = [
    (chats.ChatCompletion, ChatCompletion),
    (chats.ChatCompletionChunk, ChatCompletionChunk),
    (chats.Completion, Completion),
    (images.Images, ImagesResponse),
    (images.GenerationCompleted, ImageGenCompletedEvent),
    (images.GenerationPartial, ImageGenPartialImageEvent),
    (images.EditCompleted, ImageEditCompletedEvent),
    (images.EditPartial, ImageEditPartialImageEvent),
    (listed.File, FileObject),
    (listed.DeletedFile, FileDeleted),
    (listed.Model, Model),
    (ModelResponse, responses.Response),
    *((each, EVENTS[str(each.__struct_config__.tag)]) for each in get_args(ResponseEvent)),
    *((each, ITEMS[str(each.__struct_config__.tag)]) for each in get_args(OutputItem)),
]


def required(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.is_required():
            yield field.alias or name


def always_sent(record: type[Struct]) -> set[str]:
    """Return the fields of a record that are never omitted, its tag among them."""
    fields = {each.name for each in msgspec.structs.fields(record) if each.default is not UNSET}
    tag = record.__struct_config__.tag_field
    return fields | {tag} if tag else fields


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda each: each.__name__)
def test_all_that_the_sdk_requires_is_always_sent(
    ours: type[Struct], theirs: type[BaseModel]
) -> None:
    assert set(required(theirs)) - {"b64_json"} <= always_sent(ours)


def test_an_error_is_told_with_its_four_keys() -> None:
    assert always_sent(ErrorDetails) == {"message", "type", "param", "code"}
