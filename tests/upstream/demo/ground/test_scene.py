"""The moves that scenarios are made of."""

import pytest

from upstream.demo.ground.files import Files
from upstream.demo.ground.questions import Question
from upstream.demo.ground.scene import Scene, pieces_of
from upstream.demo.ground.script import Begin, Grow, final_messages


def scene(text: str = "hello") -> Scene:
    return Scene(Question(owner="me", text=text, raw_text=text, sent=(), model="m"), "c", Files())


@pytest.mark.parametrize(
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
    one.call("python", "print(1)", "python3")
    (message,) = final_messages(one.steps)
    assert (message["recipient"], message["content"]["text"]) == ("python", "print(1)")
    assert message["end_turn"] is False


def test_the_language_of_the_question_is_kept() -> None:
    assert scene("hello").words("a", "b") == "a"
    assert scene("你好").words("a", "b") == "b"
