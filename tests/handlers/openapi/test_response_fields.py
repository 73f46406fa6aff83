"""The items that the description names are those that the reader knows."""

from typing import Any

import pytest

from handlers.openapi.response_fields import RESPONSE_FIELDS
from handlers.responses.fields import ResponseFields
from handlers.responses.items import SENT, input_messages


def kinds() -> dict[str, dict[str, Any]]:
    described = RESPONSE_FIELDS[ResponseFields]["input"]["items"]["anyOf"]
    return {
        item["properties"]["type"]["const"]: item
        for item in described
        if "const" in item["properties"]["type"]
    }


def test_every_kind_of_item_that_can_be_sent_is_described() -> None:
    assert set(kinds()) == set(SENT)


@pytest.mark.parametrize("kind", ["function_call", "function_call_output", "custom_tool_call"])
def test_what_is_described_is_read(kind: str) -> None:
    item = kinds()[kind]
    required = {name: "x" for name in item["required"] if name != "type"}
    (message,) = input_messages([{"type": kind, **required}], "input")
    assert message.parts
