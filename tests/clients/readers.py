"""How clients that are not run with each test read a stream, by the rules of their own code.

Each reader takes the bytes of an answer's body and returns what its program would show. They
were written from what `openai-wire.md` found in those programs, and share no code with ours.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

GO_TOKEN_BYTES = 64 * 1024  # bufio.MaxScanTokenSize


class Shown(Struct, frozen=True):
    """What a program shows of an answer; `error` is the words of one, if it saw one."""

    text: str
    reasoning: str = ""
    usage: dict[str, Any] | None = None
    error: str = ""


def one_api(body: bytes) -> Shown:
    """songquanpeng/one-api, relay/adaptor/openai/main.go: StreamHandler.

    A Go scanner over lines: one of 64 KiB ends the stream. Lines that do not begin with
    `data: ` are dropped, and so are those that are no JSON. It decodes into typed structs.
    """
    text, usage = "", None
    for line in body.split(b"\n"):
        if len(line) >= GO_TOKEN_BYTES:
            break
        data = line.removesuffix(b"\r")
        if len(data) < 6 or data[:6] != b"data: " or data[6:].startswith(b"[DONE]"):
            continue
        chunk = json.loads(data[6:])
        _go_types(chunk)
        if not chunk.get("choices") and not chunk.get("usage"):
            continue
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
        usage = chunk.get("usage") or usage
    return Shown(text, usage=usage)


def _go_types(chunk: dict[str, Any]) -> None:
    """Raise where Go's decoder would: it takes no float for int64 and no number for string."""
    if "error" in chunk:
        assert all(
            isinstance(chunk["error"][key] or "", str) for key in ("message", "param", "type")
        )
        return
    assert isinstance(chunk["created"], int)
    assert isinstance(chunk["id"], str)
    assert isinstance(chunk["model"], str)
    for choice in chunk["choices"]:
        assert isinstance(choice["index"], int)
        assert isinstance(choice["finish_reason"], str | None)
        assert isinstance(choice["delta"].get("content", ""), str)


def nextchat(body: bytes) -> Shown:
    """ChatGPTNextWeb, app/utils/chat.ts and platforms/openai.ts: streamWithThink.

    Of a delta with reasoning only the reasoning is read. An error event is not looked at.
    """
    text, reasoning = "", ""
    for data in _messages(body):
        if data == "[DONE]":
            break
        choices = json.loads(data).get("choices") or []
        if not choices:
            continue
        delta = choices[0]["delta"]
        if thought := delta.get("reasoning_content"):
            reasoning += thought
        elif content := delta.get("content"):
            text += content
    return Shown(text, reasoning)


def _messages(body: bytes) -> Iterator[str]:
    """The events of fetch-event-source: blocks between blank lines, `data` lines joined."""
    for block in body.decode().replace("\r\n", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line[:5] == "data:"]
        if data := "\n".join(lines):
            yield data


def open_webui(body: bytes) -> Shown:
    """open-webui, backend/open_webui/utils/middleware.py: stream_body_handler.

    Line by line; what has no `choices` is looked at for `error` and `usage`.
    """
    text, reasoning, error, usage = "", "", "", None
    for raw in body.split(b"\n"):
        line = raw.decode().strip()
        if not line.startswith("data:"):
            continue
        data = line[len("data:") :].strip()
        if data == "[DONE]":
            break
        chunk = json.loads(data)
        usage = chunk.get("usage") or usage
        choices = chunk.get("choices", [])
        if not choices:
            if failed := chunk.get("error", {}):
                error = failed["message"]
            continue
        delta = choices[0].get("delta", {})
        reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
        text += delta.get("content") or ""
    return Shown(text, reasoning, usage, error)


def cow_agent(body: bytes) -> Shown:
    """zhayujie/CowAgent, models/openai/openai_http_client.py: _iter_sse_events.

    Python's `splitlines`, which also splits at U+0085, U+2028 and U+2029. An answer without
    completion tokens counts as an error.
    """
    text, error, usage, held = "", "", None, []
    for line in body.decode().splitlines():
        if line.startswith("data:"):
            held.append(line[5:].lstrip())
        elif line == "" and held:
            data, held = "\n".join(held), []
            if data == "[DONE]":
                break
            chunk = json.loads(data)
            usage = chunk.get("usage") or usage
            if failed := chunk.get("error"):
                error = failed["message"]
            for choice in chunk.get("choices") or []:
                text += choice["delta"].get("content") or ""
    if usage is not None and not usage["completion_tokens"]:
        error = "completion_tokens is 0"
    return Shown(text, usage=usage, error=error)


def astrbot(body: bytes) -> Shown:
    """AstrBot, openai_source.py: the official SDK's own accumulator over every chunk.

    It adds up strings wherever they are, so a role or a call's name that comes twice shows.
    """
    from openai.lib.streaming.chat._completions import (  # noqa: PLC0415 - private to the SDK
        ChatCompletionStreamState,
    )
    from openai.types.chat import ChatCompletionChunk  # noqa: PLC0415 - see above

    state: Any = ChatCompletionStreamState()
    reasoning = ""
    for data in _messages(body):
        if data == "[DONE]":
            break
        chunk = ChatCompletionChunk.model_validate_json(data)
        state.handle_chunk(chunk)
        for choice in chunk.choices:
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
    done = state.get_final_completion()
    assert done.choices[0].message.role == "assistant"
    usage = None if done.usage is None else done.usage.model_dump()
    return Shown(done.choices[0].message.content or "", reasoning, usage)


READERS: dict[str, Callable[[bytes], Shown]] = {
    "one-api": one_api,
    "NextChat": nextchat,
    "Open WebUI": open_webui,
    "CowAgent": cow_agent,
    "AstrBot": astrbot,
}
