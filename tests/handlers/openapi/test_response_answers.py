"""The records of responses against the SDK's own; against real ones see tests/test_openapi.py."""

from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct
from openai.types import responses

from handlers.openapi import response_answers as ours

EVENTS = {each.__struct_config__.tag: each for each in get_args(ours.ResponseEvent)}


def of_the_sdk(union: Any) -> dict[str, Any]:
    """Return the members of one of the SDK's unions, by their types."""
    members = get_args(get_args(union)[0])
    return {get_args(one.model_fields["type"].annotation)[0]: one for one in members}


OFFICIAL = of_the_sdk(responses.ResponseStreamEvent)


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_one_of_the_sdk_s_and_has_all_it_requires(kind: str) -> None:
    wanted = {name for name, field in OFFICIAL[kind].model_fields.items() if field.is_required()}
    assert wanted - {"type"} <= always(EVENTS[kind])


def test_a_response_has_all_that_the_sdk_requires() -> None:
    fields = responses.Response.model_fields
    assert {name for name, field in fields.items() if field.is_required()} <= always(
        ours.ModelResponse
    )


@pytest.mark.parametrize("item", get_args(ours.OutputItem), ids=lambda each: each.__name__)
def test_an_output_item_is_one_of_the_sdk_s(item: type[Struct]) -> None:
    kinds = of_the_sdk(responses.ResponseOutputItem)
    official = kinds[str(item.__struct_config__.tag)]
    wanted = {name for name, field in official.model_fields.items() if field.is_required()}
    assert wanted - {"type"} <= always(item)


def always(record: type[Struct]) -> set[str]:
    return {each.name for each in msgspec.structs.fields(record) if each.required}
