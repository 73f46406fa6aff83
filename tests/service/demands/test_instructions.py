import json

from service.demands.instructions import (
    call_text,
    correction,
    instructed,
    instructions,
    result_text,
)
from service.stages.function_calls.call_text import FindCalls
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    Demand,
    Function,
    JsonFormat,
    Profile,
    TextPart,
)

ADD = Function("add", "p", "Adds.", {"type": "object", "properties": {"a": {"description": "你"}}})
CITY = JsonFormat("p", {"type": "object"}, "trip", "A trip.")


def asked(*messages: tuple[str, str], demand: Demand | None = None) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model="m",
        messages=tuple(ChatMessage(role, (TextPart(text),)) for role, text in messages),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="",
        received_at=0,
        demand=demand,
    )


def test_without_a_demand_nothing_is_told() -> None:
    chat = asked(("user", "Hi"))
    assert instructed(chat) is chat


def test_instructions_are_one_system_message_at_the_start() -> None:
    demand = Demand((ADD,))
    told = instructed(asked(("user", "Hi"), demand=demand)).messages
    assert [message.role for message in told] == ["system", "user"]
    assert told[0].text == instructions(demand)
    joined = instructed(asked(("system", "Be kind."), ("user", "Hi"), demand=demand)).messages
    assert [message.role for message in joined] == ["system", "user"]
    assert joined[0].text.startswith("Be kind.\n\n# Functions")


def test_functions_are_listed_one_on_each_line() -> None:
    lines = instructions(Demand((ADD, Function("now", "p")))).splitlines()
    assert json.loads(lines[-2]) == {
        "name": "add",
        "description": "Adds.",
        "parameters": ADD.parameters,
    }
    assert "你" in lines[-2]
    assert json.loads(lines[-1]) == {"name": "now", "parameters": {}}


def test_what_is_wanted_is_said() -> None:
    free, bound = instructions(Demand((ADD,))), Demand((ADD,), must_call=True, is_parallel=False)
    assert "several functions" in free
    assert "only where it helps" in free
    assert "several functions" not in instructions(bound)
    assert "must call" in instructions(bound)
    assert "JSON Schema (trip):\n" in instructions(Demand(json_format=CITY))
    anything = instructions(Demand(json_format=JsonFormat("p")))
    assert "one JSON object and nothing else" in anything
    assert "Schema" not in anything
    assert "calls functions" in instructions(Demand((ADD,), json_format=CITY))


def test_the_example_in_the_instructions_is_no_call_of_a_function() -> None:
    find = FindCalls(["add"])
    found = [*find.feed(instructions(Demand((ADD,)))), *find.finish()]
    assert [call.name for piece in found for call in getattr(piece, "calls", ())] == ["FUNCTION"]


def test_a_correction_names_the_problem_and_the_form() -> None:
    text = correction(Demand((ADD,)), "a is missing")
    assert "could not be used: a is missing." in text
    assert "<tool_call>" in text
    assert "JSON value" in correction(Demand(json_format=CITY), "x")
    assert "If you call no function" in correction(Demand((ADD,), json_format=CITY), "x")


def test_a_call_of_the_history_is_read_as_the_call_that_it_was() -> None:
    text = call_text("call_1", "add", '{"a": "</tool_call>你"}')
    find = FindCalls(["add"])
    [block] = [*find.feed(text), *find.finish()]
    [call] = getattr(block, "calls", ())
    assert (call.name, json.loads(call.arguments)) == ("add", {"a": "</tool_call>你"})
    assert '"id": "call_1"' in text
    assert '"arguments": {}' in call_text("", "add", " ")
    assert '"arguments": "{broken"' in call_text("", "add", "{broken")


def test_a_result_of_the_history_names_its_call() -> None:
    assert result_text("call_1", "add", "4") == "add (call_1) returned:\n4"
    assert result_text("", "add", "4") == "add returned:\n4"
    assert result_text("call_1", "", "4") == "call_1 returned:\n4"
    assert result_text("", "", "4") == "4"
