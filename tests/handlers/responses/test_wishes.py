"""What a response asks of the model, as it was sent."""

from typing import Any

import msgspec
import pytest

from handlers.responses.wishes import WireWishes, wishes_of
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Wishes
from tests.rows import each_row

TOOL = {"type": "function", "name": "f", "parameters": {}, "anything": 1}


def wishes(**fields: Any) -> Wishes:
    return wishes_of(msgspec.convert(fields, WireWishes))


def test_without_a_wish_there_is_none():
    assert wishes() == Wishes()


def test_tools_and_their_choice_are_as_they_were_sent():
    found = wishes(
        tools=[TOOL, {"type": "web_search"}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
    )
    assert found.tools == (TOOL, {"type": "web_search"})
    assert found.tool_choice == {"type": "function", "name": "f"}
    assert found.is_parallel is False


def test_format_verbosity_and_words_are_as_they_were_sent():
    wanted = {"type": "json_schema", "name": "x", "schema": {}, "strict": True, "anything": 1}
    found = wishes(
        text={"format": wanted, "verbosity": "low"}, service_tier="flex", prompt_cache_key="k"
    )
    assert (found.format, found.verbosity) == (wanted, "low")
    assert (found.service_tier, found.cache_key) == ("flex", "k")


@each_row(
    ("reasoning", "effort", "summary"),
    [
        (None, "", None),
        ({"effort": "high"}, "high", None),
        ({"effort": None, "summary": "detailed"}, "", "detailed"),
        ({"generate_summary": "auto"}, "", "auto"),
    ],
)
def test_reasoning_has_an_effort_and_maybe_a_summary(reasoning, effort, summary):
    found = wishes(reasoning=reasoning)
    assert (found.effort, found.summary) == (effort, summary)


def test_an_effort_that_is_none_is_refused():
    with pytest.raises(RequestError) as caught:
        wishes(reasoning={"effort": "very"})
    assert caught.value.param == "reasoning.effort"


@each_row(
    ("include", "is_wanted"),
    [(None, False), (["file_search_call.results"], False), (["reasoning.encrypted_content"], True)],
)
def test_what_is_sealed_is_for_those_who_include_it(include, is_wanted):
    assert wishes(include=include).is_sealed_wanted is is_wanted


def test_what_else_of_searches_is_included_goes_to_the_upstream_and_unknown_words_nowhere():
    sources = "web_search_call.action.sources"
    assert wishes(include=["message.output_text.logprobs", sources]).included == (sources,)
    with pytest.raises(RequestError, match="nonsense") as caught:
        wishes(include=[sources, "nonsense"])
    assert caught.value.param == "include[1]"
