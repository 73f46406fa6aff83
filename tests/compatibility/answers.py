"""The support list of responses."""

import asyncio
import json
import re
from typing import Any

from tests.compatibility.case import Case, Seen, Verdict, honoured, ignored, kind, refused
from tests.compatibility.chats import BOTH, PIXEL, SCHEMA

RESPONSE: dict[str, Any] = {"model": "gpt-4o", "input": "Hello"}
TOOLS: dict[str, Any] = {
    "input": BOTH["messages"][0]["content"],
    "tools": [{"type": "function", **tool["function"]} for tool in BOTH["tools"]],
}
FLAT_SCHEMA = {"type": "json_schema", **SCHEMA}
CALL = {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "ahoy 5"}
CUSTOM: dict[str, Any] = {"type": "custom", "name": "apply_patch"}
NAMESPACE: dict[str, Any] = {"type": "namespace", "name": "files", "tools": [TOOLS["tools"][1]]}
CUSTOM_CALL = {
    "type": "custom_tool_call",
    "call_id": "call_1",
    "name": "edit",
    "input": "*** Begin",
}
CUSTOM_OUTPUT = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "ahoy 5"}
SEARCH: dict[str, Any] = {"type": "tool_search", "execution": "client"}
SEARCH_CALL = {"type": "tool_search_call", "call_id": "call_1", "arguments": {"query": "ahoy 5"}}
FOUND = {"type": "tool_search_output", "call_id": "call_1", "tools": [NAMESPACE]}
HELLO = {"role": "user", "content": "Hello"}
# What a model did by itself, as history: it is told in the text of its answer.
HISTORY = (
    *("file_search_call", "computer_call", "web_search_call", "reasoning"),
    *("image_generation_call", "code_interpreter_call", "mcp_list_tools", "mcp_call"),
)
UNKNOWN_ITEMS = (
    *(
        "computer_call_output",
        "configuration_update",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
    ),
    *("shell_call_output", "apply_patch_call", "apply_patch_call_output", "mcp_approval_request"),
    *("mcp_approval_response", "compaction_trigger", "program", "program_output"),
)
OWN_TOOLS = ("web_search", "web_search_2025_08_26", "web_search_preview")
OWN_TOOLS += ("web_search_preview_2025_03_11", "code_interpreter", "image_generation")
UNKNOWN_TOOLS = (
    *("file_search", "computer", "computer_use_preview", "mcp", "programmatic_tool_calling"),
    *("local_shell", "shell", "apply_patch"),
)


def names(seen: Seen) -> list[str]:
    """Return the functions that a response calls."""
    output = seen.answer.json["output"]
    return [item["name"] for item in output if item["type"] == "function_call"]


async def is_gone(seen: Seen) -> bool:
    path = f"/responses/{seen.answer.json['id']}"
    return (await seen.call("GET", path)).status == 404


async def is_kept(seen: Seen) -> bool:
    path = f"/responses/{seen.answer.json['id']}"
    return (await seen.call("GET", path)).json["output"] == seen.answer.json["output"]


def goes_on(seen: Seen) -> bool:
    """Whether the turn is of a conversation that was there, with one message only."""
    assert seen.turn is not None
    return bool(seen.turn["conversation_id"]) and len(seen.turn["messages"]) == 1


async def ends_by_itself(seen: Seen) -> bool:
    """Whether a response is queued at first, and polled to its end."""
    response = seen.answer.json
    assert response["status"] == "queued"
    while response["status"] in ("queued", "in_progress"):
        await asyncio.sleep(0.02)
        response = (await seen.call("GET", f"/responses/{response['id']}")).json
    return bool(response["status"] == "completed")


def first_number(seen: Seen) -> int:
    """Return the number of the first event."""
    return int(re.findall(rb'"sequence_number":(\d+)', seen.answer.body)[0])


def tokens(seen: Seen) -> int:
    """Return the tokens that were counted, without a turn."""
    assert seen.turn is None
    return int(seen.answer.json["input_tokens"])


async def has_items(seen: Seen, number: int) -> bool:
    path = f"/conversations/{seen.answer.json['id']}/items"
    return len((await seen.call("GET", path)).json["data"]) == number


def part(**one: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [one]}]}


