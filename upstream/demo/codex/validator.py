"""What the back end refuses, in its own words (X2.3).

`{"detail": "…"}` comes from its door, `{"error": {…}}` from the model's side behind it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.accounts import Caller, unseal
from upstream.demo.codex.plans import EFFORTS, IMAGE_MODELS, Model, find_model
from upstream.demo.codex.talk import message_text, offered_tools
from upstream.demo.ground.refusals import Refusal, detail

_COMPACT_FIELDS = frozenset(
    ("model", "instructions", "input", "tools", "parallel_tool_calls", "reasoning", "text")
)
_FIELDS = _COMPACT_FIELDS | {
    *("tool_choice", "store", "stream", "include", "prompt_cache_key", "service_tier"),
}
_SENT_PARTS = frozenset(("input_text", "input_image", "input_file"))
_PARTS = {
    "user": _SENT_PARTS,
    "developer": _SENT_PARTS,
    "assistant": frozenset(("output_text", "refusal")),
}
_OUTPUT_PARTS = frozenset(("input_text", "input_image", "input_file", "output_text"))
_ITEMS: dict[str, tuple[str, str]] = {
    "message": ("role content", "phase status"),
    "reasoning": ("encrypted_content", "summary content status"),
    "function_call": ("call_id name arguments", "namespace status"),
    "function_call_output": ("call_id output", "status"),
    "custom_tool_call": ("call_id name input", "namespace status"),
    "custom_tool_call_output": ("call_id output", "status"),
    "local_shell_call": ("call_id action", "status"),
    "local_shell_call_output": ("call_id output", "status"),
    "web_search_call": ("action", "status"),
    "compaction": ("encrypted_content", ""),
    "additional_tools": ("tools", "role"),
}
"""The fields of each kind of item: those that it must have, and those that it may have."""
_TOOLS = {
    *("function", "custom", "namespace", "web_search", "image_generation", "local_shell"),
    "tool_search",
}
_TIERS = frozenset(("default", "priority", "flex"))
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
MAX_NAME_CHARS = 64
LITE_HEADER = "x-openai-internal-codex-responses-lite"


class Order(msgspec.Struct, frozen=True):
    """A body and what is known of who sent it."""

    body: dict[str, Any]
    caller: Caller
    headers: Mapping[str, str]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The input."""
        return list(self.body["input"])


def validate(order: Order) -> None:
    """Refuse a body of `/responses` as the back end does.

    Raises:
        Refusal: 400, or 404 for ids, since nothing is stored.
    """
    for check in (_check_door, *_CHECKS):
        check(order)


def validate_compact(order: Order) -> None:
    """Refuse a body of `/responses/compact` as the back end does.

    Raises:
        Refusal: as `validate`.
    """
    _check_fields(order, _COMPACT_FIELDS)
    _check_input(order)
    for check in _CHECKS:
        check(order)


async def read_body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises:
        Refusal: 400, it is none.
    """
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as exc:
        raise Refusal(400, detail("Invalid JSON body")) from exc
    if not isinstance(body, dict):
        raise Refusal(400, detail("Invalid JSON body"))
    return body


def invalid(
    message: str, param: str | None = None, code: str | None = None, status: int = 400
) -> Refusal:
    """Return a refusal of the model's side."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Refusal(status, {"error": error})


def not_supported(slug: object) -> Refusal:
    """Return the refusal of a model that the plan does not have."""
    words = f"The '{slug}' model is not supported when using Codex with a ChatGPT account."
    return Refusal(400, detail(words))


def _check_fields(order: Order, known: frozenset[str]) -> None:
    for name in order.body:
        if name not in known:
            raise Refusal(400, detail(f"Unsupported parameter: {name}"))


def _check_input(order: Order) -> None:
    body = order.body
    items, tools = body.get("input"), body.get("tools")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refusal(400, detail("Input must be a list"))
    wrong = [name for name in ("reasoning", "text") if not isinstance(body.get(name) or {}, dict)]
    wrong += ["tools"] * (not all(isinstance(tool, dict) for tool in tools or ()))
    for name in wrong:
        raise invalid(f"Invalid type for '{name}'.", name, "invalid_type")


