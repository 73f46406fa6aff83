"""A model that is told to call functions or to write JSON; told in words of this test's own."""

import json
from typing import Any

import pytest

from tests.upstream.demo.conftest import Asker, user
from upstream.demo.scenes.obedience import Instructions, Place, read_instructions, read_place
from upstream.demo.scenes.questions import Said

CALLING = """To call a function write:
[[
{"name": "NAME", "arguments": {}}
]]
{"name": "get_weather", "parameters": {"type": "object", "required": ["city"]}}
{"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}}}"""
MUST = f"{CALLING}\nYou must call one."
WRITING = 'Answer with one JSON value and nothing else:\n{"type": "array", "items": {"const": 1}}'
TOLD = """You may use tools. Write a call like this:
<<call>>
{"name": "NAME", "arguments": {}}
<</call>>
You must call one; several functions may be called at once.
{"name": "add", "parameters": {"type": "object"}}
{"name": "now", "description": "The time.", "parameters": {}}
Else answer with one JSON value and nothing else:
{"type": "array"}"""
COMPLAINT = "[Correction] That could not be used."


def said(role: str, text: str) -> dict[str, Any]:
    return {**user(text), "author": {"role": role}}


async def answer(asker: Asker, told: str, *texts: str) -> str:
    roles = ["user", *["assistant", "user"] * 9]
    talk = [said("system", told), *map(said, roles, texts)]
    return (await asker.ask("", messages=talk)).text


async def test_a_function_that_a_question_is_about_is_called(asker: Asker) -> None:
    text = await answer(asker, CALLING, "How is the weather in Rome?")
    opening, call, closing = text.splitlines()
    assert (opening, closing) == ("[[", "]]")
    assert json.loads(call) == {"name": "get_weather", "arguments": {"city": "Rome"}}


async def test_another_question_is_answered_unless_a_call_is_due(asker: Asker) -> None:
    assert await answer(asker, CALLING, "6*7") == "Demo answer: 6*7=42"
    assert '"get_weather"' in await answer(asker, MUST, "6*7")


async def test_a_result_becomes_the_answer(asker: Asker) -> None:
    text = await answer(asker, CALLING, "add 2", "[[…]]", "[Tool result]\nadd returned:\n2")
    assert text == "Demo answer: add returned: 2"


async def test_json_is_written_and_nothing_else(asker: Asker) -> None:
    assert await answer(asker, WRITING, "Hello") == "[1]"


@pytest.mark.parametrize("question", ["/scene slip add 5", "first badly: add 5", "先错后对 add 5"])
async def test_a_slip_is_mended_when_complained_about(asker: Asker, question: str) -> None:
    wrong = await answer(asker, CALLING, question)
    with pytest.raises(json.JSONDecodeError):
        json.loads(wrong.splitlines()[1])
    right = await answer(asker, CALLING, question, wrong, COMPLAINT)
    assert json.loads(right.splitlines()[1])["arguments"] == {"a": 5}


@pytest.mark.parametrize("told", [CALLING, MUST, WRITING])
async def test_the_disobedient_stays_so(asker: Asker, told: str) -> None:
    wrong = await answer(asker, told, "/scene disobedient add 5")
    assert await answer(asker, told, "/scene disobedient add 5", wrong, COMPLAINT) == wrong
    with pytest.raises(json.JSONDecodeError):
        json.loads(wrong.splitlines()[-2:][0])


def test_functions_example_and_schema_are_read_from_words() -> None:
    told = read_instructions((Said("system", TOLD), Said("system", ""), Said("user", "Hi")))
    assert told.functions == {"add": {"type": "object"}, "now": {}}
    assert (told.opening, told.closing) == ("<<call>>", "<</call>>")
    assert (told.must_call, told.may_call_several, told.wants_json) == (True, True, True)
    assert told.schema == {"type": "array"}


def test_of_several_messages_the_last_counts_that_says_anything_of_the_kind() -> None:
    other = TOLD.replace('"add"', '"sub"')
    for said in ((TOLD, "Be kind."), ("Be kind.", TOLD, "Be brief."), (other, "x", TOLD)):
        talk = [Said("system", text) for text in said]
        assert set(read_instructions((*talk, Said("user", "Hi"))).functions) == {"add", "now"}


def test_other_instructions_ask_for_nothing() -> None:
    told = read_instructions((Said("system", "Be kind.\n{broken\n[1]"),))
    assert told == Instructions()


def test_the_place_in_a_talk_is_the_last_question_and_what_was_reported_since() -> None:
    talk = [
        Said("user", "First?"),
        Said("assistant", "Yes."),
        Said("user", "Second?"),
        Said("assistant", "<<call>>"),
        Said("user", "[Tool result]\n4"),
        Said("user", "[Tool result]\n5"),
    ]
    assert read_place(tuple(talk)) == Place("Second?", ("4", "5"))
    complaint = "[Correction] It is wrong."
    assert read_place((*talk[:4], Said("user", complaint))) == Place("Second?", (), complaint)
    assert read_place((*talk, Said("assistant", "9"))) == Place("Second?")
