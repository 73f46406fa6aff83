"""The support list of messages, Anthropic's dialect."""

import json
from typing import Any

from tests.compatibility.case import Case, Seen, Verdict, honoured, ignored, kind, refused
from tests.compatibility.chats import PIXEL

MESSAGE: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello"}],
}
COUNT: dict[str, Any] = {name: MESSAGE[name] for name in ("model", "messages")}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
ADD = {"name": "add", "description": "Add numbers.", "input_schema": SCHEMA}
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
BOTH: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Add 2 and 3 to the weather in Rome"}],
    "tools": [WEATHER, ADD],
}
THINKS: dict[str, Any] = {"messages": [{"role": "user", "content": "reason about boats"}]}
FORMAT = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ahoy 5"}
PICTURE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]},
}
DOCUMENT = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "boats float"},
}
FOUND = {
    "type": "search_result",
    "source": "s",
    "title": "t",
    "content": [{"type": "text", "text": "boats float"}],
}
PAGES = {
    "type": "web_search_tool_result",
    "tool_use_id": "a",
    "content": [{"type": "web_search_result", "url": "https://a.example", "title": "A"}],
}
# What a model did by itself elsewhere, or thought: it is in no one's history here.
HISTORY = (
    *("thinking", "redacted_thinking", "server_tool_use", "web_fetch_tool_result"),
    *("code_execution_tool_result", "bash_code_execution_tool_result"),
    *("text_editor_code_execution_tool_result", "tool_search_tool_result"),
)
OWN_TOOLS = ("bash_20250124", "text_editor_20250124", "text_editor_20250429")
OWN_TOOLS += ("text_editor_20250728",)
SEARCHES = ("web_search_20250305", "web_search_20260209", "web_search_20260318")
UNKNOWN_TOOLS = (
    *("code_execution_20250522", "code_execution_20250825", "code_execution_20260120"),
    *("code_execution_20260521", "browser_toolset_20260801", "memory_20250818"),
    *("computer_toolset_20260801", "web_fetch_20250910", "web_fetch_20260209"),
    *("web_fetch_20260309", "web_fetch_20260318", "tool_search_tool_bm25_20251119"),
    *("tool_search_tool_bm25", "tool_search_tool_regex_20251119", "tool_search_tool_regex"),
)
INERT = {
    "cache_control": {"type": "ephemeral"},
    "diagnostics": {"previous_message_id": None},
    "inference_geo": "us",
    "metadata": {"user_id": "a"},
    "service_tier": "auto",
    "speed": "standard",
    "user_profile_id": "a",
    "workspace_id": "a",
}


def names(seen: Seen) -> list[str]:
    """Return the tools that a message uses."""
    return [one["name"] for one in seen.answer.json["content"] if one["type"] == "tool_use"]


def kinds(seen: Seen) -> list[str]:
    return [one["type"] for one in seen.answer.json["content"]]


def counts_more(seen: Seen) -> bool:
    return bool(seen.turn is None and seen.answer.json["input_tokens"] > 12)


def asking(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [*blocks]}]}


