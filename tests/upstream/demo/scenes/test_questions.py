"""Bodies of turns."""

from tests.upstream.demo.conftest import user
from upstream.demo.ground.words import Fault
from upstream.demo.scenes.questions import read_question


def test_commands_are_not_part_of_the_question() -> None:
    body = {"action": "next", "messages": [user("hello /fault once:cut 3 /scene code")]}
    question = read_question(body, [], "me")
    assert question.text == "hello"
    assert question.commands.scene == "code"
    assert question.commands.fault == Fault("cut", "", (3,), is_once=True)


def test_files_are_named_once() -> None:
    message = user("look")
    message["content"] = {
        "content_type": "multimodal_text",
        "parts": [{"asset_pointer": "file-service://file-1"}, "look"],
    }
    message["metadata"] = {"attachments": [{"id": "file-1", "name": "a.png"}, {"id": "file-2"}]}
    question = read_question({"action": "next", "messages": [message]}, [], "me")
    assert [(one.id, one.name) for one in question.attachments] == [
        ("file-1", "a.png"),
        ("file-2", ""),
    ]
    assert question.text == "look"


def test_a_continued_talk_has_its_stored_messages_first() -> None:
    body = {"action": "continue", "conversation_id": "c"}
    question = read_question(body, [user("stored")], "me")
    assert [said.text for said in question.history] == ["stored"]
    assert question.text == "stored"


def test_the_language_of_a_question_chooses_words() -> None:
    for text, chosen in (("hello", "a"), ("你好", "b")):
        question = read_question({"action": "next", "messages": [user(text)]}, [], "me")
        assert question.words("a", "b") == chosen
