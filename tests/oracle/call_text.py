"""Calls in a whole text, read plainly: every wrapper is one regular expression.

It knows well-formed calls only, each on lines of its own, and tells nothing about
white space.
"""

import json
import re
from typing import Any

_WRAPPERS = (
    re.compile(r"```\w*\n<tool_call>\n(?P<json>.*)\n</tool_call>\n```"),
    re.compile(r"<tool_call>\n```json\n(?P<json>.*)\n```\n</tool_call>"),
    re.compile(r"<tool_call>\n(?P<json>.*)\n</tool_call>"),
    re.compile(r"```json\n(?P<json>.*)\n```"),
    re.compile(r"^(?P<json>\{.*\})$", re.MULTILINE),
)


def written(name: str, arguments: dict[str, Any], form: str, is_ascii: bool) -> str:
    """Return a call as a model writes it, in lines of its own."""
    call: dict[str, Any] = {"name": name, "arguments": arguments}
    if form == "openai":
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"tool_calls": [{"id": "x", "type": "function", "function": function}]}
    text = json.dumps(call, ensure_ascii=is_ascii)
    around = {
        "tag": f"<tool_call>\n{text}\n</tool_call>",
        "fenced tag": f"```xml\n<tool_call>\n{text}\n</tool_call>\n```",
        "tag of a fence": f"<tool_call>\n```json\n{text}\n```\n</tool_call>",
        "fence": f"```json\n{text}\n```",
    }
    return f"\n{around.get(form, text)}\n"


def read(text: str, names: tuple[str, ...]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Return the text without its calls, and the calls in order."""
    calls: list[tuple[int, str, dict[str, Any]]] = []
    for wrapper in _WRAPPERS:
        for match in wrapper.finditer(text):
            value = json.loads(match["json"])
            if "tool_calls" in value:
                function = value["tool_calls"][0]["function"]
                value = {**function, "arguments": json.loads(function["arguments"])}
            assert value["name"] in names
            calls.append((match.start(), value["name"], value["arguments"]))
        text = wrapper.sub(lambda match: " " * len(match[0]), text)
    return text, [(name, arguments) for _, name, arguments in sorted(calls, key=lambda c: c[0])]
