"""Instructions as a model reads them, whoever wrote them."""

from upstream.demo.ground.instructions import Instructions, Place, read_instructions, read_place
from upstream.demo.ground.questions import Said

TOLD = """You may use tools. Write a call like this:
<<call>>
{"name": "NAME", "arguments": {}}
<</call>>
You must call one; several functions may be called at once.
{"name": "add", "parameters": {"type": "object"}}
{"name": "now", "description": "The time.", "parameters": {}}
Else answer with one JSON value and nothing else:
{"type": "array"}"""


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
