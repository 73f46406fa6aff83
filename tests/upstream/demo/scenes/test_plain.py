"""Plain answers over a real socket."""

from tests.upstream.demo.conftest import Asker, user
from tests.upstream.demo.reading import read


async def test_it_says_first_that_it_is_a_demo_and_echoes_the_question(asker: Asker) -> None:
    stream = await asker.ask("Where do swallows sleep?")
    assert stream.text.startswith("Demo")
    assert "Where do swallows sleep?" in stream.text
    assert stream.is_done


async def test_a_chinese_question_gets_a_chinese_answer(asker: Asker) -> None:
    stream = await asker.ask("燕子在哪里睡觉？")
    assert stream.text.startswith("演示")
    assert "燕子在哪里睡觉？" in stream.text


async def test_it_can_do_sums(asker: Asker) -> None:
    assert (await asker.ask("What is 12 + 30?")).text == "Demo answer: 12+30=42"


async def test_it_remembers_what_was_said_first(asker: Asker) -> None:
    messages = [user("I keep bees"), user("and goats"), user("what did I say first?")]
    stream = await asker.ask("", messages=messages)
    assert "“I keep bees”" in stream.text


async def test_it_remembers_a_stored_talk(asker: Asker) -> None:
    first = await asker.ask("My name is Ada.")
    conversation_id = first.typed("message_stream_complete")[0]["conversation_id"]
    again = await asker.ask(
        "What is my name?",
        conversation_id=conversation_id,
        parent_message_id=first.answers()[0]["id"],
    )
    assert again.text == "Demo answer: your name is Ada"


async def test_a_short_answer_comes_only_with_its_closing_event(asker: Asker) -> None:
    body = asker.body("2+2", supported_encodings=["v1"])
    async with asker.post("/backend-api/conversation", body) as response:
        raw = await response.read()
    assert read(raw).text == "Demo answer: 2+2=4"
    closing = [line for line in raw.splitlines() if b"2+2=4" in line and b"finish_details" in line]
    assert len(closing) == 1
    assert b'"o":"append","v":"Demo answer: 2+2=4"' in closing[0]


async def test_it_names_the_gpt_and_unknown_files(asker: Asker) -> None:
    message = user("look")
    message["metadata"] = {"attachments": [{"id": "file-none", "name": "a.pdf"}]}
    stream = await asker.ask(
        "", messages=[message], conversation_mode={"kind": "gizmo_interaction", "gizmo_id": "g-abc"}
    )
    assert "file-none (unknown)" in stream.text
    assert "(GPT g-abc)" in stream.text
