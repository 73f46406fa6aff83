"""The scenes of the soak's callers whose account signed in by Codex's login (spec 14).

Questions, scenes and faults are those of the demo's Codex back end.
"""

import json
from typing import Any

from bench.soak_scenes import (
    Asked,
    Caller,
    Scene,
    WrongError,
    gone_caller,
    linked,
    models,
    picture_in,
)

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
QUESTION = "What is the weather in Paris?"


async def _posted(caller: Caller, path: str, body: dict[str, Any], **headers: str) -> bytes:
    url = f"{caller.address}{path}"
    async with caller.session.post(url, json=body, headers=headers) as response:
        return await response.read()


async def calls(caller: Caller) -> None:
    """Have a function called, and hand its result in."""
    asked: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
    body = {"model": "gpt-4o", "messages": asked, "tools": [tool]}
    said = json.loads(await _posted(caller, "/v1/chat/completions", body))
    message = said["choices"][0]["message"]
    (call,) = message["tool_calls"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "19 degrees"}
    asked += [message, result]
    last = json.loads(await _posted(caller, "/v1/chat/completions", body))
    if "19 degrees" not in last["choices"][0]["message"]["content"]:
        raise WrongError(f"after a call: {last}")


async def responses(caller: Caller) -> None:
    """Ask for a response, go on from it, and leave it there for as long as it is kept."""
    first = json.loads(
        await _posted(caller, "/v1/responses", {"model": "gpt-4o", "input": "Hello"})
    )
    body = {"model": "gpt-4o", "input": QUESTION, "stream": True}
    body["previous_response_id"] = first["id"]
    said = await _posted(caller, "/v1/responses", body)
    if b"event: response.completed" not in said:
        raise WrongError(f"a response: {said[-200:]!r}")


async def messages(caller: Caller) -> None:
    """Ask in Anthropic's dialect."""
    body = {"model": "gpt-4o", "max_tokens": 1000, "stream": True}
    body["messages"] = [{"role": "user", "content": "Hello"}]
    said = await _posted(caller, "/v1/messages", body)
    if b"event: message_stop" not in said:
        raise WrongError(f"a message: {said[-200:]!r}")


async def limited(caller: Caller) -> None:
    """Bring an account of its own to its limit: it rests, and nothing is asked of the back end."""
    account = f"Bearer codex:limited-{caller.chance.randrange(1 << 40)}"
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "/fault limit 600 Hello"}]}
    for _ in range(2):
        said = await _posted(caller, "/v1/chat/completions", body, Authorization=account)
        if (json.loads(said).get("error") or {}).get("code") != "rate_limit_exceeded":
            raise WrongError(f"an account at its limit: {said!r}")
        body["messages"] = [{"role": "user", "content": "Hello"}]


async def usage(caller: Caller) -> None:
    """Ask how much of the account's allowance is used."""
    async with caller.session.get(f"{caller.address}/v1/usage") as response:
        if response.status != 200 or not (await response.json())["windows"]:
            raise WrongError(f"usage answered {response.status}")


CODEX_SCENES: dict[str, Scene] = {
    "codex plain": Asked("Hello", says="Demo answer"),
    "codex reasoning": Asked("think about boats", says="Demo answer"),
    "codex late": Asked("/scene late Hello", says="Demo answer"),
    "codex one delta": Asked("/scene one-delta Hello", says="Demo answer"),
    "codex private": Asked("/scene rate-limits-first Hello", says="Demo answer"),
    "codex commentary": Asked("/scene commentary Hello", says="Demo answer"),
    "codex bare": Asked("/scene data-only Hello", says="Demo answer"),
    "codex lines": Asked("/scene u2028", says="six"),
    "codex refusal": Asked("/scene refusal"),
    "codex big": Asked("/scene big 1", says="much"),
    "codex calls": calls,
    "codex responses": responses,
    "codex messages": messages,
    "codex picture": linked("/scene image draw two boats 64x64"),
    "codex picture in": picture_in,
    "codex models": models,
    "codex usage": usage,
    "codex gone": gone_caller,
    "codex limited": limited,
    "codex expired": Asked("/fault expired Hello", says="Demo answer"),
    "codex garbage": Asked("/fault garbage Hello", says="Demo answer"),
    "codex slow": Asked("/fault slow 0.3 Hello", says="Demo answer"),
    "codex silent": Asked("/fault silent 0.3 Hello", says="Demo answer"),
    "codex incomplete": Asked("/fault incomplete Hello", end="length"),
    "codex filtered": Asked("/fault incomplete:content_filter Hello", end="content_filter"),
    "codex cut": Asked("/fault cut 3 Hello", end="upstream_cut", status=502),
    "codex close": Asked("/fault close 3 Hello", end="upstream_cut", status=502),
    "codex stall": Asked("/fault stall 3 Hello", end="upstream_timeout", status=504),
    "codex refuse": Asked("/fault refuse Hello", end="upstream_error", status=502),
    "codex failed": Asked("/fault failed:server_error 2 Hello", end="server_error", status=502),
    "codex error": Asked("/fault error:server_error 2 Hello", end="server_error", status=502),
    "codex flat": Asked("/fault error-flat:slow_down 2 Hello", end="slow_down", status=503),
    "codex busy": Asked("/fault overloaded-in-200 Hello", end="server_is_overloaded", status=503),
    "codex page": Asked("/fault cloudflare Hello", end="upstream_error", status=502),
    "codex page 200": Asked("/fault html200 Hello", end="upstream_error", status=502),
    "codex 402": Asked("/fault 402 Hello", end="rate_limit_exceeded", status=429),
    "codex 404": Asked("/fault empty-404 Hello", end="upstream_error", status=502),
    "codex 413": Asked("/fault 413 Hello", end="context_length_exceeded", status=400),
    "codex 503": Asked("/fault 503 Hello", end="server_is_overloaded", status=503),
    "codex plan": Asked("/fault not-included Hello", end="usage_not_included", status=403),
}
