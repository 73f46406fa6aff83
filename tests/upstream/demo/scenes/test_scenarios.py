"""Every scenario, in both generations, over a real socket."""

import json
import re

import pytest

from tests.rows import each_row
from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import Stream
from upstream.demo.scenes.scenarios import SCENARIOS

UNIQUE = re.compile(r"file[-_][A-Za-z0-9]{20,}")


def shape(stream: Stream) -> list[tuple[object, ...]]:
    """Return what both generations must agree on, without ids and times."""
    return [
        (
            one["author"]["role"],
            one["author"]["name"],
            one["recipient"],
            one["channel"],
            one["status"],
            one["end_turn"],
            one["content"]["content_type"],
            one["metadata"].get("finish_details"),
            len(one["metadata"].get("citations", [])),
            len(one["metadata"].get("content_references", [])),
        )
        for one in stream.messages.values()
    ]


@each_row("name", list(SCENARIOS))
async def test_both_generations_say_the_same(asker: Asker, name: str) -> None:
    v0 = await asker.ask(f"/scene {name} show me")
    v1 = await asker.ask(f"/scene {name} show me", supported_encodings=["v1"])
    assert (v0.is_v1, v1.is_v1) == (False, True)
    assert v0.text == v1.text
    assert shape(v0) == shape(v1)
    assert v0.is_done
    assert v1.is_done
    assert (v0.junk, v1.junk) == (0, 0)
    assert (await asker.stats())["turns"]["by_scenario"][name] == 2


@each_row("name", list(SCENARIOS))
async def test_each_answer_says_first_that_it_is_a_demo(asker: Asker, name: str) -> None:
    for words in ("show me", "请看"):
        text = (await asker.ask(f"/scene {name} {words}")).text
        if name not in {"picture_later", "consent"}:  # these end without words
            assert text.startswith(("Demo", "演示"))


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("help", "help"),
        ("帮助？", "help"),
        ("Draw a red fox", "picture"),
        ("画一只猫", "picture"),
        ("稍后画一只猫", "picture_later"),
        ("draw a cat, but later", "picture_later"),
        ("draw a forbidden thing", "picture_refused"),
        ("natively draw a cat", "picture_native"),
        ("What is in this picture?", "plain"),
        ("这张图里画了什么", "plain"),
        ("write it on the canvas", "canvas"),
        ("写在画布上", "canvas"),
        ("plot a chart of boats", "chart"),
        ("make report.csv", "file"),
        ("run code for 3*4", "code"),
        ("search for boats", "search"),
        ("browse for boats", "browse"),
        ("file search please", "file_search"),
        ("think hard", "thoughts"),
        ("long 30", "long"),
        ("how long is the Nile?", "plain"),
        ("two answers", "two_answers"),
        ("call an action", "consent"),
        ("old moderation", "blocked_2023"),
        ("moderation", "blocked"),
        ("表情", "emoji"),
        ("Hello!", "plain"),
        (
            "请严格根据我的以下要求完成绘图任务，如果我没有发出指定的绘画指令，则绘制出我发出的文字"
            "对应的图片：\nprompt:a long river\nsize:256x128",
            "picture",
        ),
    ],
)
async def test_words_choose_the_scenario(asker: Asker, question: str, name: str) -> None:
    await asker.ask(question)
    assert (await asker.stats())["turns"]["by_scenario"] == {name: 1}


async def test_hints_gpts_and_models_choose_too(asker: Asker) -> None:
    await asker.ask("a cat", system_hints=["picture_v2"])
    await asker.ask("boats", system_hints=["search"])
    await asker.ask("hm", system_hints=["reason"])
    await asker.ask("hm", model="o1-mini")
    await asker.ask("a cat", conversation_mode={"gizmo_id": "g-2fkFE8rbu"})
    assert (await asker.stats())["turns"]["by_scenario"] == {
        "picture_native": 1,
        "search": 1,
        "thoughts": 1,
        "o1": 1,
        "picture": 1,
    }


async def test_help_lists_every_scenario(asker: Asker) -> None:
    text = (await asker.ask("help")).text
    assert all(f"- {name}: " in text for name in SCENARIOS)


