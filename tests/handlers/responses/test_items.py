from typing import Any

import pytest

from handlers.responses.items import check_native, input_messages
from service.demands.instructions import call_text, result_text, told_history
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    DrawnPart,
    FilePart,
    ItemPart,
    Part,
    ResultPart,
    SealedPart,
    TextPart,
)
from tests.rows import each_row

PNG = "data:image/png;base64,aGk="


def messages(*items: dict[str, Any]) -> tuple[ChatMessage, ...]:
    return input_messages(list(items), "input")


def told(*items: dict[str, Any]) -> tuple[ChatMessage, ...]:
    return told_history(messages(*items))


def parts(*given: dict[str, Any]) -> tuple[Part, ...]:
    (message,) = messages({"role": "user", "content": list(given)})
    return message.parts


@each_row(
    ("role", "sent_as"),
    [("user", "user"), ("assistant", "assistant"), ("system", "system"), ("developer", "system")],
)
def test_each_role_has_its_place(role: str, sent_as: str) -> None:
    for kind in ({"type": "message"}, {}):
        (message,) = messages({"role": role, "content": "Hello", **kind})
        assert (message.role, message.text) == (sent_as, "Hello")


def test_texts_of_every_kind_are_text() -> None:
    given = [
        {"type": "input_text", "text": "a"},
        {"type": "output_text", "text": "b", "annotations": [], "logprobs": []},
        {"type": "refusal", "refusal": "c"},
        {"type": "text", "text": "d"},
    ]
    assert parts(*given) == (*map(TextPart, "ab"), TextPart("c", is_refusal=True), TextPart("d"))


def test_pictures_come_by_url_as_data_and_by_id() -> None:
    given = [
        {"type": "input_image", "image_url": "https://a.example/p.png", "detail": "auto"},
        {"type": "input_image", "image_url": PNG, "file_id": None},
        {"type": "input_image", "file_id": "file-1", "detail": "high"},
    ]
    assert parts(*given) == (
        FilePart("input[0].content[0].image_url", url="https://a.example/p.png"),
        FilePart("input[0].content[1].image_url", data_url=PNG),
        FilePart("input[0].content[2].file_id", file_id="file-1", detail="high"),
    )


def test_files_come_by_url_as_data_and_by_id() -> None:
    given = [
        {"type": "input_file", "file_url": "https://a.example/a.pdf"},
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,aGk=",
            "filename": "a.pdf",
        },
        {"type": "input_file", "file_data": "aGk=", "filename": "a.txt"},
        {"type": "input_file", "file_id": "file-1"},
    ]
    path = "input[0].content"
    assert parts(*given) == (
        FilePart(f"{path}[0].file_url", url="https://a.example/a.pdf"),
        FilePart(
            f"{path}[1].file_data", data_url="data:application/pdf;base64,aGk=", filename="a.pdf"
        ),
        FilePart(f"{path}[2].file_data", data_url="data:;base64,aGk=", filename="a.txt"),
        FilePart(f"{path}[3].file_id", file_id="file-1"),
    )


def test_what_the_model_did_by_itself_is_dropped() -> None:
    kinds = ("reasoning", "image_generation_call", "web_search_call", "code_interpreter_call")
    items = [{"type": kind, "id": "x"} for kind in kinds]
    assert messages(*items, {"role": "user", "content": "Hello"}) == messages(
        {"role": "user", "content": "Hello"}
    )


CALL = {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"a":1}'}


def test_a_call_and_its_result_are_told_in_words() -> None:
    result = {"type": "function_call_output", "call_id": "c", "output": "It is warm."}
    assert told(CALL, result) == (
        ChatMessage("assistant", (TextPart(call_text("c", "look", '{"a":1}')),)),
        ChatMessage("tool", (TextPart(result_text("c", "look", "It is warm.")),)),
    )


def test_a_result_may_have_parts_and_come_without_its_call() -> None:
    output = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PNG}]
    (result,) = told({"type": "function_call_output", "call_id": "c", "output": output})
    assert result.parts == (
        TextPart(result_text("c", "", "a")),
        FilePart("input[0].output[1].image_url", data_url=PNG),
    )


