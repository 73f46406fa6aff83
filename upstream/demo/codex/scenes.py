"""The scenes: a table of what is said and how, and the parts that they are made of."""

import io
import json
import re
import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import msgspec
from PIL import Image

from upstream.demo.codex.accounts import seal
from upstream.demo.codex.stream import Item, Manner
from upstream.demo.codex.talk import Talk, Tool
from upstream.demo.ground.pictures import draw, size_of
from upstream.demo.ground.samples import Sampler

Data = dict[str, Any]
Part = Callable[[Talk], list[Item]]

QUOTED_CHARS = 200
QUOTED_RESULT_CHARS = 2_000
MAX_PIXELS = 1536 * 1024
"""About what the real pictures are capped at; larger orders come out smaller (X5)."""
MAX_PARTIALS = 3
TOKENS_OF_A_PICTURE = 1_000
MIB = 1024 * 1024
MOST_MIB = 64
MIN_WORD_CHARS = 3
_SHELL = re.compile(r"(^|[_-])(shell|bash|sh|exec|command|terminal|cmd)($|[_-])", re.IGNORECASE)
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_COMMAND_FIELDS = ("command", "cmd", "script", "input")
_PATCH = "*** Begin Patch\n*** Add File: demo.txt\n+Written by the demo.\n*** End Patch"


class Scene(msgspec.Struct, frozen=True):
    """One scene."""

    name: str
    parts: tuple[Part, ...]
    words: str = ""
    """A regular expression that chooses it, too, when nothing is chosen by name."""
    needs: str = ""
    """The type of the tool without which words do not choose it."""
    manner: Manner = "pieces"
    first: tuple[Data, ...] = ()
    """Private events that open the stream; `codex.rate_limits` gets its fields when sent."""
    is_full: bool = False
    """Whether `response.completed` repeats the output, which the back end does not."""
    has_type: bool = False
    """Whether there is a Content-Type, which the back end leaves out."""
    is_bare: bool = False
    """Whether events have no line `event:`."""
    is_held_back: bool = False
    """Whether all comes at once after a silence."""


def choose_scene(talk: Talk) -> Scene:
    """Return the scene that a turn calls for: by name, by its tools, or by its words."""
    named = next((scene for scene in SCENES if scene.name == talk.scene.name), None)
    if named is not None or talk.scene.name:
        return named or Scene("unknown", (unknown,))
    if talk.choice == "image_generation":
        return Scene("image", (draw_picture,))
    if _meant(talk):
        return Scene("obedient", (call_meant,))
    if talk.schema is None and not talk.results:
        for scene in SCENES:
            is_meant = scene.words and re.search(scene.words, talk.text, re.IGNORECASE)
            if is_meant and (not scene.needs or scene.needs in talk.built_in):
                return scene
    return SCENES[0]


# --- Parts: each gives the items that it adds to the output.


def say(talk: Talk) -> list[Item]:
    """Say something about what was asked, or the JSON that was asked for."""
    if talk.schema is not None:
        value = Sampler(talk.schema, talk.text).value()
        return [message(json.dumps(value, ensure_ascii=False))]
    return [message(_answer(talk))]


def say_cited(talk: Talk) -> list[Item]:
    """Say something with two sources."""
    text, sources = talk.words("Demo: rivers flow", "演示：河水流动"), []
    for title, url in (("Rivers", "https://example.org/rivers"), ("Boats", "https://example.net/")):
        mark = f" ([{title}]({url}))"
        place = {"start_index": len(text), "end_index": len(text) + len(mark)}
        sources.append({"type": "url_citation", **place, "url": url, "title": title})
        text += mark + talk.words(", boats float", "，小船漂浮")
    return [message(text + ".", annotations=sources)]


def comment(talk: Talk) -> list[Item]:
    """Say what is about to be done."""
    text = talk.words("Demo: I am looking at it.", "演示：我先看一下。")
    return [message(text, phase="commentary")]


def decline(talk: Talk) -> list[Item]:
    """Refuse."""
    text = talk.words("Demo: I can't help with that.", "演示：这个我帮不了。")
    return [message(text, kind="refusal")]


def reason(talk: Talk) -> list[Item]:
    """Think, in two steps; they are shown and given out only to who asked for it."""
    steps = (
        talk.words(
            f"**Reading**\n\nI read {_quoted(talk.text)}.",
            f"**阅读**\n\n我读了{_quoted(talk.text)}。",
        ),
        talk.words("**Deciding**\n\nA demo does not think.", "**决定**\n\n演示并不思考。"),
    )
    summary = [{"type": "summary_text", "text": step} for step in steps]
    done: Data = {"id": _id("rs"), "type": "reasoning"}
    done["summary"] = summary if talk.wants_summary else []
    if talk.wants_encrypted:
        done["encrypted_content"] = seal(talk.caller.account_id, "\n".join(steps))
    return [Item(done)]


def search(talk: Talk) -> list[Item]:
    """Search the web."""
    action = {"type": "search", "query": talk.text[:QUOTED_CHARS] or "demo"}
    return [
        Item({"id": _id("ws"), "type": "web_search_call", "status": "completed", "action": action})
    ]


