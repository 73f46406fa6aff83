"""The definition of an answer's text: final messages in, content out, nothing streamed.

Protocol 2.11 for what is visible, 5.2 and 5.4 for markers, spec 7.2 for what each piece becomes.
It knows simple turns only: no variants, rewrites, pictures, sandbox links or late references.
"""

import json
import re
from contextlib import suppress
from typing import Any

MARKER = re.compile(
    "\ue200[^\ue200\ue201]*\ue201|【[0-9]+(?::[0-9]+)?†[^【】]*】",
)
INCOMPLETE = re.compile("(?:\ue200[^\ue201]*|【(?:[0-9]+(?::[0-9]*)?(?:†[^【】]*)?)?)$")
STYLING = re.compile("[\ue203\ue204\ue206]")
PRIVATE = re.compile("[\ue200-\ue206]")
# What is taken out or replaced, from the left: a marker, or one of the page's directives.
MARKUP = re.compile(
    f"(?P<marker>{MARKER.pattern})"
    r"|(?P<cite>:contentReference\[oaicite:[0-9]+\](?:\{[^}\n]*\})?)"
    r"|(?:^|(?<=\n)):::(?:(?P<open>writing\{[^}\n]*\}\n)|(?P<close>[ \t]*(?:\n|\Z)))"
)
SILENT_KINDS = {"hidden", "invalid", "conversation_context_citation", "status"}
CITATIONS = ("cite", "filecite", "navlist")
LINKS = ("url", "video")
WORDS = (*LINKS, "entity", "product_entity")
LINK = re.compile(r"\(?\[([^\[\]]*)\]\(([^()\s]*)\)\)?")
READABLE_TOOLS = ("python", "dalle", "browser", "myfiles_browser")


def content(
    messages: list[dict[str, Any]], profile: str, sent_ids: frozenset[str] = frozenset()
) -> str:
    """Return the content of a turn in a profile: web, or one that shows no citations or tools."""
    out = ""
    last_was_text = False
    for message in messages:
        if message["id"] in sent_ids:
            continue
        if text := own_text(message, profile):
            out += "\n\n" + text if last_was_text else text
            last_was_text = True
        elif profile == "web" and (block := tool_block(message) or document_block(message)):
            out += block
            last_was_text = False
    return out


def own_text(message: dict[str, Any], profile: str) -> str:
    """What of a message is text of the answer."""
    if is_visible(message):
        return answer_text(message, profile)
    if profile == "web":
        return ""
    return message["content"]["text"] if is_code_answer(message) else document(message)[2]


def is_visible(message: dict[str, Any]) -> bool:
    """Protocol 2.11, items 1 to 5."""
    return (
        message["author"]["role"] == "assistant"
        and message.get("recipient") in (None, "all")
        and message.get("channel") in (None, "final")
        and message["content"]["content_type"] in ("text", "multimodal_text")
        and message["metadata"].get("is_visually_hidden_from_conversation") is not True
    )


def is_code_answer(message: dict[str, Any]) -> bool:
    """Code addressed to all that ends the turn or is on channel `final`."""
    return (
        message["content"]["content_type"] == "code"
        and message.get("recipient") == "all"
        and (message.get("channel") == "final" or message.get("end_turn") is True)
    )


def tool_block(message: dict[str, Any]) -> str:
    """The fenced block of a tool call or result that a reader can use, or of code to the reader."""
    content = message["content"]
    role, recipient = message["author"]["role"], message.get("recipient") or "all"
    if role == "tool" and content["content_type"] == "execution_output":
        return f"\n`Result:`\n```\n{content['text']}\n```\n"
    is_code = content["content_type"] == "code"
    is_readable = recipient.split(".")[0] in READABLE_TOOLS or "__jit_plugin" in recipient
    if role != "assistant" or not (is_readable or (is_code and recipient == "all")):
        return ""
    language = (content.get("language") or "").replace("unknown", "") if is_code else ""
    return f"\n```{language}\n{content['text'] if is_code else ''.join(content['parts'])}\n```\n"


def document(message: dict[str, Any]) -> tuple[str, str, str]:
    """The name, the language and the text of a document that is written on the canvas."""
    if message.get("recipient") != "canmore.create_textdoc":
        return "", "", ""
    content = message["content"]
    call = json.loads(content["text"] if "text" in content else "".join(content["parts"]))
    kind = call["type"].partition("/")
    return call["name"], kind[2] if kind[1] else "markdown", call["content"]


def document_block(message: dict[str, Any]) -> str:
    """A document as Markdown; those of the definition hold no fences."""
    name, language, text = document(message)
    return f"\n**{name}**\n\n```{language}\n{text}\n```\n" if text else ""


