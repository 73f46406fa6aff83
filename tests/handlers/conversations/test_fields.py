import json
from collections.abc import Callable
from typing import Any

import pytest

from handlers.conversations.fields import (
    MAX_ITEMS,
    conversation_fields,
    new_items,
    new_metadata,
)
from service.vocabulary.errors import RequestError

ITEM = {"role": "user", "content": "Hi"}


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("given", [b"", b"{}", body(items=None, metadata=None), body(other=1)])
def test_a_conversation_may_begin_with_nothing(given: bytes) -> None:
    fields = conversation_fields(given)
    assert (fields.items or [], fields.metadata or {}) == ([], {})


def test_fields_are_read() -> None:
    assert conversation_fields(body(items=[ITEM], metadata={"a": "b"})).items == [ITEM]
    assert new_items(body(items=[ITEM])) == [ITEM]
    assert new_metadata(body(metadata={})) == {}


@pytest.mark.parametrize(
    ("read", "given", "param"),
    [
        (conversation_fields, b"[]", None),
        (conversation_fields, body(items={}), "items"),
        (conversation_fields, body(items=["Hi"]), "items[0]"),
        (conversation_fields, body(items=[ITEM] * (MAX_ITEMS + 1)), "items"),
        (conversation_fields, body(metadata={"k" * 65: ""}), "metadata"),
        (new_items, b"{}", "items"),
        (new_items, body(items=[]), "items"),
        (new_items, body(items=[ITEM] * (MAX_ITEMS + 1)), "items"),
        (new_metadata, b"{}", "metadata"),
        (new_metadata, body(metadata={str(n): "" for n in range(17)}), "metadata"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(
    read: Callable[[bytes], Any], given: bytes, param: str | None
) -> None:
    with pytest.raises(RequestError) as caught:
        read(given)
    assert caught.value.param == param
