"""Every scenario, in both generations, over a real socket."""

import re

import pytest

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


@pytest.mark.parametrize("name", [one.name for one in SCENARIOS])
async def test_both_generations_say_the_same(asker: Asker, name: str) -> None:
    v0 = await asker.ask(f"/scene {name} show me")
    v1 = await asker.ask(f"/scene {name} show me", supported_encodings=["v1"])
    assert (v0.is_v1, v1.is_v1) == (False, True)
    assert v0.text == v1.text
    assert shape(v0) == shape(v1)
    assert v0.is_done
    assert v1.is_done
    assert (v0.junk, v1.junk) == (0, 0)
    assert (await asker.stats())["turns"]["by_scenario"] == {name: 2}


@pytest.mark.parametrize("name", [one.name for one in SCENARIOS])
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
    assert all(f"- {one.name}: " in text for one in SCENARIOS)
