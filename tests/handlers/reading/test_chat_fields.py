import json
from typing import Any

import pytest

from handlers.reading.chat_fields import ChatFields, chat_request
from handlers.reading.common_fields import Arrival
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatRequest, Profile
from tests.rows import each_row

ARRIVAL = Arrival("req-1", 12.5, "https://gateway.example", Profile.WEB)
HELLO = [{"role": "user", "content": "Hello"}]


def asked(arrival: Arrival = ARRIVAL, **fields: Any) -> ChatRequest:
    body = {"model": "gpt-4o", "messages": HELLO, **fields}
    return chat_request(json.dumps(body).encode(), arrival)


def refused(arrival: Arrival = ARRIVAL, **fields: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        asked(arrival, **fields)
    error = caught.value
    assert error.status == 400
    for phrase in ("too large", "not found", "each", "must have", "without", "tool_call_id"):
        assert phrase not in error.message  # clients mistake these for other errors
    return error


def test_a_small_request_gets_the_defaults() -> None:
    request = asked()
    assert request.request_id == "req-1"
    assert request.received_at == 12.5
    assert request.public_url == "https://gateway.example"
    assert request.model == "gpt-4o"
    assert [(m.role, m.text) for m in request.messages] == [("user", "Hello")]
    assert not request.is_stream
    assert not request.is_usage_wanted
    assert request.profile is Profile.WEB
    assert (request.max_tokens, request.stop, request.ignored_fields) == (None, (), ())


@each_row("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    body = {"model": "m", "messages": HELLO}
    del body[missing]
    with pytest.raises(RequestError) as caught:
        chat_request(json.dumps(body).encode(), ARRIVAL)
    assert caught.value.param == missing


def test_no_messages_are_refused() -> None:
    assert refused(messages=[]).param == "messages"


@each_row(
    "field",
    [*sorted(set(ChatFields.__struct_fields__) - {"model", "messages"}), "x_vendor"],
)
def test_an_explicit_null_is_as_good_as_nothing(field: str) -> None:
    assert asked(**{field: None}) == asked()


@each_row(
    ("field", "value"),
    [
        ("stream", "true"),
        ("stream", 1),
        ("n", "1"),
        ("n", True),
        ("temperature", "0.5"),
        ("temperature", True),
        ("top_p", [1]),
        ("seed", 1.5),
        ("max_tokens", "10"),
        ("max_tokens", False),
        ("logprobs", 0),
        ("stop", 5),
        ("stop", ["a", 5]),
        ("logit_bias", []),
        ("messages", "hi"),
        ("tools", {}),
        ("user", {}),
    ],
)
def test_values_are_taken_only_in_their_own_json_type(field: str, value: object) -> None:
    assert str(refused(**{field: value}).param).startswith(field)


def test_ignored_fields_that_were_given_are_named_in_order() -> None:
    request = asked(
        top_p=1,
        temperature=0,
        seed=None,
        n=1,
        stream=False,
        stop=["a"],
        tools=[],
        logprobs=True,
        modalities=["text"],
        response_format={"type": "text"},
        x_vendor={"a": 1},
        **{"bad name\n": 1},
    )
    assert request.ignored_fields == ("top_p", "temperature", "logprobs", "x_vendor")


@each_row("n", [0, 2, -1])
def test_only_one_choice_can_be_had(n: int) -> None:
    assert refused(n=n).param == "n"


@each_row(
    ("fields", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"stop": list("abcde")}, "stop"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {}}, "response_format.type"),
    ],
)
def test_what_would_be_wrong_to_ignore_is_refused(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_tools_and_formats_are_honoured() -> None:
    tools = [{"type": "function", "function": {"name": "now"}}]
    request = asked(
        tools=tools,
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
    )
    assert request.ignored_fields == ()
    assert request.demand is not None
    assert request.demand.must_call
    assert request.demand.json_format is not None
    assert asked(functions=[{"name": "now"}]).ignored_fields == ()
    assert asked().demand is None


def test_the_smaller_token_limit_holds() -> None:
    assert asked(max_tokens=5).max_tokens == 5
    assert asked(max_completion_tokens=7).max_tokens == 7
    assert asked(max_tokens=5, max_completion_tokens=3).max_tokens == 3


@each_row("limit", [0, -5])
@each_row("field", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_is_one_or_more(field: str, limit: int) -> None:
    assert refused(**{field: limit}).param == field


def test_usage_is_wanted_when_the_options_say_so() -> None:
    assert asked(stream=True, stream_options={"include_usage": True}).is_usage_wanted
    assert not asked(stream=True, stream_options={"include_usage": None}).is_usage_wanted
    assert not asked(stream=True, stream_options={}).is_usage_wanted
    assert refused(stream_options={"include_usage": "yes"}).param == "stream_options.include_usage"
