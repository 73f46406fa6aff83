"""Reading a body, without a socket."""

from typing import Any

from tests.rows import each_row
from tests.upstream.demo.codex.client import body_of, function, output, user
from upstream.demo.codex.accounts import Caller, seal
from upstream.demo.codex.talk import Talk, Tool, count_words, read_talk
from upstream.demo.ground.words import Commands, Fault

CALLER = Caller("acc", "plus", 1)
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}


def talk_of(text: str = "hello", **fields: Any) -> Talk:
    return read_talk(body_of(text, **fields), CALLER)


def test_the_last_user_message_has_the_commands() -> None:
    talk = talk_of("/scene rate_limits-first /mark m1 hello /fault close 2")
    assert talk.commands == Commands("rate_limits-first", Fault("close", "", (2.0,)), "m1")
    assert talk.text == "hello"
    talk = talk_of(input=[user("/fault 500"), user("hello")])
    assert talk.commands == Commands()
    assert [said for _, said in talk.said] == ["Be brief.", "", "hello"]


def test_results_are_those_since_the_last_user_message() -> None:
    old, new = output(CALL, "old"), output({**CALL, "call_id": "call_2"}, "new")
    assert talk_of(input=[user("x"), *old, user("y"), *new]).results == ("new",)


def test_all_instructions_are_read_and_compactions_opened() -> None:
    compaction = {"type": "compaction", "encrypted_content": seal("acc", "we spoke of boats")}
    developer = {"role": "developer", "content": "Use metric units."}
    talk = talk_of(input=[developer, compaction, user("hello")])
    told = [said for role, said in talk.said if role == "system"]
    assert told == ["Be brief.", "Use metric units.", "we spoke of boats"]


def test_tools_come_out_of_namespaces_and_items() -> None:
    nested = {"type": "namespace", "name": "mcp", "tools": [function("inner")]}
    more = {"type": "additional_tools", "tools": [{"type": "custom", "name": "patch"}]}
    talk = talk_of(tools=[nested, {"type": "web_search"}], input=[more, user("x")])
    assert [(tool.kind, tool.name, tool.namespace) for tool in talk.tools] == [
        ("function", "inner", "mcp"),
        ("custom", "patch", ""),
    ]
    assert talk.built_in == {"web_search", "additional_tools"} - {"additional_tools"}
    assert talk.tools[1] == Tool("custom", "patch")


@each_row(
    ("choice", "read"),
    [
        (None, "auto"),
        ("none", "none"),
        ({"type": "function", "name": "f"}, "f"),
        ({"type": "image_generation"}, "image_generation"),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, "required"),
    ],
)
def test_the_choice_of_a_tool_is_one_word(choice: Any, read: str) -> None:
    assert talk_of(tool_choice=choice).choice == read


def test_pictures_and_files_are_told_in_words() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    file = {
        "type": "input_file",
        "filename": "a.pdf",
        "file_data": "data:application/pdf;base64,AAA=",
    }
    talk = talk_of(input=[user("see", picture, file)])
    assert talk.sent == ("image/png (3 bytes)", "a.pdf (application/pdf, 2 bytes)")


def test_words_are_counted() -> None:
    assert count_words("two words, 三个字 and more") == 7
    assert count_words({"name": "x"}) == 2
