"""Every scene over a real socket, and agents that run their loops on it."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.rows import each_row
from tests.upstream.demo.codex.client import Answer, CodexClient, function, output, user
from upstream.demo.codex.accounts import PLANS, unseal
from upstream.demo.codex.faults import REFUSED, STREAM_FAULTS
from upstream.demo.codex.login import OUTCOMES
from upstream.demo.codex.scenes import MIB, SCENES, fitted

STRING = {"type": "string"}


async def run(client: CodexClient, text: str, results: list[str], **fields: Any) -> list[Answer]:
    """Ask, answer each call with the next result, and return all answers."""
    items: list[dict[str, Any]] = [user(text)]
    answers = []
    for result in [*results, ""]:
        answers.append(await client.ask("", input=items, **fields))
        assert answers[-1].status == 200, answers[-1].raw
        calls = [item for item in answers[-1].items if "call_id" in item]
        items += [one for call in calls for one in output(call, result)]
    return answers


@each_row("scene", list(SCENES))
async def test_every_scene_is_a_whole_stream(anna: CodexClient, scene: str) -> None:
    answer = await anna.ask(f"/scene {scene} 64x64", tools=[function("shell", command=STRING)])
    assert answer.last["type"] == "response.completed"
    assert ("Content-Type" in answer.headers) == (scene == "content-type")
    added = [one["item"]["id"] for one in answer.events if one["type"].endswith("item.added")]
    assert added == [item["id"] for item in answer.items]
    assert bool(answer.last["response"]["output"]) == (scene == "full-completed")
    if scene not in {"tool", "agent", "tool-search", "empty", "refusal"}:
        assert answer.text.startswith("Demo")
    assert (await anna.stats())["by_play"][scene] == 1


async def test_a_plain_answer_is_about_what_was_said(anna: CodexClient) -> None:
    file = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,AAAA"}
    said = {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    told = {"role": "developer", "content": [{"type": "input_text", "text": "Use metric units."}]}
    answer = await anna.ask("", input=[told, user("I am Bob"), said, user("my height?", file)])
    for words in ("“my height?”", "“I am Bob”", "“Be brief.”", "“Use metric units.”", "a.txt"):
        assert words in answer.text
    message = answer.items[0]
    assert (message["phase"], message["role"]) == ("final_answer", "assistant")
    chinese = await anna.ask("你好")
    assert chinese.text.startswith("演示回答：你说的是“你好”")


async def test_it_can_do_sums(anna: CodexClient) -> None:
    assert (await anna.ask("What is 6*7?")).text == "Demo answer: 6*7=42"


async def test_reasoning_is_shown_and_given_out_to_who_asks(anna: CodexClient) -> None:
    shown = await anna.ask("think about boats", reasoning={"summary": "auto"})
    deltas = shown.deltas("reasoning_summary_text")
    reasoning = shown.items[0]
    assert "".join(deltas) == "".join(part["text"] for part in reasoning["summary"])
    assert "boats" in (unseal(anna.account.id, reasoning["encrypted_content"]) or "")
    assert shown.usage["output_tokens_details"]["reasoning_tokens"] > 0
    hidden = await anna.ask("think about boats", include=[])
    assert hidden.items[0]["summary"] == []
    assert "encrypted_content" not in hidden.items[0]


async def test_two_calls_are_made_at_once(anna: CodexClient) -> None:
    tools = [function("get_weather", city=STRING), function("get_time", zone=STRING)]
    first, last = await run(anna, "/scene tool in Paris", ["sunny"], tools=tools)
    assert [item["name"] for item in first.items] == ["get_weather", "get_time"]
    assert json.loads(first.items[0]["arguments"]) == {"city": "Paris"}
    lanes = [one["output_index"] for one in first.events if one["type"].endswith("arguments.delta")]
    assert lanes[:4] == [0, 1, 0, 1]
    assert "the tools said sunny sunny" in last.text
    alone = await anna.ask("/scene tool", tools=tools, parallel_tool_calls=False)
    assert len(alone.items) == 1


@pytest.mark.parametrize(
    ("field", "schema", "shown"),
    [
        ("command", STRING, "cat secret.txt"),
        ("cmd", STRING, "cat secret.txt"),
        ("command", {"type": "array", "items": STRING}, ["sh", "-c", "cat secret.txt"]),
    ],
)
@pytest.mark.parametrize(
    "result", ["quokka-1\n", '{"output": "quokka-1\\n"}', "Exit code: 0\nOutput:\nquokka-1"]
)
async def test_an_agent_runs_its_loop(
    anna: CodexClient, field: str, schema: dict[str, Any], shown: Any, result: str
) -> None:
    tools = [function("note"), function("exec_command", **{field: schema})]
    first, second, last = await run(anna, "/scene agent", [result, ""], tools=tools)
    assert json.loads(first.items[0]["arguments"])[field] == shown
    written = json.loads(second.items[0]["arguments"])[field]
    assert (
        written if isinstance(written, str) else written[-1]
    ) == "printf %s quokka-1 > answer.txt"
    assert last.text == "Demo: quokka-1"


async def test_an_agent_may_have_its_shell_built_in_or_in_a_namespace(anna: CodexClient) -> None:
    local = await anna.ask("/scene agent", tools=[{"type": "local_shell"}])
    assert local.items[0]["action"]["command"] == ["sh", "-c", "cat secret.txt"]
    nested = {"type": "namespace", "name": "mcp", "tools": [function("bash", command=STRING)]}
    call = (await anna.ask("/scene agent", tools=[nested])).items[0]
    assert (call["namespace"], call["name"]) == ("mcp", "bash")
    assert "no shell" in (await anna.ask("/scene agent")).text


async def test_a_custom_tool_gets_free_text(anna: CodexClient) -> None:
    tools = [{"type": "custom", "name": "apply_patch"}]
    first, last = await run(anna, "/scene patch", ["done"], tools=tools)
    assert first.items[0]["type"] == "custom_tool_call"
    assert first.items[0]["input"].startswith("*** Begin Patch\n")
    assert "".join(first.deltas("custom_tool_call_input")) == first.items[0]["input"]
    assert "done" in last.text
    (told, _) = await run(anna, "/scene patch\n\n---\ntext(6*7)\n---", ["42"], tools=tools)
    assert told.items[0]["input"] == "text(6*7)"


async def test_a_text_is_said_again_word_for_word(anna: CodexClient) -> None:
    assert (await anna.ask("Please /scene repeat\n\n---\n<a>\n b\n---")).text == "<a>\n b"


async def test_tools_that_were_found_are_called(anna: CodexClient) -> None:
    search = {"type": "tool_search", "execution": "client", "description": "", "parameters": {}}
    question = user("search the tools for the weather")
    first = await anna.ask("", input=[question], tools=[search])
    (call,) = first.items
    assert (call["type"], call["execution"]) == ("tool_search_call", "client")
    sent = {name: value for name, value in call.items() if name != "id"}
    unanswered = await anna.ask("", input=[question, sent], tools=[search])
    assert unanswered.status == 400
    found = {
        "type": "tool_search_output",
        "call_id": call["call_id"],
        "execution": "client",
        "tools": [
            {"type": "namespace", "name": "sky", "tools": [function("get_weather", city=STRING)]}
        ],
    }
    second = await anna.ask("", input=[question, sent, found], tools=[search])
    (called,) = second.items
    assert (called["namespace"], called["name"]) == ("sky", "get_weather")
    items = [question, sent, found, *output(called, "19 degrees")]
    last = await anna.ask("", input=items, tools=[search])
    assert "19 degrees" in last.text


@pytest.mark.parametrize(
    ("text", "choice", "names"),
    [
        ("the weather in Paris?", "auto", ["get_weather"]),
        ("the weather in Paris?", "none", []),
        ("hello", "auto", []),
        ("hello", "required", ["get_weather"]),
        ("hello", {"type": "function", "name": "get_time"}, ["get_time"]),
    ],
)
async def test_tools_are_called_when_they_are_meant(
    anna: CodexClient, text: str, choice: Any, names: list[str]
) -> None:
    tools = [function("get_weather", city=STRING), function("get_time")]
    first, last = await run(anna, text, ["12 degrees"], tools=tools, tool_choice=choice)
    assert [item["name"] for item in first.items if "name" in item] == names
    assert ("12 degrees" in last.text) == bool(names)


async def test_a_schema_is_followed(anna: CodexClient) -> None:
    schema = {
        "type": "object",
        "properties": {"city": STRING, "count": {"type": "integer"}},
        "required": ["city", "count"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "name": "x", "strict": True, "schema": schema}
    answer = await anna.ask("I want 7 boats in Paris", text={"format": wanted})
    assert json.loads(answer.text) == {"city": "Paris", "count": 7}
    loose = await anna.ask("some json", text={"format": {"type": "json_object"}})
    assert isinstance(json.loads(loose.text), dict)


async def test_a_search_is_cited_where_it_says(anna: CodexClient) -> None:
    answer = await anna.ask("search for boats", tools=[{"type": "web_search"}])
    assert [item["type"] for item in answer.items] == ["web_search_call", "message"]
    assert answer.types[3:6] == [
        f"response.web_search_call.{state}" for state in ("in_progress", "searching", "completed")
    ]
    sources = answer.items[1]["content"][0]["annotations"]
    for source in sources:
        shown = answer.text[source["start_index"] : source["end_index"]]
        assert source["url"] in shown
    added = [one for one in answer.events if one["type"].endswith("annotation.added")]
    assert [one["annotation"] for one in added] == sources
    assert len((await anna.ask("search for boats")).items) == 1, "there is no tool for it"


async def test_a_picture_is_drawn_by_the_tool(anna: CodexClient) -> None:
    tool = {"type": "image_generation", "size": "128x64", "partial_images": 2}
    answer = await anna.ask(
        "a boat", tools=[{**tool, "output_format": "webp"}], tool_choice={"type": tool["type"]}
    )
    item = answer.items[0]
    picture = Image.open(io.BytesIO(base64.b64decode(item["result"])))
    assert (picture.format, picture.size, item["size"]) == ("WEBP", (128, 64), "128x64")
    partials = [one["partial_image_index"] for one in answer.events if "partial_image_b64" in one]
    assert partials == [0, 1]
    assert answer.last["response"]["tool_usage"]["image_gen"]["output_tokens"] > 0
    drawn = await anna.ask("draw a boat 64x64", tools=[{"type": "image_generation"}])
    assert [item["type"] for item in drawn.items] == ["image_generation_call", "message"]


def test_pictures_are_never_too_large() -> None:
    assert fitted("1024x1536", "") == (1024, 1536)
    assert fitted("auto", "a wide boat") == (1536, 1024)
    width, height = fitted("2048x2048", "")
    assert (width, height) != (2048, 2048)
    assert width == height


async def test_text_may_come_late_or_in_one_piece(anna: CodexClient) -> None:
    late = await anna.ask("/scene late")
    assert late.deltas("output_text") == []
    assert late.text.startswith("Demo answer")
    assert (await anna.ask("/scene one-delta")).deltas("output_text") == [late.text]


async def test_private_events_come_first(anna: CodexClient) -> None:
    answer = await anna.ask("/scene rate_limits-first")
    limits = answer.events[0]
    assert answer.types[:2] == ["codex.rate_limits", "codex.response.metadata"]
    assert limits["rate_limits"]["primary"]["used_percent"] == 0.5
    assert limits["plan_type"] == "plus"
    held = await anna.ask("/scene safety-buffering")
    assert held.events[0]["metadata"]["type"] == "safety_buffering"


async def test_commentary_is_a_message_of_its_own(anna: CodexClient) -> None:
    answer = await anna.ask("/scene commentary")
    assert [item["phase"] for item in answer.items] == ["commentary", "final_answer"]
    alone = await anna.ask("/scene only-commentary")
    assert [item["phase"] for item in alone.items] == ["commentary"]


async def test_a_refusal_is_a_part_of_its_own(anna: CodexClient) -> None:
    answer = await anna.ask("/scene refusal")
    part = answer.items[0]["content"][0]
    assert (part["type"], "".join(answer.deltas("refusal"))) == ("refusal", part["refusal"])


async def test_strange_line_ends_are_sent_as_they_are(anna: CodexClient) -> None:
    answer = await anna.ask("/scene u2028")
    assert "\u2028two\u2029three\x85four" in answer.text
    assert "\u2028".encode() in answer.raw


async def test_one_event_is_large(anna: CodexClient) -> None:
    answer = await anna.ask("/scene big")
    largest = max(map(len, answer.raw.split(b"\n\n")))
    assert 4 * MIB <= largest < 5 * MIB


async def test_a_scene_that_is_not_known_is_told(anna: CodexClient) -> None:
    answer = await anna.ask("/scene nonsense")
    assert "no scene “nonsense”" in answer.text
    assert "safety-buffering" in answer.text


@each_row("page", ["docs/demo.md", "docs/demo.zh-CN.md"])
def test_the_pages_name_all_that_can_be_asked_for(page: str) -> None:
    text = (Path(__file__).parents[4] / page).read_text("utf-8").partition("## Codex")[2]
    told = {word for code in re.findall(r"`([^`]+)`", text) for word in re.split("[ :]", code)}
    names = {*SCENES, *REFUSED, *STREAM_FAULTS, "stale", *PLANS, *OUTCOMES}
    assert names - {name.replace("_", "-") for name in told} == set()
