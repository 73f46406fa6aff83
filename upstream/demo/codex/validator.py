"""What the back end refuses, in its own words (X2.3).

`{"detail": "…"}` comes from its door, `{"error": {…}}` from the model's side behind it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web

from upstream.demo.codex.accounts import Caller, unseal
from upstream.demo.codex.plans import EFFORTS, IMAGE_MODELS, Model, find_model
from upstream.demo.codex.talk import message_text, offered_tools
from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.templates import fill, load

WORDS = load(__file__)

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
_OUTPUT_PARTS = _SENT_PARTS | {"output_text"}
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
    "tool_search_call": ("call_id arguments", "execution status"),
    "tool_search_output": ("call_id tools", "execution status"),
    "additional_tools": ("tools", "role"),
}
"""The fields of each kind of item: those that it must have, and those that it may have."""
_TOOLS = {
    *("function", "custom", "namespace", "web_search", "image_generation", "local_shell"),
    "tool_search",
}
_TIERS = frozenset((None, "default", "priority", "flex"))
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

    @property
    def model(self) -> Model:
        """The model, or a refusal if the plan does not have it."""
        slug = self.body.get("model")
        if model := find_model(slug, self.caller.plan):
            return model
        raise _door(f"The '{slug}' model is not supported when using Codex with a ChatGPT account.")


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
    for check in (_check_input, *_CHECKS):
        check(order)


async def read_body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises:
        Refusal: 400, it is none.
    """
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise _door("Invalid JSON body")
    return body


def invalid(name: str, status: int = 400, **names: object) -> Refusal:
    """Return a refusal of the model's side, in the words of `validator.yaml`."""
    message, param, code = fill(WORDS[name], names)
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Refusal(status, {"error": error})


def _door(words: str) -> Refusal:
    return Refusal(400, detail(words))


def _check_fields(order: Order, known: frozenset[str]) -> None:
    for name in order.body:
        if name not in known:
            raise _door(f"Unsupported parameter: {name}")


def _check_input(order: Order) -> None:
    body = order.body
    items, tools = body.get("input"), body.get("tools")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _door("Input must be a list")
    wrong = [name for name in ("reasoning", "text") if not isinstance(body.get(name) or {}, dict)]
    wrong += ["tools"] * (not all(isinstance(tool, dict) for tool in tools or ()))
    for name in wrong:
        raise invalid("kind", param=name)


def _check_door(order: Order) -> None:
    body = order.body
    _check_fields(order, _FIELDS)
    if not isinstance(body.get("instructions"), str) and LITE_HEADER not in order.headers:
        raise _door("Instructions are required")
    for name, value in (("store", False), ("stream", True)):
        if body.get(name) is not value:
            raise _door(f"{name.capitalize()} must be set to {str(value).lower()}")
    _check_input(order)
    if any(item.get("role") == "system" for item in order.items):
        raise _door("System messages are not allowed")
    if (tier := body.get("service_tier")) not in _TIERS:
        raise _door(f"Unsupported service_tier: {tier}")


def _check_model(order: Order) -> None:
    body, model = order.body, order.model
    reasoning = body.get("reasoning") or {}
    effort = reasoning.get("effort")
    if effort is not None and effort not in model.efforts:
        is_known = "supported with" if effort in EFFORTS else "known to"
        names = {"effort": effort, "is_known": is_known, "slug": model.slug}
        raise invalid("effort", **names, known=_listed(model.efforts))
    wrong = {
        LITE_HEADER: order.headers.get(LITE_HEADER) != "true",
        "tools": bool(body.get("tools")),
        "instructions": bool(body.get("instructions")),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "reasoning.context": reasoning.get("context") != "all_turns",
    }
    for param in (name for name, is_wrong in wrong.items() if is_wrong and model.is_lite):
        raise invalid("lite", param=param)


def _check_items(order: Order) -> None:
    for place, item in enumerate(order.items):
        kind, where = item.get("type", "message"), f"input[{place}]"
        if item.get("id") or kind == "item_reference":
            raise invalid("id", 404, id=item.get("id"))
        _check_value(kind, f"{where}.type", _ITEMS)
        must, may = (names.split() for names in _ITEMS[kind])
        _check_keys(item, must, [*may, "type", "id"], where)
        if kind == "message":
            _check_value(item["role"], f"{where}.role", _PARTS)
            _check_parts(order, item["content"], _PARTS[item["role"]], f"{where}.content")
        elif "output" in must:
            _check_parts(order, item["output"], _OUTPUT_PARTS, f"{where}.output")
        elif "encrypted_content" in must:
            _check_sealed(order, str(item["encrypted_content"]))


