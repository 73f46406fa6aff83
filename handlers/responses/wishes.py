"""Reads a response's wishes to the model besides text into `Wishes` (codex 2.3)."""

from typing import Any

from msgspec import Struct

from handlers.reading.json_body import converted, quoted, refusal
from handlers.reading.wish_fields import effort_word
from handlers.responses.demand_fields import TextOptions, WireDemand
from service.vocabulary.requests import Wishes

SEALED = "reasoning.encrypted_content"
# What can be told of searches besides what always is.
OF_SEARCHES = ("web_search_call.action.sources", "web_search_call.results")
INCLUDED = (
    *(SEALED, *OF_SEARCHES, "code_interpreter_call.outputs", "file_search_call.results"),
    *("computer_call_output.output.image_url", "message.input_image.image_url"),
    "message.output_text.logprobs",
)
_INCLUDABLE = ", ".join(f"'{name}'" for name in INCLUDED)


class ReasoningOptions(Struct, frozen=True):
    """`reasoning`; other keys are accepted and not read."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None  # its former name


class WireWishes(WireDemand, frozen=True, kw_only=True):
    """The fields of a response with wishes to the model; other records inherit them."""

    reasoning: dict[str, Any] | None = None
    include: list[str] | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None


def wishes_of(fields: WireWishes) -> Wishes:
    """Return the wishes of a response.

    Raises:
        RequestError: no model knows a level that was sent, or something unknown is to be included.
    """
    for at, name in enumerate(fields.include or ()):
        if name not in INCLUDED:
            problem = f"{quoted(name)} is nothing that can be included; use {_INCLUDABLE}"
            raise refusal(f"include[{at}]", problem)
    reasoning = converted(fields.reasoning or {}, ReasoningOptions, "reasoning")
    text = converted(fields.text or {}, TextOptions, "text")
    wanted = (fields.text or {}).get("format")
    return Wishes(
        tools=tuple(fields.tools or ()),
        tool_choice=fields.tool_choice,
        is_parallel=fields.parallel_tool_calls,
        format=wanted if isinstance(wanted, dict) else None,
        verbosity=text.verbosity or "",
        effort=effort_word(reasoning.effort, "reasoning.effort"),
        summary=reasoning.summary or reasoning.generate_summary,
        service_tier=fields.service_tier or "",
        cache_key=fields.prompt_cache_key or "",
        is_sealed_wanted=SEALED in (fields.include or ()),
        included=tuple(name for name in OF_SEARCHES if name in (fields.include or ())),
        wants_search=_chosen(fields).startswith("web_search"),
        wants_picture=_chosen(fields) == "image_generation",
    )


def _chosen(fields: WireWishes) -> str:
    """Return the type of the one tool that has to be used; empty without one."""
    choice = fields.tool_choice
    return str(choice.get("type")) if isinstance(choice, dict) else ""
