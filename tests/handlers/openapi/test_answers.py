"""The records of answers against the SDK's own; against real answers they are held by tests/test_openapi.py."""

from collections.abc import Iterator

import msgspec
import pytest
from msgspec import Struct
from openai.types import Completion, FileDeleted, FileObject, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.images_response import ImagesResponse
from pydantic import BaseModel

from handlers.openapi import answers

# Ours is beside it: what the SDK requires is answered.
PAIRS: list[tuple[type[Struct], type[BaseModel]]] = [
    (answers.ChatCompletion, ChatCompletion),
    (answers.ChatCompletionChunk, ChatCompletionChunk),
    (answers.Completion, Completion),
    (answers.Images, ImagesResponse),
    (answers.File, FileObject),
    (answers.DeletedFile, FileDeleted),
    (answers.Model, Model),
]


def required(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.is_required():
            yield field.alias or name


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda each: each.__name__)
def test_all_that_the_sdk_requires_is_always_there(
    ours: type[Struct], theirs: type[BaseModel]
) -> None:
    always = {each.name for each in msgspec.structs.fields(ours) if each.required}
    assert set(required(theirs)) <= always


def test_an_error_is_told_with_its_four_keys() -> None:
    always = {each.name for each in msgspec.structs.fields(answers.ErrorDetails) if each.required}
    assert always == {"message", "type", "param", "code"}
