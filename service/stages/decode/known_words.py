"""The words of messages that protocol.md describes; others are counted.

These lists decide nothing. A word that is not on them is counted as an unknown event, so that the
operator hears of a change of the upstream before the users do.
"""

import json
import re
from itertools import islice
from typing import Any

from service.vocabulary.events import Message

ROLES = frozenset({"system", "user", "assistant", "tool", "critic"})
CHANNELS = frozenset({"final", "analysis", "commentary"})
CONTENT_TYPES = frozenset(
    {
        *("text", "multimodal_text", "code", "execution_output", "system_error", "stderr"),
        *("tether_browsing_display", "tether_browsing_code", "tether_quote", "sonic_webpage"),
        *("user_editable_context", "model_editable_context", "thoughts", "reasoning_recap"),
        *("computer_output", "app_pairing_content", "tool_output", "media", "citation"),
        "developer_content",
    }
)
PART_TYPES = frozenset(
    {
        *("image_asset_pointer", "audio_transcription", "audio_asset_pointer"),
        "real_time_user_audio_video_asset_pointer",
    }
)
# The part of a tool's name before its function; GPT actions have names of their own.
TOOLS = frozenset(
    {
        *("python", "code_interpreter", "python_user_visible", "container", "browser"),
        *("web", "search", "myfiles_browser", "file_search", "dalle", "t2uay3k", "n7jupd"),
        *("n7jupd_m", "image_gen", "ghostrider"),
        *("bio", "canmore", "research_kickoff_tool", "api_tool", "functions", "local"),
        *("turn_plan", "genui", "a8km123", "all", "assistant", "user"),
    }
)
ACTION = "__jit_plugin"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,47}")
_ID_LIKE = re.compile(r"\d{6}|[0-9a-f]{8}-|\b(?:eyJ|[fps]k-)")  # might be private
_MAX_KEYS = 12
_MAX_DEPTH = 2


def unknown_words(message: Message) -> list[str]:
    """Return the kind of unknown event for each word of a message that is on no list."""
    unknown: list[str] = []
    if message.role not in ROLES:
        unknown.append(f"role {plain_word(message.role)}")
    if message.channel is not None and message.channel not in CHANNELS:
        unknown.append(f"channel {plain_word(message.channel)}")
    if message.content_type not in CONTENT_TYPES:
        unknown.append(f"content type {plain_word(message.content_type)}")
    if not is_known_tool(message.recipient) and not is_action(message):
        unknown.append(f"recipient {plain_word(message.recipient)}")
    tool = message.name if message.role == "tool" else None
    if tool and not is_known_tool(tool) and not is_action(message):
        unknown.append(f"tool {plain_word(tool)}")
    for part in message.pointers:
        kind = part.get("content_type")
        if isinstance(kind, str) and kind not in PART_TYPES:
            unknown.append(f"part type {plain_word(kind)}")
    return unknown


def is_action(message: Message) -> bool:
    """Tell whether a message calls an action of a GPT or plugin, or is its reply."""
    name = message.recipient if message.role == "assistant" else message.name or ""
    if ACTION in name or isinstance(message.metadata.get("invoked_plugin"), dict):
        return True
    is_of_gpt = isinstance(message.metadata.get("gizmo_id"), str)
    return is_of_gpt and "." in name and not is_known_tool(name)


def is_known_tool(name: str) -> bool:
    """Tell whether protocol.md knows a tool of this name."""
    return name in TOOLS or tool_of(name) in TOOLS or ACTION in name


def tool_of(name: str) -> str:
    """Return the part of a tool's name before its function."""
    return name.partition(".")[0].partition("/")[0]


def plain_word(word: str) -> str:
    """Return a word fit for a label, with anything that may be an id or a text removed."""
    if not word:
        return "(none)"
    return word if _PLAIN.fullmatch(word) and not _ID_LIKE.search(word) else "(not a plain word)"


def sketch(value: Any) -> str:
    """Return the keys of a JSON value with the types of their values, as JSON and bounded."""
    return json.dumps(_sketched(value, _MAX_DEPTH))


def sketch_of(message: Message) -> str:
    """Return the keys of a message's content and metadata."""
    return sketch({"content": message.content, "metadata": message.metadata})


def _sketched(value: Any, depth: int) -> Any:
    match value:
        case dict():
            inner = islice(value.items(), _MAX_KEYS if depth else 0)
            return {plain_word(key): _sketched(each, depth - 1) for key, each in inner}
        case list():
            return [_sketched(each, depth - 1) for each in islice(value, 1 if depth else 0)]
        case str():
            return ""
        case bool() | None:
            return value
        case _:
            return 0