WRONG_ITEMS: list[tuple[dict[str, Any], str]] = [
    ({"role": "user"}, "input[0].content"),
    ({"role": "user", "content": 1}, "input[0].content"),
    ({"role": "user", "content": [1]}, "input[0].content[0]"),
    ({"role": "wizard", "content": "x"}, "input[0].role"),
    ({"role": "tool", "content": "x"}, "input[0].role"),
    ({"content": "x"}, "input[0].role"),
    ({"type": "riddle"}, "input[0].type"),
    ({"type": 1}, "input[0].type"),
    ({"type": []}, "input[0].type"),
    ({"type": None}, "input[0].type"),
    ({"type": "function_call", "name": "f"}, "input[0].call_id"),
    ({"type": "function_call_output", "call_id": "c"}, "input[0].output"),
]


@each_row(
    ("item", "param"),
    WRONG_ITEMS,
)
def test_an_item_that_is_wrong_is_named(item: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        messages(item)
    assert caught.value.param == param
    assert caught.value.message.startswith(f"{param}: ")


WRONG_PARTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "input_text"}, ".text"),
    ({"type": "input_text", "text": None}, ".text"),
    ({"type": "riddle"}, ".type"),
    ({}, ".type"),
    ({"type": "input_audio", "input_audio": {}}, ""),
    ({"type": "input_image"}, ""),
    ({"type": "input_image", "image_url": PNG, "file_id": "file-1"}, ""),
    ({"type": "input_image", "image_url": "ftp://a.example"}, ".image_url"),
    ({"type": "input_image", "file_id": "../x"}, ".file_id"),
    ({"type": "input_file"}, ""),
    ({"type": "input_file", "file_id": "file-1", "file_data": "aGk="}, ""),
    ({"type": "input_file", "file_url": "nowhere"}, ".file_url"),
]


@each_row(
    ("part", "param"),
    WRONG_PARTS,
)
def test_a_part_that_is_wrong_is_named(part: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        parts(part)
    assert caught.value.param == f"input[0].content[0]{param}"


def test_calls_of_namespaces_and_custom_tools_are_told_as_the_model_knows_them() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "list", "arguments": "{}"}
    custom = {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": 'a"b'}
    history = told(
        {**call, "namespace": "mcp"},
        {"type": "function_call_output", "call_id": "c1", "output": "a.txt"},
        custom,
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "Done."},
        {"type": "additional_tools", "role": "developer", "tools": []},
    )
    assert [message.text for message in history] == [
        call_text("c1", "mcp__list", "{}"),
        result_text("c1", "mcp__list", "a.txt"),
        call_text("c2", "apply_patch", '{"input": "a\\"b"}'),
        result_text("c2", "apply_patch", "Done."),
    ]


def test_items_keep_what_only_some_upstreams_can_read() -> None:
    summary = [{"type": "summary_text", "text": "Hm."}, {"text": 3}, 4]
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "p", "input": "x"}
    read = messages(
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": summary},
        {**custom, "namespace": "ns"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
        {"type": "image_generation_call", "id": "ig_1", "result": "iVBORw0KGgo="},
        {"type": "image_generation_call", "id": "ig_2", "result": None, "url": "http://gw/i.png"},
        {"type": "image_generation_call", "id": "ig_3"},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
        {"role": "assistant", "content": "On it.", "phase": "commentary"},
    )
    drawn = "data:;base64,iVBORw0KGgo="
    assert [part for message in read for part in message.parts] == [
        SealedPart("gAAA", ("Hm.",)),
        CallPart("c", "p", "x", "input[1]", "ns", is_custom=True),
        ResultPart("c", (TextPart("ok"),), "input[2]", is_custom=True),
        DrawnPart(FilePart("input[3].result", data_url=drawn)),
        DrawnPart(FilePart("input[4].url", url="http://gw/i.png")),
        ItemPart({"type": "compaction", "encrypted_content": "x"}, "input[6]"),
        TextPart("On it."),
    ]
    assert read[-1].phase == "commentary"
    assert [message.text for message in told_history(read)][-1] == "On it."
    assert len(told_history(read)) == 3


def test_items_of_tools_of_one_upstream_alone_pass_whole_and_are_refused_for_the_other() -> None:
    call = {"type": "local_shell_call", "call_id": "c1", "action": {"command": ["ls"]}}
    output = {"type": "local_shell_call_output", "call_id": "c1", "output": "a.txt"}
    given = [{"id": "lsh_1", "status": "completed", **call}, output]
    messages = input_messages(given, "input")
    assert [message.role for message in messages] == ["assistant", "tool"]
    assert [message.parts for message in messages] == [
        (ItemPart(call, "input[0]"),),
        (ItemPart(output, "input[1]"),),
    ]
    with pytest.raises(RequestError) as caught:
        check_native(messages)
    assert caught.value.param == "input[0].type"
    check_native(input_messages([{"role": "user", "content": "Hi"}], "input"))
