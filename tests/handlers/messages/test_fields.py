from typing import Any

import pytest

from service.stages.encode.message_blocks import Thinking
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import JsonFormat, Profile
from tests.handlers.messages.asking import asked
from tests.rows import each_row

SCHEMA = {"type": "object", "properties": {}}


def test_the_fields_of_a_turn() -> None:
    found = asked(
        model="claude-opus-4-5",
        max_tokens=7,
        stop_sequences=["a", "b", "c", "d", "e"],
        stream=True,
        temperature=1,
        foo=1,
    ).chat
    assert found.model == "claude-opus-4-5"
    assert (found.max_tokens, found.stop, found.is_stream) == (7, tuple("abcde"), True)
    assert found.ignored_fields == ("temperature", "foo")
    assert found.profile is Profile.BLOCKS
    assert found.demand is None


@each_row(
    ("thinking", "wanted"),
    [
        (None, Thinking()),
        ({"type": "disabled"}, Thinking()),
        ({"type": "adaptive"}, Thinking(is_shown=True)),
        ({"type": "enabled", "budget_tokens": 31_999}, Thinking(is_shown=True)),
        ({"type": "between_tools", "display": "summarized"}, Thinking(is_shown=True)),
        ({"type": "adaptive", "display": "omitted"}, Thinking(is_shown=True, has_words=False)),
    ],
)
def test_27_thoughts_are_shown_as_asked(thinking: dict[str, Any] | None, wanted: Thinking) -> None:
    assert asked(thinking=thinking).thinking == wanted


@each_row(
    ("body", "path"),
    [
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            "output_config.format",
        ),
        ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, "output_format"),
    ],
)
def test_33_a_format_is_demanded(body: dict[str, Any], path: str) -> None:
    found = asked(**body).chat.demand
    assert found is not None
    assert found.json_format == JsonFormat(f"{path}.schema", SCHEMA)


@each_row(
    ("body", "place"),
    [
        ({"thread": {"type": "create"}}, "thread"),
        ({"mcp_servers": [{"url": "https://a.example"}]}, "mcp_servers"),
        ({"container": "container_1"}, "container"),
        ({"messages": []}, "messages"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"model": " "}, "model"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"output_format": {"type": "yaml"}}, "output_format.type"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
        ({"stop_sequences": ["x"] * 65}, "stop_sequences"),
        ({"system": 1}, "system"),
    ],
)
def test_35_what_cannot_be_had_is_refused_by_its_name(body: dict[str, Any], place: str) -> None:
    """A8 4, 7, 35."""
    with pytest.raises(RequestError) as refused:
        asked(**body)
    assert refused.value.param == place
    if place == "thread":
        assert refused.value.code == "thread_unsupported_request"


def test_8_an_empty_list_and_nulls_ask_for_nothing() -> None:
    empty = asked(tools=[], mcp_servers=[], container=None, output_config={"effort": "high"})
    assert empty.chat.demand is None
