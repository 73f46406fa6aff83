"""Histories as input items."""

import pytest

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    DrawnPart,
    FilePart,
    ItemPart,
    ResultPart,
    SealedPart,
    TextPart,
)
from tests.rows import each_row
from upstream.codex.payload.items import InlineFile, history_of

PICTURE, PAPER = FilePart("p0", data_url="x"), FilePart("p1", url="http://a")
FILES = {
    "p0": InlineFile("a.png", "data:image/png;base64,AA", is_picture=True),
    "p1": InlineFile("b.pdf", "data:application/pdf;base64,BB", is_picture=False),
    "p2": InlineFile("c.png", "data:image/png;base64,CC", is_picture=True),
}


def told(*messages: ChatMessage):
    return history_of(messages, FILES, lambda sealed: sealed.removeprefix("mine:"))


def said(role: str, *texts: str, phase: str = "") -> ChatMessage:
    return ChatMessage(role, tuple(map(TextPart, texts)), phase)


def test_instructions_are_what_stands_before_all_else():
    history = told(
        said("system", "One"), said("system", "Two"), said("user", "Hi"), said("system", "!")
    )
    assert history.instructions == "One\n\nTwo"
    assert [(item["role"], item["content"]) for item in history.items] == [
        ("user", [{"type": "input_text", "text": "Hi"}]),
        ("developer", [{"type": "input_text", "text": "!"}]),
    ]
    assert told(said("user", "Hi")).instructions == ""


def test_an_instruction_with_a_picture_is_an_item():
    history = told(ChatMessage("system", (TextPart("See"), PICTURE)), said("user", "Hi"))
    assert history.instructions == ""
    assert history.items[0]["role"] == "developer"


def test_parts_are_those_of_their_role():
    answer = ChatMessage("assistant", (TextPart("a"), TextPart("b", is_refusal=True)), "commentary")
    looked = FilePart("p2", url="http://c", detail="high")
    history = told(ChatMessage("user", (TextPart("?"), PICTURE, PAPER, looked)), answer)
    asked, answered = history.items
    assert asked["content"] == [
        {"type": "input_text", "text": "?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA"},
        {
            "type": "input_file",
            "filename": "b.pdf",
            "file_data": "data:application/pdf;base64,BB",
        },
        {"type": "input_image", "image_url": "data:image/png;base64,CC", "detail": "high"},
    ]
    assert answered == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
        "phase": "commentary",
    }


def test_calls_and_results_stand_beside_what_is_said():
    call = CallPart("c1", "look", "", "messages[1].tool_calls[0]", "ns")
    custom = CallPart("c2", "patch", "", "m", is_custom=True)
    history = told(
        said("user", "Hi"),
        ChatMessage("assistant", (TextPart("I look."), call, custom)),
        ChatMessage("tool", (ResultPart("c1", (TextPart("a"), TextPart("b")), "m"),)),
        ChatMessage("tool", (ResultPart("c2", (TextPart("ok"), PICTURE), "m"),)),
    )
    assert history.items[2:] == [
        {
            "type": "function_call",
            "name": "look",
            "arguments": "{}",
            "call_id": "c1",
            "namespace": "ns",
        },
        {"type": "custom_tool_call", "name": "patch", "input": "", "call_id": "c2"},
        {"type": "function_call_output", "call_id": "c1", "output": "a\nb"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "ok"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA"},
            ],
        },
    ]


def test_the_form_before_tools_gets_ids_by_its_places():
    history = told(
        ChatMessage("assistant", (CallPart("", "now", "{}", "m"),)),
        ChatMessage("tool", (ResultPart("", (TextPart("noon"),), "m", "now"),)),
        ChatMessage("assistant", (CallPart("", "now", "{}", "m"),)),
        ChatMessage("tool", (ResultPart("", (TextPart("one"),), "m", "now"),)),
    )
    assert [item["call_id"] for item in history.items] == ["call_0", "call_0", "call_1", "call_1"]


@each_row(
    ("messages", "param", "words"),
    [
        (
            [ChatMessage("assistant", (CallPart("c1", "f", "{}", "here"),))],
            "here",
            "no tool output",
        ),
        (
            [
                ChatMessage("tool", (ResultPart("c1", (), "there"),)),
                ChatMessage("assistant", (CallPart("c1", "f", "{}", "here"),)),
            ],
            "there",
            "no tool call",
        ),
        ([ChatMessage("tool", (ResultPart("", (), "there", "f"),))], "there", "no tool call"),
    ],
)
def test_a_call_and_its_result_have_to_be_there_both(messages, param, words):
    with pytest.raises(RequestError) as caught:
        told(*messages)
    assert caught.value.param == param
    assert words in caught.value.message


def test_what_the_model_made_earlier_goes_back_as_far_as_it_can():
    history = told(
        ChatMessage("assistant", (SealedPart("mine:gAAA", ("Hm.",)),)),
        ChatMessage("assistant", (SealedPart(""),)),
        ChatMessage("user", (DrawnPart(PICTURE),)),
        ChatMessage("assistant", (ItemPart({"type": "compaction", "encrypted_content": "x"}),)),
        ChatMessage("assistant", ()),
    )
    assert history.items == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "gAAA",
        },
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}],
        },
        {"type": "compaction", "encrypted_content": "x"},
    ]
