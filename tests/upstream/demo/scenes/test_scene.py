"""The moves that scenarios are made of."""

from tests.rows import each_row
from tests.upstream.demo.conftest import Asker, user
from upstream.demo.scenes.files import Files
from upstream.demo.scenes.questions import Question
from upstream.demo.scenes.scene import Scene, pieces_of
from upstream.demo.scenes.script import Begin, Grow, final_messages


def scene(text: str = "hello") -> Scene:
    return Scene(Question(owner="me", text=text, raw_text=text, sent=(), model="m"), "c", Files())


@each_row(
    "text",
    ["", "one two", "  lead and trail \n", "a\n\n- b  c", "你好，世界！ mixed 文字", "x" * 50],
)
def test_pieces_lose_nothing(text: str) -> None:
    assert "".join(pieces_of(text)) == text


def test_something_said_begins_grows_and_finishes() -> None:
    one = scene()
    message_id = one.say("a sentence that is long enough to stream")
    kinds = [type(step) for step in one.steps]
    assert kinds[0] is Begin
    assert kinds.count(Grow) > 3
    (message,) = final_messages(one.steps)
    assert message["id"] == message_id == one.last_id
    assert message["content"]["parts"] == ["a sentence that is long enough to stream"]
    assert message["end_turn"] is True


def test_a_call_is_addressed_to_its_tool() -> None:
    one = scene()
    one.call("python", text="print(1)", language="python3")
    (message,) = final_messages(one.steps)
    assert (message["recipient"], message["content"]["text"]) == ("python", "print(1)")
    assert message["end_turn"] is False


async def test_the_sent_history_is_echoed_with_its_ids(asker: Asker) -> None:
    mine = [user("one"), user("two"), user("three")]
    mine[1]["author"]["role"] = "assistant"
    stream = await asker.ask("", messages=mine)
    echoes = [stream.messages[one["id"]] for one in mine]
    assert [one["status"] for one in echoes] == ["finished_successfully"] * 3
    assert [one["end_turn"] for one in echoes] == [None, True, None]
    assert stream.typed("input_message")[0]["input_message"]["id"] == mine[2]["id"]


async def test_the_slug_that_was_asked_for_answers(asker: Asker) -> None:
    stream = await asker.ask("Hello there", model="gpt-5-mini")
    assert stream.answers()[0]["metadata"]["model_slug"] == "gpt-5-mini"
    assert stream.typed("server_ste_metadata")[0]["metadata"]["model_slug"] == "gpt-5-mini"
