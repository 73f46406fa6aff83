"""The words of refusal over a real socket, and that nothing of it is played."""

import copy
from typing import Any

import pytest

from tests.upstream.demo.codex.client import (
    RESPONSES,
    CodexClient,
    NewClient,
    body_of,
    function,
    output,
    user,
)
from upstream.demo.codex.validator import LITE_HEADER

COMPACT = f"{RESPONSES}/compact"
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
NONE = object()


async def refused(client: CodexClient, status: int = 400, **changes: Any) -> dict[str, Any]:
    body = {name: value for name, value in body_of(**changes).items() if value is not NONE}
    answer = await client.send("POST", RESPONSES, body)
    assert answer.status == status, answer.raw
    return answer.json


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instructions": NONE}, "Instructions are required"),
        ({"store": NONE}, "Store must be set to false"),
        ({"store": True}, "Store must be set to false"),
        ({"stream": NONE}, "Stream must be set to true"),
        ({"input": "hello"}, "Input must be a list"),
        ({"input": [{"role": "system", "content": "x"}]}, "System messages are not allowed"),
        ({"temperature": 1}, "Unsupported parameter: temperature"),
        ({"max_output_tokens": 5}, "Unsupported parameter: max_output_tokens"),
        ({"previous_response_id": "resp_1"}, "Unsupported parameter: previous_response_id"),
        ({"service_tier": "fast"}, "Unsupported service_tier: fast"),
        ({"tools": [{"type": "file_search"}]}, "Unsupported tool type: file_search"),
        (
            {"model": "gpt-4o"},
            "The 'gpt-4o' model is not supported when using Codex with a ChatGPT account.",
        ),
    ],
)
async def test_the_door_refuses_in_these_words(
    anna: CodexClient, changes: dict[str, Any], words: str
) -> None:
    assert await refused(anna, **changes) == {"detail": words}
    assert (await anna.stats())["by_play"] == {}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([CALL], "No tool output found for function call call_1."),
        (
            [{"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": "x"}],
            "No tool output found for custom tool call call_1.",
        ),
        (
            [{"type": "function_call_output", "call_id": "call_1", "output": "x"}],
            "No tool call found for function call output with call_id call_1.",
        ),
        ([{**user("x"), "name": "bob"}], "Unknown parameter: 'input[1].name'."),
        (
            [{"type": "function_call", "name": "f"}],
            "Missing required parameter: 'input[1].call_id'.",
        ),
        ([{"type": "computer_call"}], "Invalid value: 'computer_call'."),
        ([{"role": "tool", "content": "x"}], "Invalid value: 'tool'."),
        (
            [{"role": "assistant", "content": [{"type": "input_text"}]}],
            "Invalid value: 'input_text'.",
        ),
        ([user("x", {"type": "input_audio"})], "Invalid value: 'input_audio'."),
        (
            [user("x", {"type": "input_image", "file_id": "file-1"})],
            "Invalid image: a data URL is expected.",
        ),
        (
            [user("x", {"type": "input_file", "file_data": "data:x"})],
            "Missing required parameter: 'input[1].content[1].filename'.",
        ),
    ],
)
async def test_items_are_refused_with_their_place(
    anna: CodexClient, items: list[dict[str, Any]], words: str
) -> None:
    error = (await refused(anna, input=[user("hello"), *items]))["error"]
    assert error["message"].startswith(words)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("item", [{**CALL, "id": "fc_1"}, {"type": "item_reference", "id": "fc_1"}])
async def test_no_id_is_known_since_nothing_is_stored(
    anna: CodexClient, item: dict[str, Any]
) -> None:
    error = (await refused(anna, 404, input=[item]))["error"]
    assert error["message"].startswith("Item with id 'fc_1' not found. Items are not persisted")


async def test_encrypted_content_is_good_for_its_account_alone(
    anna: CodexClient, new_client: NewClient
) -> None:
    bob = new_client("bob")
    await bob.exchange()
    item = (await anna.ask("/scene reasoning")).items[0]
    kept = {name: item[name] for name in ("type", "summary", "encrypted_content")}
    assert (await anna.ask("", input=[kept, user("on")])).status == 200
    for foreign in (kept, {**kept, "encrypted_content": "gAAAAforeign"}):
        error = (await refused(bob, input=[foreign, user("on")]))["error"]
        assert error["code"] == "invalid_encrypted_content"


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"reasoning": {"effort": "minimal"}}, "reasoning.effort", "'minimal' is not known"),
        ({"reasoning": {"effort": "max"}}, "reasoning.effort", "'max' is not supported with"),
        ({"reasoning": "high"}, "reasoning", "Invalid type"),
        ({"tools": [function("n" * 65)]}, "tools[0].name", "maximum length 64"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].name", "a name is expected"),
        ({"tools": [function("f")], "tool_choice": {"name": "g"}}, "tool_choice", "'g' not found"),
        ({"tool_choice": "required"}, "tool_choice", "'required' not found"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name", "Missing"),
        ({"text": {"format": {"type": "json_object"}}}, "input", "must contain the word 'json'"),
    ],
)
async def test_fields_are_refused_by_name(
    anna: CodexClient, changes: dict[str, Any], param: str, words: str
) -> None:
    error = (await refused(anna, **changes))["error"]
    assert error["param"] == param
    assert words in error["message"]