RESPONSE_CASES: list[Case] = [
    honoured("input", "Ahoy", lambda seen: "Ahoy" in seen.words),
    honoured("input", [HELLO], lambda seen: "Hello" in seen.words),
    refused("input", []),
    honoured("model", "gpt-4o-mini", lambda seen: seen.turn["model"] == "gpt-4o-mini"),
    honoured("instructions", "Be brief", lambda seen: "Be brief" in seen.words),
    honoured("previous_response_id", "{response}", goes_on),
    honoured("stream", True, lambda seen: seen.answer.headers["Content-Type"].startswith("text/e")),
    honoured("store", False, is_gone),
    honoured("store", True, is_kept),
    honoured("metadata", {"a": "b"}, lambda seen: seen.answer.json["metadata"] == {"a": "b"}),
    honoured(
        "max_output_tokens",
        1,
        lambda seen: seen.answer.json["incomplete_details"] == {"reason": "max_output_tokens"},
    ),
    honoured("tools", TOOLS["tools"], lambda seen: names(seen) == ["get_weather", "add"], **TOOLS),
    honoured("tool_choice", "none", lambda seen: not names(seen), **TOOLS),
    honoured(
        "tool_choice",
        {"type": "function", "name": "add"},
        lambda seen: names(seen) == ["add"],
        **TOOLS,
    ),
    honoured(
        "tool_choice",
        {"type": "web_search"},
        lambda seen: seen.turn["system_hints"] == ["search"],
        tools=[{"type": "web_search"}],
    ),
    honoured(
        "tool_choice",
        {"type": "image_generation"},
        lambda seen: seen.turn["system_hints"] == ["picture_v2"],
        tools=[{"type": "image_generation"}],
    ),
    honoured("reasoning", {"effort": "max"}, lambda seen: seen.turn["thinking_effort"] == "max"),
    honoured("parallel_tool_calls", False, lambda seen: len(names(seen)) == 1, **TOOLS),
    honoured(
        "text",
        {"format": {"type": "json_object"}},
        lambda seen: isinstance(json.loads(seen.content), dict),
    ),
    honoured("background", False, lambda seen: seen.answer.json["status"] == "completed"),
    honoured("background", True, ends_by_itself),
    honoured("conversation", "{conversation}", lambda seen: "Ahoy there" in seen.words),
    refused("prompt", {"id": "pmpt_1"}),
    ignored("include", ["message.output_text.logprobs", "reasoning.encrypted_content"]),
    refused("temperature", 2.5),
    ignored("truncation", "auto"),
    ignored("truncation", "disabled", is_silent=True),
    ignored("stream_options", {"include_obfuscation": False}, is_silent=True),
    *(
        ignored(name, value)
        for name, value in {
            "access_programs": ["a"],
            "background_options": {},
            "context_management": [],
            "image": {},
            "max_tool_calls": 1,
            "moderation": {"model": "omni-moderation-latest"},
            "prompt_cache_key": "a",
            "prompt_cache_options": {"mode": "auto"},
            "prompt_cache_retention": "24h",
            "reasoning": {"effort": "low"},
            "safety_identifier": "a",
            "service_tier": "flex",
            "temperature": 0.5,
            "top_logprobs": 2,
            "top_p": 0.5,
            "user": "a",
        }.items()
    ),
    kind(
        "input[].type: message",
        Verdict.HONOURED,
        {"input": [{"type": "message", "role": "user", "content": "Ahoy"}]},
        lambda seen: "Ahoy" in seen.words,
    ),
    kind(
        "input[].type: function_call",
        Verdict.HONOURED,
        {"input": [HELLO, CALL, OUTPUT]},
        lambda seen: "add" in seen.words,
    ),
    kind(
        "input[].type: function_call_output",
        Verdict.HONOURED,
        {"input": [HELLO, CALL, OUTPUT]},
        lambda seen: "ahoy 5" in seen.words,
    ),
    kind(
        "input[].type: custom_tool_call",
        Verdict.HONOURED,
        {"input": [HELLO, CUSTOM_CALL, CUSTOM_OUTPUT]},
        lambda seen: "*** Begin" in seen.words,
    ),
    kind(
        "input[].type: custom_tool_call_output",
        Verdict.HONOURED,
        {"input": [HELLO, CUSTOM_CALL, CUSTOM_OUTPUT]},
        lambda seen: "ahoy 5" in seen.words,
    ),
    kind(
        "input[].type: tool_search_call",
        Verdict.HONOURED,
        {"input": [HELLO, SEARCH_CALL, FOUND]},
        lambda seen: "ahoy 5" in seen.words,
    ),
    kind(
        "input[].type: tool_search_output",
        Verdict.HONOURED,
        {"input": [HELLO, SEARCH_CALL, FOUND]},
        lambda seen: "files__add" in seen.words,
    ),
    kind(
        "input[].type: additional_tools",
        Verdict.HONOURED,
        {
            "input": [
                {"type": "additional_tools", "role": "developer", "tools": TOOLS["tools"]},
                {"role": "user", "content": TOOLS["input"]},
            ]
        },
        lambda seen: names(seen) == ["get_weather", "add"],
    ),
    kind(
        "input[].type: compaction",
        Verdict.HONOURED,
        {"input": [{"type": "compaction", "encrypted_content": "{compaction}"}, HELLO]},
        lambda seen: "given as this summary" in seen.words,
    ),
    kind(
        "input[].type: item_reference",
        Verdict.HONOURED,
        {"input": [{"type": "item_reference", "id": "{item}"}, HELLO]},
        lambda seen: "Ahoy there" in seen.words,
    ),
    *(
        kind(f"input[].type: {one}", Verdict.IGNORED, {"input": [{"type": one}, HELLO]})
        for one in HISTORY
    ),
    *(
        kind(f"input[].type: {one}", Verdict.REFUSED, {"input": [{"type": one}, HELLO]})
        for one in UNKNOWN_ITEMS
    ),
    kind(
        "input[].content[].type: input_text",
        Verdict.HONOURED,
        part(type="input_text", text="Ahoy"),
        lambda seen: "Ahoy" in seen.words,
    ),
    kind(
        "input[].content[].type: input_image",
        Verdict.HONOURED,
        part(type="input_image", image_url=PIXEL, detail="auto"),
        lambda seen: "image_asset_pointer" in seen.words,
    ),
    kind(
        "input[].content[].type: input_file",
        Verdict.HONOURED,
        part(type="input_file", file_id="{file}"),
        lambda seen: "boats.txt" in seen.words,
    ),
    kind(
        "tools[].type: function",
        Verdict.HONOURED,
        TOOLS,
        lambda seen: names(seen) == ["get_weather", "add"],
    ),
    kind(
        "tools[].type: custom",
        Verdict.HONOURED,
        {"input": "apply a patch", "tools": [CUSTOM]},
        lambda seen: seen.answer.json["output"][0]["type"] == "custom_tool_call",
    ),
    kind(
        "tools[].type: tool_search",
        Verdict.HONOURED,
        {"input": "search the tools", "tools": [SEARCH]},
        lambda seen: seen.answer.json["output"][0]["type"] == "tool_search_call",
    ),
    kind(
        "tools[].type: namespace",
        Verdict.HONOURED,
        {**TOOLS, "tools": [NAMESPACE]},
        lambda seen: seen.answer.json["output"][0]["namespace"] == "files",
    ),
    *(
        kind(f"tools[].type: {one}", Verdict.IGNORED, {"tools": [{"type": one}]})
        for one in OWN_TOOLS
    ),
    *(
        kind(f"tools[].type: {one}", Verdict.REFUSED, {"tools": [{"type": one}]})
        for one in UNKNOWN_TOOLS
    ),
    kind(
        "text.format.type: text",
        Verdict.HONOURED,
        {"text": {"format": {"type": "text"}}},
        lambda seen: seen.content.startswith("Demo answer"),
    ),
    kind(
        "text.format.type: json_object",
        Verdict.HONOURED,
        {"text": {"format": {"type": "json_object"}}},
        lambda seen: isinstance(json.loads(seen.content), dict),
    ),
    kind(
        "text.format.type: json_schema",
        Verdict.HONOURED,
        {"text": {"format": FLAT_SCHEMA}},
        lambda seen: "city" in json.loads(seen.content),
    ),
]
RETRIEVE_CASES: list[Case] = [
    ignored("include", "message.output_text.logprobs", is_silent=True),
    ignored("include_obfuscation", "false", is_silent=True),
    honoured("starting_after", "1", lambda seen: first_number(seen) == 2, stream="true"),
    honoured("stream", "true", lambda seen: first_number(seen) == 0),
]
COUNT_INPUT: dict[str, Any] = {"model": "gpt-4o", "input": "Hello"}
PLAIN_TOKENS = 8  # of that
COUNT_INPUT_CASES: list[Case] = [
    honoured("input", "Hello, how are you today?", lambda seen: tokens(seen) > PLAIN_TOKENS),
    honoured("instructions", "Be brief", lambda seen: tokens(seen) > PLAIN_TOKENS),
    honoured("conversation", "{conversation}", lambda seen: tokens(seen) > PLAIN_TOKENS),
    honoured("previous_response_id", "{response}", lambda seen: tokens(seen) > PLAIN_TOKENS),
    honoured("tools", TOOLS["tools"], lambda seen: tokens(seen) > PLAIN_TOKENS),
    honoured(
        "tool_choice", "none", lambda seen: tokens(seen) == PLAIN_TOKENS, **TOOLS | COUNT_INPUT
    ),
    honoured("text", {"format": {"type": "json_object"}}, lambda seen: tokens(seen) > PLAIN_TOKENS),
    *(
        ignored(name, value, is_silent=True)
        for name, value in {
            "model": "gpt-4o-mini",
            "parallel_tool_calls": False,
            "personality": "friendly",
            "reasoning": {"effort": "low"},
            "truncation": "auto",
        }.items()
    ),
]
CONVERSATION_CASES: list[Case] = [
    honoured("items", [HELLO], lambda seen: has_items(seen, 1)),
    honoured("metadata", {"a": "b"}, lambda seen: seen.answer.json["metadata"] == {"a": "b"}),
]
UPDATE: dict[str, Any] = {"metadata": {}}
UPDATE_CASES: list[Case] = [
    honoured("metadata", {"a": "b"}, lambda seen: seen.answer.json["metadata"] == {"a": "b"}),
]
ADD: dict[str, Any] = {"items": [{**HELLO, "id": "msg_of_callers"}]}
ADD_CASES: list[Case] = [
    honoured("items", [HELLO, HELLO], lambda seen: len(seen.answer.json["data"]) == 2),
    ignored("include", ["message.output_text.logprobs"], is_silent=True),
]
CONVERSATION_ITEM_CASES: list[Case] = [
    honoured("after", "{last_said}", lambda seen: len(seen.answer.json["data"]) == 1),
    honoured("limit", "1", lambda seen: len(seen.answer.json["data"]) == 1),
    honoured("order", "asc", lambda seen: "first" in json.dumps(seen.answer.json["data"][0])),
    ignored("include", "message.output_text.logprobs", is_silent=True),
]
INPUT_ITEM_CASES: list[Case] = [
    honoured("after", "{last_item}", lambda seen: len(seen.answer.json["data"]) == 1),
    honoured("limit", "1", lambda seen: len(seen.answer.json["data"]) == 1),
    honoured("order", "asc", lambda seen: "first" in json.dumps(seen.answer.json["data"][0])),
    ignored("include", "message.output_text.logprobs", is_silent=True),
]

COMPACT: dict[str, Any] = {"model": "gpt-4o", "input": "Hello"}
COMPACT_CASES: list[Case] = [
    honoured("model", "gpt-4o-mini", lambda seen: seen.turn["model"] == "gpt-4o-mini"),
    honoured("input", "Ahoy", lambda seen: "Ahoy" in seen.words),
    refused("input", []),
    honoured("instructions", "Be brief", lambda seen: "Be brief" in seen.words),
    honoured(
        "previous_response_id", "{response}", lambda seen: bool(seen.turn.get("conversation_id"))
    ),
    *(
        ignored(name, value)
        for name, value in {
            "image": {"detail": "low"},
            "prompt_cache_key": "a",
            "prompt_cache_options": {"mode": "explicit"},
            "prompt_cache_retention": "24h",
            "service_tier": "flex",
        }.items()
    ),
]
