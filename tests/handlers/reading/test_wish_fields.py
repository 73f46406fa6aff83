"""What a chat completion asks of the model, in the form of the Responses API."""

from typing import Any

import msgspec
import pytest

from handlers.reading.wish_fields import EFFORTS, WireWishes, wishes_of
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Wishes
from tests.rows import each_row

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ADD = {"name": "add", "description": "Adds.", "parameters": SCHEMA, "strict": True}
ADDED = {"type": "function", **ADD}
NOW = {"name": "now"}
TOLD_NOW = {
    "type": "function",
    "name": "now",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
TOOLS = [{"type": "function", "function": ADD}, {"type": "function", "function": NOW}]


def wishes(**fields: Any) -> Wishes:
    return wishes_of(msgspec.convert(fields, WireWishes))


def test_without_a_wish_summaries_are_asked_for_and_nothing_else():
    assert wishes() == Wishes(summary="auto")


def test_functions_are_flat_in_their_order_and_strict_only_if_said():
    assert wishes(tools=TOOLS).tools == (ADDED, TOLD_NOW)
    assert wishes(tools=TOOLS[::-1]).tools == (TOLD_NOW, ADDED)


@each_row(
    ("choice", "told"),
    [
        (None, None),
        ("none", "none"),
        ("required", "required"),
        (
            {"type": "function", "function": {"name": "now"}},
            {"type": "function", "name": "now"},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOLS[1]]}},
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "now"}],
            },
        ),
        ({"type": "something"}, None),
    ],
)
def test_a_choice_is_told_in_the_other_form(choice, told):
    assert wishes(tools=TOOLS, tool_choice=choice).tool_choice == told


def test_the_form_before_tools_calls_one_at_a_time():
    found = wishes(functions=[ADD, NOW], function_call={"name": "add"})
    assert found.tools == (ADDED, TOLD_NOW)
    assert found.tool_choice == {"type": "function", "name": "add"}
    assert found.is_parallel is False
    assert wishes(functions=[ADD], function_call="auto").tool_choice == "auto"
    assert wishes(tools=TOOLS, functions=[ADD], parallel_tool_calls=True).is_parallel is True


@each_row(
    ("wanted", "told"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
            {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": False},
        ),
        (
            {
                "type": "json_schema",
                "json_schema": {"description": "A.", "schema": SCHEMA, "strict": True},
            },
            {
                "type": "json_schema",
                "name": "answer",
                "description": "A.",
                "schema": SCHEMA,
                "strict": True,
            },
        ),
    ],
)
def test_a_format_is_flat(wanted, told):
    assert wishes(response_format=wanted).format == told


@each_row(
    ("options", "told"),
    [
        ({}, {}),
        (
            {"search_context_size": "low", "user_location": {"approximate": {"country": "DE"}}},
            {
                "search_context_size": "low",
                "user_location": {"type": "approximate", "country": "DE"},
            },
        ),
        (
            {"user_location": {"country": "DE"}},
            {"user_location": {"type": "approximate", "country": "DE"}},
        ),
    ],
)
def test_a_search_is_a_tool_behind_the_functions(options, told):
    found = wishes(tools=TOOLS, web_search_options=options)
    assert found.tools == (ADDED, TOLD_NOW, {"type": "web_search", **told})


def test_words_are_passed_on():
    found = wishes(
        reasoning_effort="high", verbosity="low", service_tier="fast", prompt_cache_key="k"
    )
    assert (found.effort, found.verbosity) == ("high", "low")
    assert (found.service_tier, found.cache_key) == ("fast", "k")


@each_row("word", EFFORTS)
def test_every_word_of_effort_that_some_model_knows_is_one(word):
    assert wishes(reasoning_effort=word).effort == word


def test_another_word_of_effort_is_refused():
    with pytest.raises(RequestError, match="'very'") as caught:
        wishes(reasoning_effort="very")
    assert caught.value.param == "reasoning_effort"


def test_the_tool_that_draws_goes_as_it_was_sent_and_may_be_demanded():
    draw = {"type": "image_generation", "size": "1024x1024", "quality": "low"}
    found = wishes(tools=[*TOOLS, draw], tool_choice={"type": "image_generation"})
    assert found.tools == (ADDED, TOLD_NOW, draw)
    assert (found.tool_choice, found.wants_picture) == ({"type": "image_generation"}, True)
    assert not wishes(tools=[draw]).wants_picture
