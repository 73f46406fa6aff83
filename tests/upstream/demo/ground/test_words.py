"""What is read out of texts."""

from tests.rows import each_row
from upstream.demo.ground.words import (
    EXCERPT_CHARS,
    KEPT_ONCE,
    Commands,
    Fault,
    Once,
    about_talk,
    has_steps,
    is_chinese,
    last_word,
    meant,
    next_step,
    plain_text,
    quoted,
    read_commands,
)


@each_row(
    ("text", "fault"),
    [
        ("/fault cut 3", Fault("cut", "", (3.0,))),
        (
            "say /fault failed:context_length_exceeded now",
            Fault("failed", "context_length_exceeded"),
        ),
        ("/fault once:429", Fault("429", is_once=True)),
        ("/fault overloaded-in-200 2.5\nx", Fault("overloaded-in-200", "", (2.5,))),
        ("/fault Error_Flat:x", Fault("error-flat", "x")),
        ("/fault cut 64x64", Fault("cut")),
        ("/fault cut 3.", Fault("cut", "", (3.0,))),
        ("/fault limit " + "9" * 400, Fault("limit")),
        ("/fault cut /fault close", Fault("cut")),
        ("a path/fault", Fault()),
        ("nothing", Fault()),
    ],
)
def test_commands_are_found_anywhere(text: str, fault: Fault) -> None:
    assert read_commands(text) == Commands("", fault)


def test_commands_are_no_part_of_what_is_said() -> None:
    text = "one /scene two_answers 64x64 /fault once:cut:x 3 4.5 /mark m-1 two"
    assert read_commands(text).scene == "two_answers"
    assert read_commands(text).mark == "m-1"
    assert plain_text(text) == "one  64x64   two"


def test_functions_are_meant_by_words_of_their_names() -> None:
    names = ["getWeather", "add_numbers", "numbers_of_weather", "do"]
    found = meant(names, "the weather in numbers: do get it")
    assert found == ["numbers_of_weather", "getWeather", "add_numbers"]


def test_sentences_are_about_what_was_said() -> None:
    english, chinese = (lambda one, _: one), (lambda _, one: one)
    assert about_talk(english, "a", (), "") == ["you said “a” and no model has thought about it."]
    assert about_talk(chinese, "a", ["b", "c"], "“d”")[1:] == [
        "我们的谈话开始于“b”，到现在有2条消息。",
        "我得到的指示是“d”。",
    ]


def test_small_things() -> None:
    assert (is_chinese("a 猫"), is_chinese("a cat")) == (True, False)
    assert quoted("a") == "“a”"
    assert quoted("a" * 300) == f"“{'a' * EXCERPT_CHARS}…”"


def test_what_happened_once_is_bounded() -> None:
    once = Once()
    for number in range(KEPT_ONCE + 1):
        assert once.is_first(number)
    assert once.is_first(0)
    assert not once.is_first(KEPT_ONCE)


# --- steps -------------------------------------------------------------------------

QUESTION = """Please do these steps, one after the other:
---
[{"name": "Bash", "arguments": {"command": "cat secret.txt"}},
 {"name": "Edit", "arguments": {"new_string": "WORD"}}]
---
<reminder>Be quick.</reminder>"""


def test_the_steps_come_one_after_the_other() -> None:
    assert has_steps(QUESTION)
    assert next_step(QUESTION, []) == {"name": "Bash", "arguments": {"command": "cat secret.txt"}}
    edit = {"name": "Edit", "arguments": {"new_string": "tulip"}}
    assert next_step(QUESTION, ["the word is tulip\n"]) == edit
    assert next_step(QUESTION, ["tulip", "edited"]) is None


def test_without_steps_there_is_none() -> None:
    assert not has_steps("What are these steps?")
    assert next_step("Hello", []) is None
    assert last_word([]) == last_word([""]) == "nothing"