def answer_text(message: dict[str, Any], profile: str = "web") -> str:
    """One message's text with every marker and all markup of the page replaced or removed."""
    raw = "".join(map(said, message["content"]["parts"]))
    metadata = message["metadata"]
    known = [*map(old_style, metadata.get("citations", ()))]
    known += [*map(new_style, metadata.get("content_references", ()))]
    blocks = 0

    def put(found: re.Match[str]) -> str:
        nonlocal blocks
        if found["marker"]:
            return replacement(found, known, profile)
        if found["close"] is not None and not blocks:
            return found[0]  # it ends nothing
        blocks += bool(found["open"]) - (found["close"] is not None)
        return ""

    last = max((found.end() for found in MARKUP.finditer(raw)), default=0)
    return STYLING.sub("", MARKUP.sub(put, raw[:last] + INCOMPLETE.sub("", raw[last:])))


def said(part: Any) -> str:
    """What a part says: a string, or what the assistant said by voice."""
    if isinstance(part, str):
        return part
    return part["text"] if part.get("content_type") == "audio_transcription" else ""


def replacement(found: re.Match[str], known: list[dict[str, Any]], profile: str) -> str:
    """What stands in a marker's place: the nearest of the references that fit it."""
    marker, place = found.group(), found.start()
    number = re.match("【([0-9]+)(?::([0-9]+))?†", marker)
    fitting = [
        each
        for each in known
        if each["matched"] == marker
        or (number and number[2] and each["pair"] == (int(number[1]), int(number[2])))
        # Not said in the protocol: a citation of one number also fits a marker of two.
        or (number and is_single(number, each) and each["index"] == int(number[1]))
    ]
    best = min(fitting, key=lambda each: abs(each["start"] - place), default=None)
    if number:
        if not best or profile != "web":
            return ""
        return f"[[{number[1]}]({best['url']})]" if best["url"] else f"[{best['name']}]"
    return word(marker, best, profile)


def is_single(number: re.Match[str], known: dict[str, Any]) -> bool:
    """Whether a marker, or what is known of it, has one number only."""
    return not number[2] or known["pair"] == (None, None)


def word(marker: str, reference: dict[str, Any] | None, profile: str) -> str:
    """What stands in the place of a private-use marker (the table of spec 7.2)."""
    kind, *fields = marker[1:-1].split("\ue202")
    value = json_of(fields[0] if fields else "")
    if isinstance(value, dict) and kind == "genui" and (formula := formula_in(value)):
        return f"$${formula}$$"
    label = PRIVATE.sub("", fields[0]) if fields and kind in LINKS else second(value)
    if kind in CITATIONS or not (kind in WORDS or label):
        return str(reference["text"]) if reference and profile == "web" else ""
    own = [reference["alt"], reference["name"], reference["title"]] if reference else []
    words = next((each for each in own if each and not PRIVATE.search(each)), label)
    if not words and kind not in LINKS:  # not said in the specification: then as a citation
        return str(reference["text"]) if reference and profile == "web" else ""
    linked = LINK.fullmatch(words)
    if words and kind in LINKS and profile == "web" and reference and reference["url"]:
        return f"[{linked[1] if linked else words}]({reference['url']})".replace("|", "\\|")
    return linked[1] if linked and profile != "web" else words


def json_of(text: str) -> Any:
    """The value, also where the backslashes of a formula are not doubled."""
    for spelling in (text, text.replace("\\", "\\\\")):
        with suppress(ValueError):
            return json.loads(spelling)
    return None


def second(value: Any) -> str:
    """The second element of a list, if it is a text."""
    is_label = isinstance(value, list) and len(value) > 1 and isinstance(value[1], str)
    return PRIVATE.sub("", value[1]) if is_label else ""


def formula_in(widgets: dict[str, Any]) -> str:
    """The content of a widget for formulas."""
    found = [each for name, each in widgets.items() if name.lower().startswith("math")]
    return found[0]["content"] if found else ""


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
        title = items[0]["title"].replace("|", "\\|")
        text = f"[{title}]({items[0]['url']})"
    if not text:
        text = reference.get("prompt_text") or reference.get("name") or ""
    return {
        "matched": reference["matched_text"],
        "index": None,
        "pair": None,
        "start": reference["start_idx"],
        "url": reference.get("url") or (items[0]["url"] if items else None),
        "name": reference.get("name"),
        "alt": reference.get("alt"),
        "title": reference.get("title"),
        "text": "" if reference["type"] in SILENT_KINDS else text,
    }