def _check_door(order: Order) -> None:
    body = order.body
    _check_fields(order, _FIELDS)
    if not isinstance(body.get("instructions"), str) and LITE_HEADER not in order.headers:
        raise Refusal(400, detail("Instructions are required"))
    if body.get("store") is not False:
        raise Refusal(400, detail("Store must be set to false"))
    if body.get("stream") is not True:
        raise Refusal(400, detail("Stream must be set to true"))
    _check_input(order)
    if any(item.get("role") == "system" for item in order.items):
        raise Refusal(400, detail("System messages are not allowed"))
    tier = body.get("service_tier")
    if tier is not None and tier not in _TIERS:
        raise Refusal(400, detail(f"Unsupported service_tier: {tier}"))


def _check_model(order: Order) -> None:
    body, model = order.body, _model(order)
    effort = (body.get("reasoning") or {}).get("effort")
    if effort is not None and effort not in model.efforts:
        kind = "supported with" if effort in EFFORTS else "known to"
        raise invalid(
            f"Unsupported value: '{effort}' is not {kind} the '{model.slug}' model."
            f" Supported values are: {', '.join(repr(one) for one in model.efforts)}.",
            "reasoning.effort",
            "unsupported_value",
        )
    if not model.is_lite:
        return
    wrong = {
        LITE_HEADER: order.headers.get(LITE_HEADER) != "true",
        "tools": bool(body.get("tools")),
        "instructions": bool(body.get("instructions")),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "reasoning.context": (body.get("reasoning") or {}).get("context") != "all_turns",
    }
    for param in (name for name, is_wrong in wrong.items() if is_wrong):
        raise invalid(f"'{param}' is not as this model wants it.", param, "unsupported_value")


def _model(order: Order) -> Model:
    slug = order.body.get("model")
    if model := find_model(slug, order.caller.plan):
        return model
    raise not_supported(slug)


def _check_items(order: Order) -> None:
    for place, item in enumerate(order.items):
        kind = item.get("type", "message")
        if item.get("id") or kind == "item_reference":
            raise invalid(
                f"Item with id '{item.get('id')}' not found. Items are not persisted when `store`"
                " is set to false. Try again with `store` set to true, or remove this item from"
                " your input.",
                "input",
                status=404,
            )
        if kind not in _ITEMS:
            raise _bad_value(kind, f"input[{place}].type", _ITEMS)
        must, may = (names.split() for names in _ITEMS[kind])
        _check_keys(item, must, [*may, "type", "id"], f"input[{place}]")
        if kind == "message":
            if item["role"] not in _PARTS:
                raise _bad_value(item["role"], f"input[{place}].role", _PARTS)
            _check_parts(order, item["content"], _PARTS[item["role"]], f"input[{place}].content")
        elif kind.endswith("_output"):
            _check_parts(order, item["output"], _OUTPUT_PARTS, f"input[{place}].output")
        elif "encrypted_content" in must:
            _check_sealed(order, str(item["encrypted_content"]))


def _check_keys(item: dict[str, Any], must: list[str], may: list[str], where: str) -> None:
    for name in must:
        if item.get(name) is None:
            param = f"{where}.{name}"
            raise invalid(
                f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
            )
    for name in item.keys() - {*must, *may}:
        param = f"{where}.{name}"
        raise invalid(f"Unknown parameter: '{param}'.", param, "unknown_parameter")


def _check_parts(order: Order, parts: Any, known: frozenset[str], where: str) -> None:
    if isinstance(parts, str):
        return
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise invalid(f"Invalid type for '{where}'.", where, "invalid_type")
    for place, part in enumerate(parts):
        param = f"{where}[{place}]"
        kind = part.get("type")
        if kind not in known:
            raise _bad_value(kind, f"{param}.type", known)
        url = str(part.get("image_url") or "")
        if kind == "input_image" and not url.startswith(("data:image/", "https://")):
            raise invalid("Invalid image: a data URL is expected.", param, "invalid_value")
        if kind == "input_image" and not _model(order).sees:
            raise invalid("This model does not support image inputs.", param, "unsupported_value")
        if kind == "input_file" and not part.get("file_id"):
            _check_keys(part, ["filename", "file_data"], list(part), param)


