import json
from typing import Any

import msgspec
import pytest
from msgspec import structs

from handlers.reading.common_fields import Arrival
from handlers.responses.fields import (
    asked_model,
    begun_response,
    ignored_fields,
    response_chat,
    response_fields,
)
from handlers.responses.listed_items import input_items
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatRequest, Profile
from tests.open_responses import check_open_response
from tests.rows import each_row

ARRIVAL = Arrival("req_1", 1.0, "http://gate.example", Profile.WEB)
LEAST: dict[str, Any] = {"model": "gpt-4o", "input": "Hello"}


def body(**fields: Any) -> bytes:
    return json.dumps({**LEAST, **fields}).encode()


def chat(**fields: Any) -> ChatRequest:
    read = response_fields(body(**fields))
    return response_chat(read, input_items(read.input or "", "abc"), ARRIVAL, "gpt-4o")


def refused(**fields: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        chat(**fields)
    return caught.value


def test_a_request_is_a_turn() -> None:
    turn = chat(stream=True, max_output_tokens=7, instructions="Be nice.")
    assert [(one.role, one.text) for one in turn.messages] == [
        ("system", "Be nice."),
        ("user", "Hello"),
    ]
    assert turn.is_stream
    assert turn.max_tokens == 7
    assert turn.public_url == "http://gate.example"
    assert (turn.conversation_id, turn.parent_message_id) == (None, None)


def test_the_profile_is_that_of_items_unless_chosen_or_the_server_s_is_bot() -> None:
    assert chat().profile is Profile.ITEMS
    assert chat(render_profile="web").profile is Profile.WEB
    fields = response_fields(body())
    bot = structs.replace(ARRIVAL, default_profile=Profile.BOT)
    items = input_items("Hello", "abc")
    assert response_chat(fields, items, bot, "gpt-4o").profile is Profile.BOT


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input"),
    ({"input": ""}, "input"),
    ({"input": []}, "input"),
    ({"input": [{"type": "reasoning", "id": "rs_1"}]}, "input"),
    ({"input": 7}, "input"),
    ({"input": ["Hello"]}, "input[0]"),
    ({"background": True, "store": False}, "background"),
    ({"conversation": "conv_1", "previous_response_id": "resp_1"}, "conversation"),
    ({"conversation": ""}, "conversation"),
    ({"conversation": {"name": "conv_1"}}, "conversation"),
    ({"conversation": 7}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"temperature": 3}, "temperature"),
    ({"truncation": "sometimes"}, "truncation"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"max_output_tokens": "7"}, "max_output_tokens"),
    ({"temperature": "hot"}, "temperature"),
    ({"stream": "yes"}, "stream"),
    ({"metadata": {"a": 1}}, "metadata[...]"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ({"metadata": {"k" * 65: ""}}, "metadata"),
    ({"metadata": {"k": "v" * 513}}, "metadata"),
    ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
    ({"tools": {}}, "tools"),
    ({"text": {"format": "json"}}, "text.format"),
    ({"render_profile": "fancy"}, "render_profile"),
]


@each_row(
    ("fields", "param"),
    WRONG_FIELDS,
)
def test_what_cannot_be_had_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_what_is_demanded_of_the_answer_is_part_of_the_turn() -> None:
    demand = chat(tools=[{"type": "function", "name": "add"}], tool_choice="required").demand
    assert demand is not None
    assert demand.must_call
    assert chat().demand is None


def test_everything_may_be_null() -> None:
    names = ("instructions", "metadata", "tools", "tool_choice", "text", "reasoning", "store")
    chat(**dict.fromkeys(names), stream=None, previous_response_id=None, max_output_tokens=None)


def test_ignored_fields_are_named() -> None:
    given = body(
        temperature=0,
        top_p=1,
        reasoning={"effort": "low"},
        include=["reasoning.encrypted_content"],
        truncation="auto",
        user="me",
        store=False,
        metadata={},
        vendor_extra=1,
        instructions=None,
    )
    assert ignored_fields(given, response_fields(given)) == (
        "temperature",
        "top_p",
        "reasoning",
        "include",
        "truncation",
        "user",
        "vendor_extra",
    )
    plain = body(truncation="disabled")
    assert ignored_fields(plain, response_fields(plain)) == ()


def test_the_model_is_that_of_the_response_before_unless_named() -> None:
    fields = response_fields(body())
    assert asked_model(fields, "gpt-3.5-turbo") == "gpt-4o"
    unnamed = response_fields(body(model=None))
    assert asked_model(unnamed, "gpt-3.5-turbo") == "gpt-3.5-turbo"
    with pytest.raises(RequestError) as caught:
        asked_model(unnamed, None)
    assert caught.value.param == "model"


def test_the_response_repeats_what_was_asked() -> None:
    given = {
        "instructions": "Be nice.",
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "previous_response_id": "resp_0",
        "store": False,
        "temperature": 0.5,
        "max_output_tokens": 7,
        "tools": [{"type": "web_search"}],
        "parallel_tool_calls": False,
        "user": "me",
    }
    response = begun_response(response_fields(body(**given)), "resp_1", "gpt-4o", 1)
    echo = msgspec.to_builtins(response)
    assert {name: echo[name] for name in given} == given
    check_open_response(echo)


def test_what_was_not_asked_for_has_openai_s_defaults() -> None:
    echo = msgspec.to_builtins(begun_response(response_fields(body()), "resp_1", "gpt-4o", 1))
    check_open_response(echo)
    numbers = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs")
    assert [echo[name] for name in numbers] == [1, 1, 0, 0, 0]
    assert (echo["truncation"], echo["tool_choice"], echo["service_tier"]) == (
        "disabled",
        "auto",
        "default",
    )
    assert echo["text"] == {"format": {"type": "text"}}
    assert echo["reasoning"] == {"effort": None, "summary": None}


def test_a_schema_is_repeated_with_all_its_keys() -> None:
    wanted = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    fields = response_fields(body(text={"format": wanted, "verbosity": "low"}))
    echo = msgspec.to_builtins(begun_response(fields, "resp_1", "gpt-4o", 1))
    check_open_response(echo)
    whole = {**wanted, "description": None, "strict": False}
    assert echo["text"] == {"format": whole, "verbosity": "low"}


def test_a_response_is_kept_unless_said_otherwise() -> None:
    assert response_fields(body()).is_kept
    assert response_fields(body(store=None)).is_kept
    assert not response_fields(body(store=False)).is_kept
