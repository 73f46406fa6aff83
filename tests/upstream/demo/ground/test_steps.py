from upstream.demo.ground.steps import has_steps, last_word, next_step

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
