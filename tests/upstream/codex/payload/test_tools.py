"""Tools as the back end takes them."""

import pytest

from service.vocabulary.errors import RequestError
from tests.rows import each_row
from upstream.codex.payload.tools import MAX_NAME_CHARS, native_tools, short_name

LONG = "a_tool_with_a_name_" + "x" * 80


def test_tools_go_as_they_were_sent_and_in_their_order():
    tools = [
        {"type": "function", "name": "b", "parameters": {"z": 1, "a": 2}, "strict": True},
        {"type": "custom", "name": "a", "format": {"type": "grammar"}},
        {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "c"}]},
        {"type": "image_generation", "partial_images": 2},
        {"type": "tool_search"},
    ]
    sent = native_tools(tools, "required")
    assert sent.tools == tools
    assert [list(one) for one in sent.tools] == [list(one) for one in tools]
    assert (sent.choice, sent.names) == ("required", {})


@each_row("kind", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_a_search_has_one_name(kind):
    tool = {"type": kind, "search_context_size": "low", "filters": {"allowed_domains": ["a"]}}
    sent = native_tools([tool], {"type": kind})
    assert sent.tools == [{**tool, "type": "web_search"}]
    assert sent.choice == {"type": "web_search"}


@each_row("kind", ["file_search", "code_interpreter", "computer_use_preview", None])
def test_what_the_back_end_has_not_is_refused_by_its_place(kind):
    with pytest.raises(RequestError) as caught:
        native_tools([{"type": "function", "name": "f"}, {"type": kind}], None)
    assert (caught.value.param, caught.value.code) == ("tools[1].type", "unsupported_parameter")


def test_a_long_name_is_shortened_and_can_be_mapped_back():
    inner = {"type": "namespace", "name": "ns", "tools": [{"type": "custom", "name": LONG}]}
    choice = {"type": "allowed_tools", "tools": [{"type": "function", "name": LONG}]}
    sent = native_tools([{"type": "function", "name": LONG}, inner], choice)
    short = short_name(LONG)
    assert len(short) == MAX_NAME_CHARS
    assert sent.names == {short: LONG}
    assert sent.tools[0]["name"] == sent.tools[1]["tools"][0]["name"] == short
    assert sent.choice == {"type": "allowed_tools", "tools": [{"type": "function", "name": short}]}
    assert short_name(LONG + "y") != short
    assert short_name("short") == "short"
