"""The support list of chat completions and completions."""

import json
from typing import Any

from tests.compatibility.case import Case, Seen, Verdict, honoured, ignored, kind, refused
from tests.test_sdk_tools import ADD, WEATHER

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BOTH: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Add 2 and 3 to the weather in Rome"}],
    "tools": [WEATHER, ADD],
}
LEGACY: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Add 2 and 3"}],
    "functions": [ADD["function"]],
}
SCHEMA = {"name": "trip", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
COMPLETION: dict[str, Any] = {"model": "gpt-4o", "prompt": "Hello"}


def names(seen: Seen) -> list[str]:
    """Return the functions that a chat completion calls."""
    calls = seen.answer.json["choices"][0]["message"].get("tool_calls", [])
    return [call["function"]["name"] for call in calls]


def legacy_name(seen: Seen) -> Any:
    return seen.answer.json["choices"][0]["message"].get("function_call", {}).get("name")


def finish(seen: Seen) -> Any:
    return seen.answer.json["choices"][0]["finish_reason"]


def asking(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [*parts]}]}


def saying(role: str, **more: Any) -> dict[str, Any]:
    """Return a history with a message of this role in it."""
    said = {"role": role, "content": f"words of {role}", **more}
    return {"messages": [{"role": "user", "content": "Hello"}, said]}


def is_heard(role: str, sent_as: str) -> Any:
    def heard(seen: Seen) -> bool:
        assert seen.turn is not None
        last = seen.turn["messages"][-1]
        return last["author"]["role"] == sent_as and f"words of {role}" in seen.words

    return heard


