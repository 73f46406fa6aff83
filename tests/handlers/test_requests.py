import json
from typing import Any

import pytest

from handlers.requests import Arrival, ChatFields, chat_request
from service.chat import ChatRequest, Profile
from service.errors import RequestError

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
        assert phrase not in error.message  # clients take these for something else
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


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    body = {"model": "m", "messages": HELLO}
    del body[missing]
    with pytest.raises(RequestError) as caught:
        chat_request(json.dumps(body).encode(), ARRIVAL)
    assert caught.value.param == missing


@pytest.mark.parametrize("model", ["", "  ", "m" * 256, "a\nb", "\ud800", None, 4])
def test_a_model_is_a_short_printable_name(model: object) -> None:
    assert refused(model=model).param == "model"


def test_no_messages_are_refused() -> None:
    assert refused(messages=[]).param == "messages"


@pytest.mark.parametrize(
    "field",
    [*sorted(set(ChatFields.__struct_fields__) - {"model", "messages"}), "x_vendor"],
)
def test_an_explicit_null_is_as_good_as_nothing(field: str) -> None:
    assert asked(**{field: None}) == asked()


@pytest.mark.parametrize(
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
        logprobs=False,
        modalities=["text"],
        response_format={"type": "text"},
        x_vendor={"a": 1},
        **{"bad name\n": 1},
    )
    assert request.ignored_fields == ("top_p", "temperature", "x_vendor")


def test_ignored_fields_are_named_in_bounded_number() -> None:
    assert len(asked(**{f"x{at}": 1 for at in range(1_000)}).ignored_fields) == 32


@pytest.mark.parametrize("n", [0, 2, -1])
def test_only_one_choice_can_be_had(n: int) -> None:
    assert refused(n=n).param == "n"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logprobs": True}, "logprobs"),
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


@pytest.mark.parametrize("limit", [0, -5])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_is_one_or_more(field: str, limit: int) -> None:
    assert refused(**{field: limit}).param == field


@pytest.mark.parametrize(
    ("stop", "read"),
    [
        ("END", ("END",)),
        (["a", "b", "a"], ("a", "b")),
        ([], ()),
        ("", ()),
        (["", "x"], ("x",)),
        ([str(at) for at in range(16)], tuple(str(at) for at in range(16))),
    ],
)
def test_stop_is_a_string_or_a_list(stop: object, read: tuple[str, ...]) -> None:
    assert asked(stop=stop).stop == read


@pytest.mark.parametrize("stop", [[str(at) for at in range(17)], "x" * 513])
def test_stop_is_bounded(stop: object) -> None:
    assert refused(stop=stop).param == "stop"


def test_usage_is_wanted_when_the_options_say_so() -> None:
    assert asked(stream=True, stream_options={"include_usage": True}).is_usage_wanted
    assert not asked(stream=True, stream_options={"include_usage": None}).is_usage_wanted
    assert not asked(stream=True, stream_options={}).is_usage_wanted
    assert refused(stream_options={"include_usage": "yes"}).param == "stream_options.include_usage"


def test_ids_of_a_conversation_are_taken_when_they_look_like_ids() -> None:
    request = asked(conversation_id="67-ab_C", parent_message_id="m-1")
    assert (request.conversation_id, request.parent_message_id) == ("67-ab_C", "m-1")
    assert asked(conversation_id="").conversation_id is None
    for value in ("../me", "a/b", "a" * 129, "a b"):
        assert refused(conversation_id=value).param == "conversation_id"
        assert refused(parent_message_id=value).param == "parent_message_id"


def test_the_profile_is_the_fields_then_the_headers_then_the_servers() -> None:
    bot = Arrival("r", 0, "https://g.example", Profile.BOT)
    raw = Arrival("r", 0, "https://g.example", Profile.BOT, "raw")
    assert asked(bot).profile is Profile.BOT
    assert asked(raw).profile is Profile.RAW
    assert asked(raw, render_profile="web").profile is Profile.WEB
    assert asked(raw, render_profile="").profile is Profile.RAW


def test_an_unknown_profile_names_the_choices() -> None:
    error = refused(render_profile="html")
    assert error.param == "render_profile"
    assert "'web', 'bot', 'raw'" in error.message
    header = Arrival("r", 0, "https://g.example", Profile.BOT, "html")
    assert refused(header).param == "x-render-profile"
