from collections.abc import Callable

from service.demands.verdict import Verdict, judge
from service.stages.function_calls.call_block import CallBlock
from service.stages.function_calls.call_shapes import WrittenCall
from service.vocabulary.requests import Demand, Function, JsonFormat
from tests.growth import MOST, growth
from tests.rows import each_row

NUMBER = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ADD = Function("add", "tools[0].function.parameters", "", NUMBER)
NOW = Function("now", "tools[1].function.parameters")
CALLING = Demand((ADD, NOW))
GOOD = WrittenCall("add", '{"a":1}')
ANY = Demand(json_format=JsonFormat("response_format"))
FITTING = Demand(json_format=JsonFormat("response_format.json_schema.schema", NUMBER))


def block(*calls: WrittenCall, problem: str = "") -> CallBlock:
    return CallBlock("raw", calls, problem)


def test_calls_that_fit_are_accepted() -> None:
    now = WrittenCall("now", "{}")
    assert judge(CALLING, [block(GOOD), block(now)], []) == Verdict((GOOD, now))


@each_row(
    ("blocks", "problem"),
    [
        ([block(WrittenCall("fly", "{}"))], "there is no function 'fly', but there is: add, now"),
        (
            [block(WrittenCall("add", "{}"))],
            "the arguments of add do not fit: $: 'a' is a required",
        ),
        ([block(problem="it is broken")], "a call cannot be read: it is broken"),
        ([block(GOOD), block(WrittenCall("add", '{"a":"1"}'))], "$.a: '1' is not of type"),
    ],
)
def test_a_call_that_does_not_fit_is_a_problem(blocks: list[CallBlock], problem: str) -> None:
    verdict = judge(CALLING, blocks, [])
    assert problem in verdict.problem
    assert verdict.calls == ()


def test_words_are_an_answer_unless_a_call_is_due() -> None:
    assert judge(CALLING, [], ["Hello"]) == Verdict()
    due = Demand((ADD,), must_call=True)
    assert "calls no function" in judge(due, [], ["Hello"]).problem


def test_only_the_first_call_counts_where_one_at_a_time_was_asked_for() -> None:
    one = Demand((ADD, NOW), is_parallel=False)
    assert judge(one, [block(GOOD), block(WrittenCall("fly", "{}"))], []).calls == (GOOD,)


@each_row(
    "messages",
    [
        ['{"a": 1}'],
        [' \n{"a": 1}\n'],
        ['```json\n{"a": 1}\n```'],
        ['Here it is:\n```\n{"a": 1}\n```\nDone.'],
        ["Let me see.", '{"a": 1}'],
    ],
)
def test_json_is_found_where_models_put_it(messages: list[str]) -> None:
    assert judge(FITTING, [], messages) == Verdict(json_text='{"a": 1}')
    assert judge(ANY, [], messages) == Verdict(json_text='{"a": 1}')


@each_row(
    ("demand", "messages", "problem"),
    [
        (ANY, [], "it is empty"),
        (ANY, [" "], "it is empty"),
        (ANY, ["Hello"], "it is not JSON"),
        (ANY, ["[1]"], "the JSON is no object"),
        (ANY, ['{"a": NaN}'], "NaN is not a JSON number"),
        (ANY, ["[" * 100_000], "it is not JSON"),
        (ANY, ["```\n{}\n```\n```\n{}\n```"], "it is not JSON"),
        (FITTING, ['{"a": "1"}'], "does not fit the schema: $.a: '1' is not of type"),
    ],
)
def test_other_text_is_a_problem(demand: Demand, messages: list[str], problem: str) -> None:
    verdict = judge(demand, [], messages)
    assert problem in verdict.problem
    assert verdict.json_text is None
    assert not verdict.is_hopeless


def test_a_schema_that_cannot_be_checked_against_makes_it_hopeless() -> None:
    endless = Demand(json_format=JsonFormat("p", {"$ref": "#"}))
    assert judge(endless, [], ["{}"]).is_hopeless


@each_row(
    "answer",
    [
        lambda size: "```json\n{" + " " * size,
        lambda size: "```json\n{" + "\n \t" * size + "x```",
        lambda size: "```json\n" * size,
        lambda size: "```" + "a" * size,
        lambda size: "`" * size + "\n",
    ],
)
def test_the_time_to_judge_grows_with_the_answer(answer: Callable[[int], str]) -> None:
    assert growth(lambda size: judge(ANY, [], [answer(size)]), 4_000) < MOST
