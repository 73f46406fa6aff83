from typing import Any

from handlers.responses.listed_items import input_items
from tests.open_responses import check_open_items

GIVEN: list[dict[str, Any]] = [
    {"role": "assistant", "content": "Hi"},
    {"id": "mine", "type": "message", "role": "user", "content": [], "status": None},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "1"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"role": "user", "content": "x", "id": 7},
    {
        "role": "user",
        "content": [
            {"type": "input_image", "image_url": "https://a.example/a.png"},
            {"type": "input_image", "file_id": "file-1", "detail": None},
            {"type": "input_image", "image_url": "https://a.example/b.png", "detail": "low"},
            {"type": "input_file", "file_id": "file-1"},
        ],
    },
    {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    {
        "type": "function_call_output",
        "call_id": "c",
        "output": [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}],
    },
]
OTHER: list[dict[str, Any]] = [
    {"type": "item_reference", "id": "msg_1"},
    {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
    {"type": "additional_tools", "role": "developer", "tools": []},
]


def test_a_string_is_a_message_of_the_user() -> None:
    assert input_items("Hello", "abc") == [
        {
            "id": "msg_abci00",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hello"}],
            "type": "message",
        }
    ]


def test_items_are_listed_with_what_callers_leave_out() -> None:
    listed = input_items([*GIVEN, *OTHER], "abc")
    assert [item["id"] for item in listed] == [
        *("msg_abci00", "mine", "fc_abci02", "fco_abci03", "rs_1", "msg_abci05", "msg_abci06"),
        *("msg_abci07", "fco_abci08", "msg_1", "ctc_abci10", "ctco_abci11", "item_abci12"),
    ]
    assert all(item["status"] == "completed" for item in listed)
    assert listed[0]["content"] == [{"type": "output_text", "text": "Hi", "annotations": []}]
    details = [part.get("detail") for part in listed[6]["content"]]
    assert details == ["auto", "auto", "low", None]
    assert listed[8]["output"][0]["detail"] == "auto"


def test_listed_items_are_whole() -> None:
    listed = input_items(GIVEN, "abc")
    check_open_items(listed)
    assert input_items(listed, "other") == listed


def test_what_is_no_part_is_left_for_others_to_refuse() -> None:
    (item,) = input_items([{"role": "user", "content": ["x", 1]}], "abc")
    assert item["content"] == ["x", 1]