def draw_picture(talk: Talk) -> list[Item]:
    """Draw by the tool, with as many coarser pictures before as were asked for."""
    width, height = fitted(str(talk.picture.get("size") or ""), talk.text)
    kind = talk.picture.get("output_format") or "png"
    count = min(MAX_PARTIALS, int(talk.picture.get("partial_images") or 0))
    partials = [
        picture(talk.text, width >> step, height >> step, kind) for step in range(count, 0, -1)
    ]
    done = {
        "id": _id("ig"),
        "type": "image_generation_call",
        "status": "completed",
        "background": talk.picture.get("background") or "opaque",
        "output_format": kind,
        "quality": talk.picture.get("quality") or "medium",
        "revised_prompt": talk.text,
        "size": f"{width}x{height}",
        "result": picture(talk.text, width, height, kind),
    }
    return [Item(done, tuple(partials))]


def call_meant(talk: Talk) -> list[Item]:
    """Call the tools that were demanded, or that the question has words of."""
    return [call(tool, talk) for tool in _meant(talk)]


def call_two(talk: Talk) -> list[Item]:
    """Make two calls at the same time; one if that is what the caller wants."""
    if talk.results or not talk.tools:
        return say(talk)
    chosen = [*talk.tools[:2], talk.tools[0]][:2]
    return [call(tool, talk) for tool in chosen[: 1 + talk.may_call_several]]


def work(talk: Talk) -> list[Item]:
    """Read a file, write its word to another one, and say the word: three turns of an agent."""
    shell = next(
        (tool for tool in talk.tools if tool.kind != "custom" and _SHELL.search(tool.name)), None
    )
    if shell is None:
        return [message(talk.words("Demo: I was given no shell.", "演示：没有 shell 工具。"))]
    word = _last_word(talk.results[0]) if talk.results else ""
    commands = ["cat secret.txt", f"printf %s {word} > answer.txt"]
    if len(talk.results) < len(commands):
        return [call(shell, talk, command=commands[len(talk.results)])]
    return [message(f"Demo: {word}")]


def patch(talk: Talk) -> list[Item]:
    """Write a file by a custom tool, whose input is free text."""
    custom = next((tool for tool in talk.tools if tool.kind == "custom"), None)
    if custom is None or talk.results:
        return say(talk)
    return [call(custom, talk)]


def say_line_ends(_talk: Talk) -> list[Item]:
    """Say characters that some take for ends of lines."""
    return [message("Demo: one\u2028two\u2029three\x85four\x0bfive\x0csix.")]


def say_much(talk: Talk) -> list[Item]:
    """Say so much that a single event has 4 MiB, or as many as were asked for."""
    size = min(MOST_MIB, talk.scene.number(4)) * MIB
    return [message("Demo: " + "much " * int(size / len("much ")))]


def unknown(talk: Talk) -> list[Item]:
    """Say which scenes there are."""
    names = ", ".join(scene.name for scene in SCENES)
    return [message(f"Demo: there is no scene “{talk.scene.name}”, only {names}.")]


def message(
    text: str, phase: str = "final_answer", kind: str = "", annotations: list[Data] | None = None
) -> Item:
    """Return a message with one part."""
    part: Data = {"type": "output_text", "text": text, "annotations": annotations or []}
    if kind == "refusal":
        part = {"type": "refusal", "refusal": text}
    done = {"id": _id("msg"), "type": "message", "status": "completed", "role": "assistant"}
    return Item({**done, "phase": phase, "content": [part]})


def call(tool: Tool, talk: Talk, command: str = "") -> Item:
    """Return a call, with words of the question or a command as its arguments."""
    done: Data = {"status": "completed", "call_id": _id("call"), "name": tool.name}
    if tool.namespace:
        done["namespace"] = tool.namespace
    if tool.kind == "custom":
        text = _PATCH if "patch" in tool.name else talk.text
        return Item({"id": _id("ctc"), "type": "custom_tool_call", **done, "input": text})
    if tool.kind == "local_shell":
        action = {"type": "exec", "command": ["sh", "-c", command or "true"], "env": {}}
        del done["name"]
        return Item({"id": _id("lsh"), "type": "local_shell_call", **done, "action": action})
    arguments = Sampler({"type": "object", **tool.schema}, talk.text).value()
    if command:
        arguments |= _as_argument(tool, command)
    text = json.dumps(arguments, ensure_ascii=False)
    return Item({"id": _id("fc"), "type": "function_call", **done, "arguments": text})


def picture(prompt: str, width: int, height: int, kind: str = "png") -> str:
    """Return a picture in base64: a PNG, or whatever else Pillow writes by that name."""
    raw = draw(prompt, width, height)
    if kind != "png":
        out = io.BytesIO()
        Image.open(io.BytesIO(raw)).save(out, kind)
        raw = out.getvalue()
    return b64encode(raw).decode()


def fitted(size: str, prompt: str) -> tuple[int, int]:
    """Return the width and height that come of an order: as it says, but never too large."""
    width, height = size_of(size if "x" in size else prompt)
    while width * height > MAX_PIXELS:
        width, height = width * 4 // 5, height * 4 // 5
    return width, height