def _check_sealed(order: Order, sealed: str) -> None:
    if unseal(order.caller.account_id, sealed) is None:
        raise invalid(
            f"The encrypted content {sealed[:8]}... could not be verified.",
            code="invalid_encrypted_content",
        )


def _check_calls(order: Order) -> None:
    calls, outputs = (
        {item["call_id"]: kind for item, kind in _kinds(order.items) if kind.endswith(ending)}
        for ending in ("_call", "_call_output")
    )
    for call_id, kind in calls.items():
        if call_id and outputs.get(call_id) != f"{kind}_output":
            words = kind.removesuffix("_call").replace("_", " ")
            raise invalid(f"No tool output found for {words} call {call_id}.", "input")
    for call_id, kind in outputs.items():
        if calls.get(call_id) != kind.removesuffix("_output"):
            words = kind.removesuffix("_call_output").replace("_", " ")
            raise invalid(
                f"No tool call found for {words} call output with call_id {call_id}.", "input"
            )


def _kinds(items: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    return ((item, item.get("type", "message")) for item in items if item.get("call_id"))


def _check_tools(order: Order) -> None:
    names = set()
    for place, tool in enumerate(offered_tools(order.body)):
        names |= set(_checked_names(tool, f"tools[{place}]"))
    choice = order.body.get("tool_choice") or "auto"
    chosen = choice if isinstance(choice, str) else choice.get("name") or choice.get("type")
    if chosen not in names | {"auto", "none", "allowed_tools"} and not (
        chosen == "required" and names
    ):
        raise invalid(f"Tool choice '{chosen}' not found in 'tools' parameter.", "tool_choice")


def _checked_names(tool: dict[str, Any], where: str) -> Iterator[str]:
    """Yield the names by which a good tool can be chosen."""
    kind = tool.get("type")
    if kind not in _TOOLS:
        raise Refusal(400, detail(f"Unsupported tool type: {kind}"))
    if kind == "image_generation" and tool.get("model", IMAGE_MODELS[0]) not in IMAGE_MODELS:
        error = {
            "message": f"Invalid value: '{tool['model']}'.",
            "type": "image_generation_user_error",
            "code": "invalid_value",
            "param": "tools",
        }
        raise Refusal(400, {"error": error})
    if kind in {"function", "custom", "namespace"}:
        yield _checked_name(tool.get("name"), where)
    else:
        yield kind
    for place, inner in enumerate(tool.get("tools") or ()):
        yield from _checked_names(inner, f"{where}.tools[{place}]")


def _checked_name(name: object, where: str) -> str:
    param = f"{where}.name"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(f"Invalid '{param}': a name is expected.", param, "invalid_value")
    if len(name) > MAX_NAME_CHARS:
        raise invalid(
            f"Invalid '{param}': string too long. Expected a string with maximum length"
            f" {MAX_NAME_CHARS}, but got a string with length {len(name)} instead.",
            param,
            "string_above_max_length",
        )
    return name


def _check_format(order: Order) -> None:
    wanted = (order.body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_schema":
        _check_keys(wanted, ["name", "schema"], list(wanted), "text.format")
    texts = [str(order.body.get("instructions") or ""), *map(message_text, order.items)]
    if wanted.get("type") == "json_object" and not any("json" in one.lower() for one in texts):
        raise invalid(
            "Response input messages must contain the word 'json' in some form to use"
            " 'text.format' of type 'json_object'.",
            "input",
        )


def _bad_value(value: object, param: str, known: Any) -> Refusal:
    names = ", ".join(f"'{name}'" for name in sorted(known))
    message = f"Invalid value: '{value}'. Supported values are: {names}."
    return invalid(message, param, "invalid_value")


_CHECKS: tuple[Callable[[Order], None], ...] = (
    _check_model,
    _check_items,
    _check_calls,
    _check_tools,
    _check_format,
)