async def test_a_wrong_image_model_is_refused_in_its_own_type(anna: CodexClient) -> None:
    tools = [{"type": "image_generation", "model": "dall-e-3"}]
    error = (await refused(anna, tools=tools))["error"]
    assert error["type"] == "image_generation_user_error"
    assert (error["code"], error["param"]) == ("invalid_value", "tools")


async def test_models_and_pictures_depend_on_the_plan(new_client: NewClient) -> None:
    free = new_client("free-bob")
    await free.exchange()
    words = "The 'gpt-6.1-sol' model is not supported when using Codex with a ChatGPT account."
    assert await refused(free, model="gpt-6.1-sol") == {"detail": words}


async def test_a_model_that_does_not_see_takes_no_pictures(anna: CodexClient) -> None:
    part = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    assert (await anna.ask("", input=[user("x", part)])).status == 200
    error = (await refused(anna, model="gpt-5.5", input=[user("x", part)]))["error"]
    assert error["message"] == "This model does not support image inputs."


async def test_all_that_a_good_client_may_send_is_let_pass(anna: CodexClient) -> None:
    nested = {"type": "namespace", "name": "mcp", "tools": [function("inner")]}
    tools = [
        function("f", a={"type": "string"}),
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
        {"type": "web_search", "external_web_access": True},
        nested,
        {"type": "local_shell"},
        {"type": "image_generation", "model": "gpt-image-2.5-flare"},
    ]
    said = {
        "role": "assistant",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "x"}],
    }
    file = {
        "type": "input_file",
        "filename": "a.pdf",
        "file_data": "data:application/pdf;base64,AAAA",
    }
    answer = await anna.ask(
        "",
        input=[{"role": "developer", "content": "json"}, said, *output(CALL, "x"), user("x", file)],
        tools=tools,
        tool_choice={"type": "function", "name": "inner"},
        reasoning={"effort": "high", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "json_object"}},
        service_tier="priority",
        prompt_cache_key="k",
    )
    assert answer.status == 200, answer.raw


async def test_a_lite_model_wants_another_shape(anna: CodexClient) -> None:
    tools = {"type": "additional_tools", "role": "developer", "tools": [function("weather")]}
    lite = {
        "model": "gpt-5.6-sol",
        "instructions": NONE,
        "tools": NONE,
        "parallel_tool_calls": False,
        "reasoning": {"context": "all_turns"},
        "input": [tools, user("the weather?")],
    }
    body = {name: value for name, value in body_of(**lite).items() if value is not NONE}
    headers = anna.headers(**{LITE_HEADER: "true"})
    answer = await anna.send("POST", RESPONSES, body, headers)
    assert [item["name"] for item in answer.items] == ["weather"]
    for change in ({"tools": [function("f")]}, {"instructions": "x"}, {"reasoning": {}}):
        assert (await anna.send("POST", RESPONSES, body | change, headers)).status == 400
    assert (await anna.send("POST", RESPONSES, body)).status == 400


async def test_compact_knows_fewer_fields(anna: CodexClient) -> None:
    good = {"model": "gpt-6-sol", "input": [user("hello")], "tools": []}
    assert (await anna.send("POST", COMPACT, good)).status == 200
    for name in ("store", "stream", "include"):
        answer = await anna.send("POST", COMPACT, {**good, name: False})
        assert answer.json == {"detail": f"Unsupported parameter: {name}"}
    bad = {**copy.deepcopy(good), "input": "hello"}
    assert (await anna.send("POST", COMPACT, bad)).json == {"detail": "Input must be a list"}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"'])
async def test_what_is_no_json_object_is_refused(anna: CodexClient, raw: bytes) -> None:
    url = anna.base + RESPONSES
    async with anna.session.post(url, data=raw, headers=anna.headers()) as response:
        assert (response.status, await response.json()) == (400, {"detail": "Invalid JSON body"})
