"""Scripts and the documents they make."""

from upstream.demo.scenes.script import (
    TEXT_PATH,
    Begin,
    Change,
    Grow,
    Note,
    Wait,
    final_messages,
    joined,
)


def message(message_id: str) -> dict:
    return {"id": message_id, "content": {"parts": [""]}, "metadata": {"a": 1}, "status": "new"}


def test_steps_make_messages_in_order() -> None:
    steps = [
        Begin(message("m")),
        Note({"type": "x"}),
        Grow("m", (Change(TEXT_PATH, "append", "Hel"),)),
        Begin(message("n"), is_echo=True),
        Wait(1),
        Grow(
            "m", (Change(TEXT_PATH, "append", "lo"), Change("/message/status", "replace", "done"))
        ),
        Grow("m", (Change("/list", "append", [1]),), base="/message/metadata"),
        Grow("m", (Change("/message/metadata/list/0", "add", 0),)),
        Grow("m", (Change("/message/metadata", "append", {"a": 2, "b": 3}),)),
    ]
    first, second = final_messages(steps)
    assert first["content"]["parts"] == ["Hello"]
    assert first["status"] == "done"
    assert first["metadata"] == {"a": 2, "b": 3, "list": [0, 1]}
    assert second == message("n")


def test_a_script_can_be_played_twice() -> None:
    steps = [Begin(message("m")), Grow("m", (Change(TEXT_PATH, "append", "x"),))]
    assert final_messages(steps) == final_messages(steps)


def test_halves_of_a_pair_join() -> None:
    assert joined("a\ud83d" + "\ude00") == "a😀"
    assert joined("a\ud83d") == "a\ud83d"