def after(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return a history that begins with what the model said."""
    return {"messages": [{"role": "assistant", "content": [*blocks]}, *MESSAGE["messages"]]}


def answering(*blocks: dict[str, Any]) -> dict[str, Any]:
    messages = [*MESSAGE["messages"], {"role": "assistant", "content": [USE]}]
    return {"messages": [*messages, {"role": "user", "content": [*blocks]}]}


MESSAGE_CASES: list[Case] = [
    honoured("messages", MESSAGE["messages"], lambda seen: "Hello" in seen.words),
    refused("messages", []),
    honoured("model", "gpt-4o-mini", lambda seen: seen.turn["model"] == "gpt-4o-mini"),
    honoured("model", "claude-haiku-4-5", lambda seen: seen.turn["model"] == "gpt-4o-mini"),
    honoured("max_tokens", 1, lambda seen: seen.answer.json["stop_reason"] == "max_tokens"),
    refused("max_tokens", -1),
    honoured(
        "stop_sequences",
        ["answer"],
        lambda seen: seen.answer.json["stop_sequence"] == "answer",
    ),
    honoured("stream", True, lambda seen: seen.answer.headers["Content-Type"].startswith("text/e")),
    honoured("system", "Be brief", lambda seen: "Be brief" in seen.words),
    honoured("tools", BOTH["tools"], lambda seen: names(seen) == ["get_weather", "add"], **BOTH),
    honoured("tool_choice", {"type": "none"}, lambda seen: not names(seen), **BOTH),
    honoured(
        "thinking",
        {"type": "adaptive"},
        lambda seen: kinds(seen) == ["thinking", "text"],
        **THINKS,
    ),
    honoured(
        "output_config",
        FORMAT,
        lambda seen: json.loads(seen.answer.json["content"][0]["text"]) is not None,
    ),
    honoured(
        "output_config",
        {"effort": "high"},
        lambda seen: seen.turn["thinking_effort"] == "extended",
    ),
    refused("container", "container_1"),
    *(ignored(name, value) for name, value in INERT.items()),
    kind(
        "messages[].role: user",
        Verdict.HONOURED,
        {"messages": [{"role": "user", "content": "Ahoy"}]},
        lambda seen: "Ahoy" in seen.words,
    ),
    kind(
        "messages[].role: assistant",
        Verdict.HONOURED,
        after({"type": "text", "text": "Ahoy"}),
        lambda seen: "Ahoy" in seen.words,
    ),
    kind(
        "messages[].role: system",
        Verdict.HONOURED,
        {"messages": [{"role": "system", "content": "Ahoy"}, *MESSAGE["messages"]]},
        lambda seen: "Ahoy" in seen.words,
    ),
    kind(
        "messages[].content[].type: text",
        Verdict.HONOURED,
        asking({"type": "text", "text": "Ahoy"}),
        lambda seen: "Ahoy" in seen.words,
    ),
    kind(
        "messages[].content[].type: image",
        Verdict.HONOURED,
        asking(PICTURE),
        lambda seen: "image_asset_pointer" in seen.words,
    ),
    kind(
        "messages[].content[].type: document",
        Verdict.HONOURED,
        asking(DOCUMENT),
        lambda seen: "boats float" in seen.words,
    ),
    kind(
        "messages[].content[].type: search_result",
        Verdict.HONOURED,
        asking(FOUND),
        lambda seen: "boats float" in seen.words,
    ),
    kind(
        "messages[].content[].type: tool_use",
        Verdict.HONOURED,
        answering(RESULT),
        lambda seen: "toolu_1" in seen.words,
    ),
    kind(
        "messages[].content[].type: tool_result",
        Verdict.HONOURED,
        answering(RESULT),
        lambda seen: "ahoy 5" in seen.words,
    ),
    kind(
        "messages[].content[].type: web_search_tool_result",
        Verdict.HONOURED,
        after(PAGES),
        lambda seen: "https://a.example" in seen.words,
    ),
    *(
        kind(f"messages[].content[].type: {one}", Verdict.IGNORED, after({"type": one}))
        for one in HISTORY
    ),
    kind(
        "messages[].content[].type: container_upload",
        Verdict.REFUSED,
        asking({"type": "container_upload", "file_id": "file_1"}),
    ),
    kind(
        "tools[].type: custom",
        Verdict.HONOURED,
        {**BOTH, "tools": [{**ADD, "type": "custom"}]},
        lambda seen: names(seen) == ["add"],
    ),
    *(
        kind(
            f"tools[].type: {one}",
            Verdict.HONOURED,
            {"tools": [{"type": one, "name": "its_name"}]},
            lambda seen: "its_name" in seen.words,
        )
        for one in OWN_TOOLS
    ),
    *(
        kind(
            f"tools[].type: {one}",
            Verdict.HONOURED,
            {
                "messages": [{"role": "user", "content": "search for boats"}],
                "tools": [{"type": one, "name": "web_search"}],
            },
            lambda seen: "web_search_tool_result" in kinds(seen),
        )
        for one in SEARCHES
    ),
    *(
        kind(f"tools[].type: {one}", Verdict.REFUSED, {"tools": [{"type": one, "name": "x"}]})
        for one in UNKNOWN_TOOLS
    ),
    *(
        kind(
            f"tool_choice.type: {one}",
            Verdict.HONOURED,
            {**BOTH, "tool_choice": {"type": one}},
            lambda seen: names(seen) == ["get_weather", "add"],
        )
        for one in ("auto", "any")
    ),
    kind(
        "tool_choice.type: tool",
        Verdict.HONOURED,
        {**BOTH, "tool_choice": {"type": "tool", "name": "add"}},
        lambda seen: names(seen) == ["add"],
    ),
    kind(
        "tool_choice.type: none",
        Verdict.HONOURED,
        {**BOTH, "tool_choice": {"type": "none"}},
        lambda seen: not names(seen),
    ),
    *(
        kind(
            f"thinking.type: {one}",
            Verdict.HONOURED,
            {**THINKS, "thinking": {"type": one}},
            lambda seen: kinds(seen) == ["thinking", "text"],
        )
        for one in ("enabled", "adaptive", "between_tools")
    ),
    kind(
        "thinking.type: disabled",
        Verdict.HONOURED,
        {**THINKS, "thinking": {"type": "disabled"}},
        lambda seen: kinds(seen) == ["text"],
    ),
]
COUNT_CASES: list[Case] = [
    honoured("messages", [{"role": "user", "content": "Hello " * 20}], counts_more),
    honoured("system", "Be brief " * 20, counts_more),
    honoured("tools", [ADD], counts_more),
    ignored("tool_choice", {"type": "auto"}, is_silent=True),
    ignored("thinking", {"type": "adaptive"}, is_silent=True),
    ignored("output_config", {"effort": "low"}, is_silent=True),
    ignored("model", "gpt-4o-mini", is_silent=True),
    *(
        ignored(name, INERT[name], is_silent=True)
        for name in ("cache_control", "speed", "user_profile_id", "workspace_id")
    ),
]
