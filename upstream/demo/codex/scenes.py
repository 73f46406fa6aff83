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
from upstream.demo.ground.sums import computed
from upstream.demo.ground.words import (
    EXCERPT_CHARS,
    about_talk,
    between_lines,
    has_steps,
    last_word,
    meant,
    next_step,
    quoted,
)

Data = dict[str, Any]
Part = Callable[[Talk], list[Item]]

QUOTED_RESULT_CHARS = 2_000
MAX_PIXELS = 1536 * 1024
"""About what the real pictures are capped at; larger orders come out smaller (X5)."""
MAX_PARTIALS = 3
FOUND_TOOLS = 8
TOKENS_OF_A_PICTURE = 1_000
MIB = 1024 * 1024
MOST_MIB = 64
_SHELL = re.compile(r"(^|[_-])(shell|bash|sh|exec|command|terminal|cmd)($|[_-])", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?(?!\w)")
_COMMAND_FIELDS = ("command", "cmd", "script", "input")
_PATCH = "*** Begin Patch\n*** Add File: demo.txt\n+Written by the demo.\n*** End Patch"


class Scene(msgspec.Struct, frozen=True):
    """One scene."""

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


def choose_scene(talk: Talk) -> tuple[str, Scene]:
    """Return the scene that a turn calls for: by name, by its tools, or by its words."""
    if name := _name(talk):
        return (name, SCENES[name]) if name in SCENES else ("unknown", Scene((unknown,)))
    if talk.choice == "image_generation":
        return "image", Scene((draw_picture,))
    if has_steps(talk.text) and talk.tools:
        return "steps", SCENES["steps"]
    if _meant(talk):
        return "obedient", Scene((call_meant,))
    if talk.schema is None and not talk.results:
        for name, scene in SCENES.items():
            is_meant = scene.words and re.search(scene.words, talk.text, re.IGNORECASE)
            if is_meant and (not scene.needs or scene.needs in talk.built_in):
                return name, scene
    return "plain", SCENES["plain"]


# --- Parts: each gives the items that it adds to the output.


def say(talk: Talk) -> list[Item]:
    """Say something about what was asked, or the JSON that was asked for."""
    if talk.schema is not None:
        value = Sampler(talk.schema, talk.text).value()
        return [message(json.dumps(value, ensure_ascii=False))]
    head = talk.words("Demo answer: ", "演示回答：")
    if talk.results:
        return [message(head + _about_results(talk))]
    return [message(head + (computed(talk.text) or _about_talk(talk)))]


def say_cited(talk: Talk) -> list[Item]:
    """Say something with two sources."""
    text, sources = talk.words("Demo: rivers flow", "演示：河水流动"), []
    for title, url in (("Rivers", "https://example.org/rivers"), ("Boats", "https://example.net/")):
        mark = f" ([{title}]({url}))"
        place = {"start_index": len(text), "end_index": len(text) + len(mark)}
        sources.append({"type": "url_citation", **place, "url": url, "title": title})
        text += mark + talk.words(", boats float", "，小船漂浮")
    return [message(text + ".", annotations=sources)]


def said(english: str, chinese: str, **how: Any) -> Part:
    """Return a part that always says the same."""
    return lambda talk: [message(talk.words(english, chinese), **how)]


def reason(talk: Talk) -> list[Item]:
    """Think, in two steps; they are shown and given out only to who asked for it."""
    asked = quoted(talk.text)
    steps = (
        talk.words(f"**Reading**\n\nI read {asked}.", f"**阅读**\n\n我读了{asked}。"),
        talk.words("**Deciding**\n\nA demo does not think.", "**决定**\n\n演示并不思考。"),
    )
    shown = steps if talk.wants_summary else ()
    done = _item(
        "rs", "reasoning", summary=[{"type": "summary_text", "text": one} for one in shown]
    )
    if talk.wants_encrypted:
        done["encrypted_content"] = seal(talk.caller.account_id, "\n".join(steps))
    return [Item(done)]


def search(talk: Talk) -> list[Item]:
    """Search the web."""
    action = {"type": "search", "query": talk.text[:EXCERPT_CHARS] or "demo"}
    return [Item(_item("ws", "web_search_call", status="completed", action=action))]


def draw_picture(talk: Talk) -> list[Item]:
    """Draw by the tool, with as many coarser pictures before as were asked for."""
    order, text = talk.picture, talk.text
    width, height = fitted(str(order.get("size") or ""), text)
    kind = order.get("output_format") or "png"
    count = min(MAX_PARTIALS, int(order.get("partial_images") or 0))
    partials = [picture(text, width >> step, height >> step, kind) for step in range(count, 0, -1)]
    done = _item(
        "ig",
        "image_generation_call",
        status="completed",
        background=order.get("background") or "opaque",
        output_format=kind,
        quality=order.get("quality") or "medium",
        revised_prompt=text,
        size=f"{width}x{height}",
        result=picture(text, width, height, kind),
    )
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
    able = (tool for tool in talk.tools if tool.kind != "custom" and _SHELL.search(tool.name))
    shell = next(able, None)
    if shell is None:
        return [message(talk.words("Demo: I was given no shell.", "演示：没有 shell 工具。"))]
    word = _last_word(talk.results[0]) if talk.results else ""
    commands = ["cat secret.txt", f"printf %s {word} > answer.txt"]
    if len(talk.results) < len(commands):
        return [call(shell, talk, command=commands[len(talk.results)])]
    return [message(f"Demo: {word}")]


def follow_steps(talk: Talk) -> list[Item]:
    """Make the call that is due of those that a question lists, and say the word at the end."""
    step = next_step(talk.text, talk.results)
    tool = next((each for each in talk.tools if step and each.name == step["name"]), None)
    if step is None or tool is None:
        return [message(f"Demo: {last_word(talk.results)}")]
    return [call(tool, talk, given=step["arguments"])]


def search_tools(talk: Talk) -> list[Item]:
    """Search among the tools that the caller has not told of yet; the caller runs the search."""
    how = {"status": "completed", "execution": "client"}
    arguments = {"query": talk.text[:EXCERPT_CHARS], "limit": FOUND_TOOLS}
    call_id = f"call_{secrets.token_hex(16)}"
    return [Item(_item("tsc", "tool_search_call", **how, call_id=call_id, arguments=arguments))]


def repeat(talk: Talk) -> list[Item]:
    """Say the text that a question has between lines."""
    nothing = talk.words("Demo: there is nothing to repeat.", "演示：没有可以重复的内容。")
    return [message(between_lines(talk.text) or nothing)]


def patch(talk: Talk) -> list[Item]:
    """Write a file by a custom tool, whose input is free text, or give it the text between lines."""
    custom = next((tool for tool in talk.tools if tool.kind == "custom"), None)
    return say(talk) if custom is None or talk.results else [call(custom, talk)]


def say_much(talk: Talk) -> list[Item]:
    """Say so much that a single event has 4 MiB, or as many as were asked for."""
    found = _NUMBER.match(talk.text)
    size = min(MOST_MIB, float(found[0]) if found else 4) * MIB
    return [message("Demo: " + "much " * int(size / len("much ")))]


def unknown(talk: Talk) -> list[Item]:
    """Answer with a list of the scenes."""
    return [message(f"Demo: there is no scene “{_name(talk)}”, only {', '.join(SCENES)}.")]


def message(
    text: str, phase: str = "final_answer", kind: str = "", annotations: list[Data] | None = None
) -> Item:
    """Return a message with one part."""
    part: Data = {"type": "output_text", "text": text, "annotations": annotations or []}
    if kind == "refusal":
        part = {"type": "refusal", "refusal": text}
    told = {"status": "completed", "role": "assistant", "phase": phase}
    return Item(_item("msg", "message", **told, content=[part]))


def call(tool: Tool, talk: Talk, command: str = "", given: Data | None = None) -> Item:
    """Return a call, with given arguments, or words of the question, or a command."""
    done: Data = {"status": "completed", "call_id": f"call_{secrets.token_hex(16)}"}
    if tool.kind == "local_shell":
        namespace = {"namespace": tool.namespace} if tool.namespace else {}
        action = {"type": "exec", "command": ["sh", "-c", command or "true"], "env": {}}
        return Item(_item("lsh", "local_shell_call", **done, **namespace, action=action))
    done["name"] = tool.name
    if tool.namespace:
        done["namespace"] = tool.namespace
    if tool.kind == "custom":
        text = between_lines(talk.text) or (_PATCH if "patch" in tool.name else talk.text)
        return Item(_item("ctc", "custom_tool_call", **done, input=text))
    arguments = Sampler({"type": "object", **tool.schema}, talk.text).value()
    if command:
        arguments |= _as_argument(tool, command)
    text = json.dumps(arguments if given is None else given, ensure_ascii=False)
    return Item(_item("fc", "function_call", **done, arguments=text))


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


def _item(prefix: str, kind: str, **fields: Any) -> Data:
    return {"id": f"{prefix}_{secrets.token_hex(16)}", "type": kind, **fields}


def _name(talk: Talk) -> str:
    return talk.commands.scene.lower().replace("_", "-")


def _about_results(talk: Talk) -> str:
    told = " ".join(" ".join(one.split()) for one in talk.results)[:QUOTED_RESULT_CHARS]
    return talk.words(f"the tools said {told}", f"工具的结果是 {told}")


def _about_talk(talk: Talk) -> str:
    model, effort, sent = talk.model, talk.effort, ", ".join(talk.sent)
    earlier = [said for role, said in talk.said if role != "system" and said][:-1]
    told = " ".join(quoted(said) for role, said in talk.said if role == "system" and said)
    sentences = about_talk(talk.words, talk.text, earlier, told)
    if sent:
        sentences.append(talk.words(f"You sent {sent}.", f"你发来了 {sent}。"))
    own = talk.words(
        f"I am {model} with effort {effort}, played by the demo.",
        f"我是演示上游扮演的 {model}，推理强度 {effort}。",
    )
    return " ".join([*sentences, own])


def _meant(talk: Talk) -> list[Tool]:
    """Return the tools to call now, the best first; none once there are results, but tools found."""
    if talk.choice == "none" or (talk.results and not talk.has_found):
        return []
    if named := [tool for tool in talk.tools if tool.name == talk.choice]:
        return named
    names = meant({tool.name: tool for tool in talk.tools}, talk.text)
    found = [tool for name in names for tool in talk.tools if tool.name == name]
    if not found and talk.choice == "required":
        found = list(talk.tools)[:1]
    return found if talk.may_call_several else found[:1]


def _as_argument(tool: Tool, command: str) -> Data:
    fields = tool.schema.get("properties") or {}
    name = next((name for name in _COMMAND_FIELDS if name in fields), _COMMAND_FIELDS[0])
    is_list = fields.get(name, {}).get("type") == "array"
    return {name: ["sh", "-c", command] if is_list else command}


def _last_word(result: str) -> str:
    """Return the first word of the last line of what a shell printed, however it is wrapped."""
    try:
        wrapped = json.loads(result)
    except ValueError:
        wrapped = None
    if isinstance(wrapped, dict):
        result = str(wrapped.get("output") or wrapped.get("stdout") or "")
    lines = [re.findall(r"[\w.-]+", line) for line in re.sub(r"<[^<>]*>", "", result).splitlines()]
    return next((words[0] for words in reversed(lines) if words), "nothing")


_COMMENT = said("Demo: I am looking at it.", "演示：我先看一下。", phase="commentary")
_REFUSAL = said("Demo: I can't help with that.", "演示：这个我帮不了。", kind="refusal")
_LINE_ENDS = "Demo: one\u2028two\u2029three\x85four\x0bfive\x0csix."
_REVIEW = {
    "type": "response.metadata",
    "metadata": {"type": "safety_buffering", "use_cases": ["demo"], "retry_model": "gpt-5.5"},
}
_PRIVATE = (
    {"type": "codex.rate_limits"},
    {"type": "codex.response.metadata", "headers": {"openai-model": "demo"}},
    {"type": "keepalive", "sequence_number": 0},
    {"type": "responsesapi.websocket_timing", "timing_metrics": {}},
)

SCENES = {
    "plain": Scene((say,)),
    "reasoning": Scene((reason, say), words=r"\bthink\b|思考|推理"),
    "tool": Scene((call_two,)),
    "agent": Scene((work,)),
    "steps": Scene((follow_steps,)),
    "patch": Scene((patch,)),
    "late": Scene((reason, say), manner="late"),
    "one-delta": Scene((reason, say), manner="one"),
    "empty-completed": Scene((say,)),
    "full-completed": Scene((say,), is_full=True),
    "no-content-type": Scene((say,)),
    "content-type": Scene((say,), has_type=True),
    "data-only": Scene((say,), is_bare=True),
    "rate-limits-first": Scene((say,), first=_PRIVATE),
    "commentary": Scene((_COMMENT, say)),
    "only-commentary": Scene((_COMMENT,)),
    "search": Scene((search, say_cited), r"\bsearch\b|\bnews\b|搜索|新闻", "web_search"),
    "image": Scene((draw_picture, say), r"\b(draw|paint|sketch)\b|画", "image_generation"),
    "tool-search": Scene((search_tools,), r"\bsearch the tools\b|搜索工具", "tool_search"),
    "repeat": Scene((repeat,), r"^\W*repeat\b.{0,80}\bword for word\b|^\W*逐字重复"),
    "refusal": Scene((_REFUSAL,)),
    "safety-buffering": Scene((say,), first=(_REVIEW,), is_held_back=True),
    "u2028": Scene((said(_LINE_ENDS, _LINE_ENDS),)),
    "big": Scene((say_much,), manner="late"),
    "empty": Scene(()),
}