async def test_an_answer_is_surrounded_by_what_real_ones_have(asker: Asker) -> None:
    stream = await asker.ask("Hello there")
    kinds = [one["type"] for _, one in stream.events if isinstance(one, dict) and "type" in one]
    assert kinds == [
        "resume_conversation_token",
        "input_message",
        "message_marker",
        "message_marker",
        "title_generation",
        "server_ste_metadata",
        "message_stream_complete",
        "conversation_detail_metadata",
    ]
    assert stream.pings >= 1
    (system,) = stream.by("system")
    assert system["end_turn"] is True
    assert system["metadata"]["is_visually_hidden_from_conversation"] is True
    context = next(iter(stream.by("assistant")))
    assert context["content"]["content_type"] == "model_editable_context"


async def test_several_messages_in_one_turn(asker: Asker) -> None:
    stream = await asker.ask("several messages")
    assert [one["end_turn"] for one in stream.answers()] == [False, False, True]


async def test_endings(asker: Asker) -> None:
    limited = (await asker.ask("token limit")).answers()[0]
    assert limited["metadata"]["finish_details"] == {"type": "max_tokens"}
    assert limited["status"] == "finished_partial_completion"
    blocked = await asker.ask("moderation")
    assert blocked.typed("moderation")[0]["moderation_response"]["blocked"] is True
    assert blocked.answers()[0]["status"] == "in_progress"
    old = await asker.ask("old moderation")
    (trailer,) = [one for _, one in old.events if one.get("is_completion")]
    assert "type" not in trailer
    assert trailer["moderation_response"]["blocked"] is True


async def test_hidden_words_are_hidden_in_three_ways(asker: Asker) -> None:
    stream = await asker.ask("hidden messages")
    assert str(stream.messages).count("HIDDEN") == 3
    assert "HIDDEN" not in stream.text


async def test_words_may_be_rewritten(asker: Asker) -> None:
    stream = await asker.ask("/scene rewrite")
    assert stream.text == "Demo: the answer is yes, after all."
    assert "answer is no." in str(stream.events)


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_thoughts_recap_and_channels(asker: Asker, encodings: list[str]) -> None:
    stream = await asker.ask("think about boats", supported_encodings=encodings)
    kinds = [(one["content"]["content_type"], one["channel"]) for one in stream.by("assistant")]
    assert kinds == [
        ("model_editable_context", None),
        ("thoughts", None),
        ("text", "analysis"),
        ("text", "commentary"),
        ("reasoning_recap", None),
        ("text", None),
    ]
    first, second = stream.by("assistant")[1]["content"]["thoughts"]
    assert first["content"] == "The user wants to see how I think."
    assert (second["summary"], second["content"]) == ("Only a summary here", "")
    assert first["finished"] is True


async def test_o1_thinks_in_tool_messages(asker: Asker) -> None:
    stream = await asker.ask("boats?", model="o1-preview")
    steps = stream.by("tool")
    assert [one["metadata"]["finished_text"] for one in steps] == [
        "Reading the question",
        "Preparing the answer",
    ]
    assert "boats?" in stream.text


async def test_code_runs_and_shows_its_result(asker: Asker) -> None:
    stream = await asker.ask("run code for 3*4")
    (call,) = [one for one in stream.messages.values() if one["recipient"] == "python"]
    assert call["content"]["language"] == "python3"
    assert "print(3*4)" in call["content"]["text"]
    (result,) = stream.by("tool", "python")
    assert result["content"] == {"content_type": "execution_output", "text": "12\n"}
    assert result["metadata"]["aggregate_result"]["status"] == "success"


async def test_a_file_is_linked_twice(asker: Asker) -> None:
    text = (await asker.ask("make report.csv")).text
    assert "[Download report.csv](sandbox:/mnt/data/report.csv)" in text
    assert text.count("sandbox:/mnt/data/report.csv") == 2


async def test_a_canvas_document_is_json(asker: Asker) -> None:
    stream = await asker.ask("canvas")
    (call,) = [
        one for one in stream.messages.values() if one["recipient"] == "canmore.create_textdoc"
    ]
    assert json.loads(call["content"]["text"])["name"] == "Demo document"
    assert stream.by("tool")[0]["metadata"]["canvas"]["version"] == 1


async def test_consent_ends_the_turn_without_words(asker: Asker) -> None:
    stream = await asker.ask("call an action")
    wanted = stream.by("tool")[0]["metadata"]["jit_plugin_data"]["from_server"]
    assert wanted["type"] == "confirm_action"
    assert not stream.answers()
    assert stream.is_done


async def test_a_tool_may_fail(asker: Asker) -> None:
    stream = await asker.ask("system error")
    content = stream.by("tool")[0]["content"]
    assert content["name"] == "ChatGPTAgentToolRateLimitException"
    assert stream.text