def _check_value(value: object, param: str, known: Any) -> None:
    if value not in known:
        raise invalid("value", value=value, known=_listed(sorted(known)), param=param)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _check_keys(item: dict[str, Any], must: list[str], may: list[str], where: str) -> None:
    for param in (f"{where}.{name}" for name in must if item.get(name) is None):
        raise invalid("missing", param=param)
    for param in (f"{where}.{name}" for name in item.keys() - {*must, *may}):
        raise invalid("unknown", param=param)


def _check_parts(order: Order, parts: Any, known: frozenset[str], where: str) -> None:
    if isinstance(parts, str):
        return
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise invalid("kind", param=where)
    for place, part in enumerate(parts):
        param, kind = f"{where}[{place}]", part.get("type")
        _check_value(kind, f"{param}.type", known)
        url = str(part.get("image_url") or "")
        if kind == "input_image" and not url.startswith(("data:image/", "https://")):
            raise invalid("image", param=param)
        if kind == "input_image" and not order.model.sees:
            raise invalid("blind", param=param)
        if kind == "input_file" and not part.get("file_id"):
            _check_keys(part, ["filename", "file_data"], list(part), param)


def _check_sealed(order: Order, sealed: str) -> None:
    if unseal(order.caller.account_id, sealed) is None:
        raise invalid("sealed", begin=sealed[:8])


def _check_calls(order: Order) -> None:
    kinds = [
        (item["call_id"], item.get("type", "message"))
        for item in order.items
        if item.get("call_id")
    ]
    calls = {call_id: kind for call_id, kind in kinds if kind.endswith("_call")}
    answered = {
        call_id: kind.removesuffix("_output").removesuffix("_call") + "_call"
        for call_id, kind in kinds
        if kind.endswith("_output")
    }
    for call_id, kind in calls.items():
        if answered.get(call_id) != kind:
            raise invalid("no_output", kind=_words(kind), call_id=call_id)
    for call_id, kind in answered.items():
        if calls.get(call_id) != kind:
            raise invalid("no_call", kind=_words(kind), call_id=call_id)


def _words(kind: str) -> str:
    return kind.removesuffix("_call").replace("_", " ")


def _check_tools(order: Order) -> None:
    names = set[str]()
    for place, tool in enumerate(offered_tools(order.body)):
        names |= set(_checked_names(tool, f"tools[{place}]"))
    choice = order.body.get("tool_choice") or "auto"
    chosen = choice if isinstance(choice, str) else choice.get("name") or choice.get("type")
    always = {"auto", "none", "allowed_tools"} | ({"required"} if names else set())
    if chosen not in names | always:
        raise invalid("tool_choice", choice=chosen)


def _checked_names(tool: dict[str, Any], where: str) -> Iterator[str]:
    """Yield the names by which a good tool can be chosen."""
    kind = tool.get("type")
    if kind not in _TOOLS:
        raise _door(f"Unsupported tool type: {kind}")
    if kind == "image_generation" and tool.get("model", IMAGE_MODELS[0]) not in IMAGE_MODELS:
        words = f"Invalid value: '{tool['model']}'."
        kinds = {"type": "image_generation_user_error", "code": "invalid_value"}
        raise Refusal(400, {"error": {"message": words, **kinds, "param": "tools"}})
    if kind in {"function", "custom", "namespace"}:
        yield _checked_name(tool.get("name"), f"{where}.name")
    else:
        yield kind
    for place, inner in enumerate(tool.get("tools") or ()):
        yield from _checked_names(inner, f"{where}.tools[{place}]")


def _checked_name(name: object, param: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid("name", param=param)
    if len(name) > MAX_NAME_CHARS:
        raise invalid("long_name", param=param, length=len(name))
    return name


def _check_format(order: Order) -> None:
    wanted = (order.body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_schema":
        _check_keys(wanted, ["name", "schema"], list(wanted), "text.format")
    texts = [str(order.body.get("instructions") or ""), *map(message_text, order.items)]
    if wanted.get("type") == "json_object" and not any("json" in one.lower() for one in texts):
        raise invalid("no_json")


_CHECKS: tuple[Callable[[Order], None], ...] = (
    _check_model,
    _check_items,
    _check_calls,
    _check_tools,
    _check_format,
)
