"""The definition of an answer's text: final messages in, web content out, nothing streamed.

Protocol 2.11 for what is visible, 5.4 for citations, spec 7.2 for how pieces are joined.
It knows simple turns only: no variants, rewrites, pictures, sandbox links or late references.
"""

import re
from typing import Any

MARKER = re.compile(
    "\ue200[^\ue200\ue201]*\ue201|【[0-9]+(?::[0-9]+)?†[^【】]*】",
)
INCOMPLETE = re.compile("(?:\ue200[^\ue201]*|【(?:[0-9]+(?::[0-9]*)?(?:†[^【】]*)?)?)$")
STYLING = re.compile("[\ue203\ue204\ue206]")
SILENT_KINDS = {"hidden", "invalid", "conversation_context_citation", "status"}


def web_text(messages: list[dict[str, Any]], sent_ids: frozenset[str] = frozenset()) -> str:
    """Return the web content of a turn whose messages, complete, are given in order."""
    out = ""
    last_was_text = False
    for message in messages:
        if message["id"] in sent_ids:
            continue
        if is_visible(message):
            text = answer_text(message)
            if not text:
                continue
            out += "\n\n" + text if last_was_text else text
            last_was_text = True
        elif block := tool_block(message):
            out += block
            last_was_text = False
    return out


def is_visible(message: dict[str, Any]) -> bool:
    """Protocol 2.11, items 1 to 5."""
    return (
        message["author"]["role"] == "assistant"
        and message.get("recipient") in (None, "all")
        and message.get("channel") in (None, "final")
        and message["content"]["content_type"] in ("text", "multimodal_text")
        and message["metadata"].get("is_visually_hidden_from_conversation") is not True
    )


def tool_block(message: dict[str, Any]) -> str:
    """The fenced block of a tool call or result, if it is one."""
    content = message["content"]
    role = message["author"]["role"]
    if role == "tool" and content["content_type"] == "execution_output":
        return f"\n`Result:`\n```\n{content['text']}\n```\n"
    if role == "assistant" and content["content_type"] == "code":
        language = content.get("language") or ""
        return f"\n```{language.replace('unknown', '')}\n{content['text']}\n```\n"
    if role == "assistant" and message.get("recipient") not in (None, "all"):
        return f"\n```\n{''.join(content['parts'])}\n```\n"
    return ""


def answer_text(message: dict[str, Any]) -> str:
    """One message's text with every citation replaced or removed."""
    raw = "".join(part for part in message["content"]["parts"] if isinstance(part, str))
    metadata = message["metadata"]
    known = [*map(old_style, metadata.get("citations", ()))]
    known += [*map(new_style, metadata.get("content_references", ()))]
    text, position = "", 0
    for found in MARKER.finditer(raw):
        text += raw[position : found.start()] + replacement(found, known)
        position = found.end()
    return STYLING.sub("", text + INCOMPLETE.sub("", raw[position:]))


def replacement(found: re.Match[str], known: list[dict[str, Any]]) -> str:
    """What stands in a marker's place: the nearest of the references that fit it."""
    marker = found.group()
    number = re.match("【([0-9]+)(?::([0-9]+))?†", marker)
    fitting = [
        each
        for each in known
        if each["matched"] == marker
        or (number and not number[2] and each["index"] == int(number[1]))
        or (number and number[2] and each["pair"] == (int(number[1]), int(number[2])))
    ]
    if not fitting:
        return ""
    best = min(fitting, key=lambda each: abs(each["start"] - found.start()))
    if not number:
        return str(best["text"])
    return f"[[{number[1]}]({best['url']})]" if best["url"] else f"[{best['name']}]"


def old_style(citation: dict[str, Any]) -> dict[str, Any]:
    """`metadata.citations`, section 5.3."""
    metadata = citation["metadata"]
    extra = metadata.get("extra") or {}
    return {
        "matched": None,
        "index": extra.get("cited_message_idx"),
        "pair": (extra.get("retrieval_turn"), extra.get("retrieval_file_index")),
        "start": citation["start_ix"],
        "url": metadata.get("url"),
        "name": metadata.get("name"),
        "text": "",
    }


def new_style(reference: dict[str, Any]) -> dict[str, Any]:
    """`metadata.content_references`, section 5.4."""
    items = [*(reference.get("items") or ()), *(reference.get("fallback_items") or ())]
    text = reference.get("alt") or ""
    if not text and items:
        text = f"[{items[0]['title']}]({items[0]['url']})"
    if not text:
        text = reference.get("prompt_text") or reference.get("name") or ""
    return {
        "matched": reference["matched_text"],
        "index": None,
        "pair": None,
        "start": reference["start_idx"],
        "url": items[0]["url"] if items else None,
        "name": reference.get("name"),
        "text": "" if reference["type"] in SILENT_KINDS else text,
    }