def _answer(talk: Talk) -> str:
    head = talk.words("Demo answer: ", "演示回答：")
    if talk.results:
        told = " ".join(" ".join(one.split()) for one in talk.results)[:QUOTED_RESULT_CHARS]
        return head + talk.words(f"the tools said {told}", f"工具的结果是 {told}")
    text, model, effort = _quoted(talk.text), talk.model, talk.effort
    earlier = [said for role, said in talk.said if role != "system" and said][:-1]
    begun, count = _quoted((*earlier, "")[0]), len(earlier)
    told = " ".join(_quoted(said) for role, said in talk.said if role == "system" and said)
    sent = ", ".join(talk.sent)
    parts = (
        (
            True,
            f"you said {text} and no model has thought about it.",
            f"你说的是{text}，没有模型为此思考过。",
        ),
        (
            count,
            f"Our talk began with {begun}, {count} messages ago.",
            f"我们的谈话开始于{begun}，到现在有{count}条消息。",
        ),
        (told, f"My instructions are {told}.", f"我得到的指示是{told}。"),
        (sent, f"You sent {sent}.", f"你发来了 {sent}。"),
        (
            True,
            f"I am {model} with effort {effort}, played by the demo.",
            f"我是演示上游扮演的 {model}，推理强度 {effort}。",
        ),
    )
    return head + " ".join(talk.words(*words) for is_so, *words in parts if is_so)


def _meant(talk: Talk) -> list[Tool]:
    """Return the tools to call now, the best first; none once there are results."""
    if talk.choice == "none" or talk.results:
        return []
    if named := [tool for tool in talk.tools if tool.name == talk.choice]:
        return named
    text = talk.text.lower()
    score = {tool.name: sum(word in text for word in _name_words(tool)) for tool in talk.tools}
    found = sorted(
        (tool for tool in talk.tools if score[tool.name]), key=lambda tool: -score[tool.name]
    )
    if not found and talk.choice == "required":
        found = list(talk.tools)[:1]
    return found if talk.may_call_several else found[:1]


def _name_words(tool: Tool) -> list[str]:
    words = [part.lower() for part in _NAME_PARTS.findall(tool.name)]
    return [word for word in words if len(word) >= MIN_WORD_CHARS and word != "get"]


def _as_argument(tool: Tool, command: str) -> Data:
    fields = tool.schema.get("properties") or {}
    name = next((name for name in _COMMAND_FIELDS if name in fields), _COMMAND_FIELDS[0])
    if fields.get(name, {}).get("type") == "array":
        return {name: ["sh", "-c", command]}
    return {name: command}


def _last_word(result: str) -> str:
    """Return the first word of the last line of what a shell printed, however it is wrapped."""
    try:
        wrapped = json.loads(result)
    except ValueError:
        wrapped = None
    if isinstance(wrapped, dict):
        result = str(wrapped.get("output") or wrapped.get("stdout") or "")
    lines = [re.findall(r"[\w.-]+", line) for line in re.sub(r"<[^<>]*>", "", result).splitlines()]
    found = [words[0] for words in lines if words]
    return found[-1] if found else "nothing"


def _quoted(text: str) -> str:
    return f"“{text}”" if len(text) <= QUOTED_CHARS else f"“{text[:QUOTED_CHARS]}…”"


def _id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"


_LIMITS = {"type": "codex.rate_limits"}
_REVIEW = {
    "type": "response.metadata",
    "metadata": {"type": "safety_buffering", "use_cases": ["demo"], "retry_model": "gpt-5.5"},
}
_PRIVATE = (
    _LIMITS,
    {"type": "codex.response.metadata", "headers": {"openai-model": "demo"}},
    {"type": "keepalive", "sequence_number": 0},
    {"type": "responsesapi.websocket_timing", "timing_metrics": {}},
)

SCENES = (
    Scene("plain", (say,)),
    Scene("reasoning", (reason, say), words=r"\bthink\b|思考|推理"),
    Scene("tool", (call_two,)),
    Scene("agent", (work,)),
    Scene("patch", (patch,)),
    Scene("late", (reason, say), manner="late"),
    Scene("one-delta", (reason, say), manner="one"),
    Scene("empty-completed", (say,)),
    Scene("full-completed", (say,), is_full=True),
    Scene("no-content-type", (say,)),
    Scene("content-type", (say,), has_type=True),
    Scene("data-only", (say,), is_bare=True),
    Scene("rate-limits-first", (say,), first=_PRIVATE),
    Scene("commentary", (comment, say)),
    Scene("only-commentary", (comment,)),
    Scene(
        "search", (search, say_cited), words=r"\bsearch\b|\bnews\b|搜索|新闻", needs="web_search"
    ),
    Scene(
        "image", (draw_picture, say), words=r"\b(draw|paint|sketch)\b|画", needs="image_generation"
    ),
    Scene("refusal", (decline,)),
    Scene("safety-buffering", (say,), first=(_REVIEW,), is_held_back=True),
    Scene("u2028", (say_line_ends,)),
    Scene("big", (say_much,), manner="late"),
    Scene("empty", ()),
)