CHAT_CASES: list[Case] = [
    honoured("messages", CHAT["messages"], lambda seen: "Hello" in seen.words),
    refused("messages", []),
    honoured("model", "gpt-4o-mini", lambda seen: seen.turn["model"] == "gpt-4o-mini"),
    honoured("stream", True, lambda seen: seen.answer.is_stream),
    honoured(
        "stream_options",
        {"include_usage": True},
        lambda seen: seen.answer.events[-2]["usage"]["total_tokens"] > 0,
        stream=True,
    ),
    honoured("max_tokens", 1, lambda seen: finish(seen) == "length"),
    honoured("max_completion_tokens", 1, lambda seen: finish(seen) == "length"),
    honoured("stop", ["answer"], lambda seen: seen.content.strip() == "Demo"),
    honoured("n", 1, lambda seen: len(seen.answer.json["choices"]) == 1),
    refused("n", 2),
    honoured("modalities", ["text"], lambda seen: seen.content),
    refused("modalities", ["text", "audio"]),
    refused("audio", {"voice": "alloy", "format": "mp3"}),
    honoured("tools", BOTH["tools"], lambda seen: names(seen) == ["get_weather", "add"], **BOTH),
    honoured("tool_choice", "none", lambda seen: not names(seen), **BOTH),
    honoured(
        "tool_choice",
        {"type": "function", "function": {"name": "add"}},
        lambda seen: names(seen) == ["add"],
        **BOTH,
    ),
    honoured("parallel_tool_calls", False, lambda seen: len(names(seen)) == 1, **BOTH),
    honoured("functions", LEGACY["functions"], lambda seen: legacy_name(seen) == "add", **LEGACY),
    honoured("function_call", "none", lambda seen: legacy_name(seen) is None, **LEGACY),
    honoured(
        "response_format",
        {"type": "json_object"},
        lambda seen: isinstance(json.loads(seen.content), dict),
    ),
    honoured("reasoning_effort", "high", lambda seen: seen.turn["thinking_effort"] == "extended"),
    honoured("web_search_options", {}, lambda seen: seen.turn["system_hints"] == ["search"]),
    refused("stop", ["1", "2", "3", "4", "5"]),
    refused("temperature", 2.5),
    refused("top_p", 1.5),
    refused("presence_penalty", -3),
    refused("frequency_penalty", 3),
    *(
        ignored(name, value)
        for name, value in {
            "frequency_penalty": 0.5,
            "logit_bias": {"1": 1},
            "metadata": {"a": "b"},
            "moderation": {"model": "omni-moderation-latest"},
            "prediction": {"type": "content", "content": "Hello"},
            "presence_penalty": 0.5,
            "prompt_cache_key": "a",
            "prompt_cache_options": {"mode": "auto"},
            "prompt_cache_retention": "24h",
            "reasoning_effort": "low",
            "safety_identifier": "a",
            "seed": 1,
            "service_tier": "flex",
            "store": True,
            "temperature": 0.5,
            "logprobs": True,
            "top_logprobs": 2,
            "top_p": 0.5,
            "user": "a",
            "verbosity": "low",
        }.items()
    ),
    *(
        kind(
            f"messages[].role: {role}", Verdict.HONOURED, saying(role, **more), is_heard(role, as_)
        )
        for role, as_, more in (
            ("developer", "system", {}),
            ("system", "system", {}),
            ("user", "user", {}),
            ("assistant", "assistant", {}),
            ("tool", "user", {"tool_call_id": "call_1"}),
            ("function", "user", {"name": "add"}),
        )
    ),
    kind(
        "messages[].content[].type: text",
        Verdict.HONOURED,
        asking({"type": "text", "text": "Ahoy"}),
        lambda seen: "Ahoy" in seen.words,
    ),
    kind(
        "messages[].content[].type: image_url",
        Verdict.HONOURED,
        asking({"type": "image_url", "image_url": {"url": PIXEL}}),
        lambda seen: "image_asset_pointer" in seen.words,
    ),
    kind(
        "messages[].content[].type: file",
        Verdict.HONOURED,
        asking({"type": "file", "file": {"file_id": "{file}"}}),
        lambda seen: "boats.txt" in seen.words,
    ),
    kind(
        "messages[].content[].type: input_audio",
        Verdict.REFUSED,
        asking({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
    ),
    kind(
        "tools[].type: function",
        Verdict.HONOURED,
        BOTH,
        lambda seen: names(seen) == ["get_weather", "add"],
    ),
    kind(
        "tools[].type: custom",
        Verdict.REFUSED,
        {"tools": [{"type": "custom", "custom": {"name": "a"}}]},
    ),
    kind(
        "response_format.type: text",
        Verdict.HONOURED,
        {"response_format": {"type": "text"}},
        lambda seen: seen.content.startswith("Demo answer"),
    ),
    kind(
        "response_format.type: json_object",
        Verdict.HONOURED,
        {"response_format": {"type": "json_object"}},
        lambda seen: isinstance(json.loads(seen.content), dict),
    ),
    kind(
        "response_format.type: json_schema",
        Verdict.HONOURED,
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        lambda seen: "city" in json.loads(seen.content),
    ),
]
COMPLETION_CASES: list[Case] = [
    honoured("prompt", "Ahoy", lambda seen: "Ahoy" in seen.words),
    honoured("prompt", ["Ahoy"], lambda seen: "Ahoy" in seen.words),
    refused("prompt", ["Ahoy", "Hello"]),
    refused("prompt", [1, 2]),
    honoured("model", "gpt-4o-mini", lambda seen: seen.turn["model"] == "gpt-4o-mini"),
    honoured("stream", True, lambda seen: seen.answer.is_stream),
    honoured(
        "stream_options",
        {"include_usage": True},
        lambda seen: seen.answer.events[-2]["usage"]["total_tokens"] > 0,
        stream=True,
    ),
    honoured("max_tokens", 1, lambda seen: finish(seen) == "length"),
    honoured("stop", "answer", lambda seen: seen.content.strip() == "Demo"),
    honoured("echo", True, lambda seen: seen.content.startswith("HelloDemo answer")),
    honoured("n", 1, lambda seen: len(seen.answer.json["choices"]) == 1),
    refused("n", 2),
    refused("best_of", 2),
    refused("suffix", "the end"),
    *(
        ignored(name, value)
        for name, value in {
            "frequency_penalty": 0.5,
            "logit_bias": {"1": 1},
            "logprobs": 1,
            "presence_penalty": 0.5,
            "seed": 1,
            "temperature": 0.5,
            "top_p": 0.5,
            "user": "a",
        }.items()
    ),
]
