"""Bodies of turns: what is there, what never is, and that they stay as they are."""

import json

import pytest

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    ChatRequest,
    Profile,
    ResultPart,
    SealedPart,
    TextPart,
    Wishes,
)
from tests.rows import each_row
from upstream.codex.payload.model import CodexModel
from upstream.codex.payload.turn_body import CodexTurn, TurnSource, build_turn, compact_turn

MODEL = CodexModel("gpt-6-sol", ("low", "medium", "high"))
HI = ChatMessage("user", (TextPart("Hi"),))
TOOL = {"type": "function", "name": "f", "parameters": {}, "strict": False}
# Codex 2.3: what the back end refuses, or is not to be sent.
FORBIDDEN = frozenset(
    {
        *("max_output_tokens", "max_completion_tokens", "max_tokens", "temperature", "top_p"),
        *("stop", "n", "seed", "metadata", "user", "safety_identifier", "truncation"),
        *("stream_options", "background", "conversation", "prompt", "previous_response_id"),
    }
)


def chat(*messages: ChatMessage, **wishes) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model="gpt-6-sol",
        messages=messages or (ChatMessage("system", (TextPart("Be brief."),)), HI),
        is_stream=True,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="",
        received_at=0,
        max_tokens=5,
        stop=("x",),
        wishes=Wishes(**wishes),
    )


def turn(request: ChatRequest, model: CodexModel = MODEL, account: str = "a") -> CodexTurn:
    return build_turn(request, TurnSource(model, account, {}, lambda sealed: sealed))


def test_a_plain_turn_has_what_the_back_end_demands_and_nothing_that_it_refuses():
    body = turn(chat(summary="auto")).body
    assert body == {
        "model": "gpt-6-sol",
        "instructions": "Be brief.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi"}],
            }
        ],
        "reasoning": {"summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": body["prompt_cache_key"],
    }
    assert not FORBIDDEN & body.keys()


def test_wishes_go_as_they_were_meant():
    wanted = {"type": "json_schema", "name": "x", "schema": {"z": 1, "a": 2}, "strict": True}
    body = turn(
        chat(
            tools=(TOOL,),
            tool_choice={"type": "function", "name": "f"},
            is_parallel=False,
            format=wanted,
            verbosity="low",
            effort="xhigh",
            summary="detailed",
            service_tier="fast",
            cache_key="a talk",
        )
    ).body
    assert body["tools"] == [TOOL]
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert body["parallel_tool_calls"] is False
    assert body["text"] == {"verbosity": "low", "format": wanted}
    assert body["reasoning"] == {"effort": "high", "summary": "detailed"}
    assert (body["service_tier"], body["prompt_cache_key"]) == ("priority", "a talk")


@each_row(("asked", "sent"), [("auto", "default"), ("flex", "flex"), ("", None)])
def test_tiers_have_the_back_ends_names(asked, sent):
    assert turn(chat(service_tier=asked)).body.get("service_tier") == sent


def test_a_json_object_is_asked_for_in_words_as_well():
    body = turn(chat(format={"type": "json_object"})).body
    assert body["text"] == {"format": {"type": "json_object"}}
    assert "JSON" in body["input"][0]["content"][0]["text"]
    assert "text" not in turn(chat(format={"type": "text"})).body


def test_the_same_request_gives_the_same_bytes_and_a_talk_keeps_its_beginning():
    first = turn(chat(tools=(TOOL,)))
    said = ChatMessage("assistant", (TextPart("Hello"),))
    longer = chat(ChatMessage("system", (TextPart("Be brief."),)), HI, said, HI, tools=(TOOL,))
    second = turn(longer)
    assert json.dumps(first.body) == json.dumps(turn(chat(tools=(TOOL,))).body)
    assert second.cache_key == first.cache_key
    assert second.body["input"][0] == first.body["input"][0]
    assert list(second.body) == list(first.body)


def test_talks_of_others_have_other_names():
    mine = turn(chat()).cache_key
    assert turn(chat(), account="b").cache_key != mine
    assert turn(chat(HI)).cache_key != mine


def test_a_lite_model_gets_tools_and_instructions_among_the_items():
    made = turn(chat(tools=(TOOL,), effort="low"), CodexModel("lite", is_lite=True))
    assert made.is_lite
    assert not {"tools", "instructions"} & made.body.keys()
    tools, told, _ = made.body["input"]
    assert tools == {"type": "additional_tools", "role": "developer", "tools": [TOOL]}
    assert told["role"] == "developer"
    assert made.body["reasoning"] == {"effort": "low", "context": "all_turns"}
    assert made.body["parallel_tool_calls"] is False


def test_a_lite_model_calls_one_at_a_time_even_without_tools():
    source = TurnSource(CodexModel("gpt-6-lite", is_lite=True), "acc", {}, str)
    assert build_turn(chat(), source).body["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in turn(chat()).body


def test_a_model_without_summaries_is_not_asked_for_any():
    model = CodexModel("m", has_summaries=False)
    assert "reasoning" not in turn(chat(summary="auto"), model).body


def test_sealed_reasoning_can_be_left_out():
    sealed = ChatMessage("assistant", (SealedPart("gAAA"),))
    made = turn(chat(HI, sealed, HI))
    assert made.has_sealed
    bare = made.without_sealed()
    assert not bare.has_sealed
    assert bare.body == {**made.body, "input": [made.body["input"][0], made.body["input"][2]]}


def test_it_knows_which_calls_it_brings_the_results_of():
    calls = [CallPart(name, "f", "{}", "m") for name in ("c1", "c2", "c3")]
    results = [
        ChatMessage("tool", (ResultPart(name, (TextPart("ok"),), "m"),))
        for name in ("c1", "c2", "c3")
    ]
    history = [
        ChatMessage("assistant", (calls[0],)),
        results[0],
        ChatMessage("assistant", tuple(calls[1:])),
    ]
    made = turn(chat(HI, *history, *results[1:]))
    assert set(made.answered_calls) == {"c2", "c3"}
    assert turn(chat(HI, *history, *results[1:], HI)).answered_calls == []


def test_an_unknown_tier_is_refused_by_name():
    with pytest.raises(RequestError, match="'priority'") as caught:
        turn(chat(service_tier="bogus"))
    assert caught.value.param == "service_tier"


def test_what_else_is_to_be_included_is_asked_for():
    sources = "web_search_call.action.sources"
    assert turn(chat(included=(sources,))).body["include"][1:] == [sources]


def test_a_turn_that_may_draw_is_known_by_its_tools():
    assert not turn(chat(tools=({"type": "web_search"},))).is_drawing
    draws = chat(tools=({"type": "image_generation"},))
    assert turn(draws).is_drawing
    lite = TurnSource(CodexModel("gpt-6-lite", is_lite=True), "acc", {}, str)
    assert build_turn(draws, lite).is_drawing


def test_a_compaction_has_fewer_fields():
    source = TurnSource(CodexModel("gpt-6-sol"), "acc", {}, str)
    found = compact_turn(chat(service_tier="fast", effort="low", verbosity="low"), source)
    assert found.path == "responses/compact"
    names = {"model", "instructions", "input", "tools", "parallel_tool_calls", "reasoning", "text"}
    assert found.body.keys() == names
    assert not found.is_streamed
