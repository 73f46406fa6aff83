import json
from typing import Any

import msgspec
import pytest

from handlers.reading.chat_messages import WireMessage, chat_message, chat_messages
from handlers.reading.json_body import decode_json
from service.demands.instructions import told_history
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatMessage, FilePart, Part, TextPart
from tests.rows import each_row

PIXEL = "data:image/png;base64,iVBORw0KGgo="


class Body(msgspec.Struct):
    messages: list[WireMessage]


def read(message: dict[str, Any]) -> ChatMessage:
    body = json.dumps({"messages": [message]}).encode()
    return chat_message(decode_json(body, Body).messages[0], "messages[0]")


def part(content: dict[str, Any]) -> Part:
    [found] = read({"role": "user", "content": [content]}).parts
    return found


def refused(message: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(message)
    assert caught.value.status == 400
    return caught.value


@each_row(
    ("sent", "role"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
    ],
)
def test_roles_become_those_of_the_upstream(sent: str, role: str) -> None:
    assert read({"role": sent, "content": "x"}) == ChatMessage(role, (TextPart("x"),))


@each_row("role", ["User", "", "critic", "x" * 1_000])
def test_an_unknown_role_names_the_choices(role: str) -> None:
    error = refused({"role": role, "content": "x"})
    assert error.param == "messages[0].role"
    assert "'developer'" in error.message
    assert len(error.message) < 400


def test_unknown_keys_are_accepted() -> None:
    message = {"role": "user", "name": "Ann", "prefix": True, "tool_calls": None}
    content = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
    assert read({**message, "content": content}).text == "x"


@each_row("role", ["assistant", "tool", "function"])
@each_row("message", [{"content": None}, {}, {"content": []}])
def test_a_call_or_a_result_may_be_silent(role: str, message: dict[str, Any]) -> None:
    assert read({"role": role, **message}).parts == ()


@each_row("role", ["user", "system"])
@each_row("message", [{"content": None}, {}, {"content": []}])
def test_others_say_something(role: str, message: dict[str, Any]) -> None:
    assert refused({"role": role, **message}).param == "messages[0].content"


def test_an_empty_string_is_content() -> None:
    assert read({"role": "user", "content": ""}).parts == (TextPart(""),)


def test_text_and_refusal_parts_are_text() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    assert read({"role": "assistant", "content": content}).parts == (
        TextPart("a"),
        TextPart("b", is_refusal=True),
    )


def test_lone_surrogates_are_kept() -> None:
    assert read({"role": "user", "content": "a\ud83d"}).text == "a\ud83d"


URL_PATH = "messages[0].content[0].image_url.url"


@each_row(
    ("url", "found"),
    [
        (PIXEL, FilePart(URL_PATH, data_url=PIXEL, detail="low")),
        ("data:,hello", FilePart(URL_PATH, data_url="data:,hello", detail="low")),
        (
            "https://a.example/b.png?c=d",
            FilePart(URL_PATH, url="https://a.example/b.png?c=d", detail="low"),
        ),
        ("HTTP://a.example/", FilePart(URL_PATH, url="HTTP://a.example/", detail="low")),
    ],
)
def test_a_picture_is_a_web_address_or_a_data_url(url: str, found: FilePart) -> None:
    assert part({"type": "image_url", "image_url": {"url": url, "detail": "low"}}) == found


def test_a_bare_string_is_a_picture_too() -> None:
    found = part({"type": "image_url", "image_url": PIXEL})
    assert found == FilePart("messages[0].content[0].image_url", data_url=PIXEL)


WRONG_ADDRESSES: list[str] = [
    "",
    "cat.png",
    "ftp://a.example/x",
    "file:///etc/passwd",
    "https://",
    "https://[",
    "data:x",
    "javascript:alert(1)",
    "https://a.example/" + "x" * 9_000,
    "//a.example/x",
]


@each_row(
    "url",
    WRONG_ADDRESSES,
)
def test_another_address_is_refused_by_its_path(url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    error = refused({"role": "user", "content": content})
    assert error.param == URL_PATH
    assert len(error.message) < 300


def test_a_file_is_data_or_an_id() -> None:
    path = "messages[0].content[0].file"
    pdf = "data:application/pdf;base64,JVBERi0="
    assert part({"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}}) == FilePart(
        f"{path}.file_data", data_url=pdf, filename="a.pdf"
    )
    assert part({"type": "file", "file": {"file_data": "JVBERi0="}}) == FilePart(
        f"{path}.file_data", data_url="data:;base64,JVBERi0="
    )
    assert part({"type": "file", "file": {"file_id": "file-1"}}) == FilePart(
        f"{path}.file_id", file_id="file-1"
    )


WRONG_FILES: list[tuple[dict[str, Any], str]] = [
    ({}, "file"),
    ({"file_data": "", "file_id": ""}, "file"),
    ({"file_data": PIXEL, "file_id": "file-1"}, "file"),
    ({"file_id": "../x"}, "file.file_id"),
    ({"file_data": "ftp://x"}, "file.file_data"),
    ({"file_data": "§§§"}, "file.file_data"),
]


@each_row(
    ("file", "param"),
    WRONG_FILES,
)
def test_a_file_that_is_neither_is_refused(file: dict[str, Any], param: str) -> None:
    error = refused({"role": "user", "content": [{"type": "file", "file": file}]})
    assert error.param == f"messages[0].content[0].{param}"


def test_audio_is_refused_clearly() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    error = refused({"role": "user", "content": [{"type": "text", "text": "a"}, audio]})
    assert error.param == "messages[0].content[1].input_audio"
    assert "audio input is not available" in error.message


WRONG_CONTENTS: list[tuple[Any, str]] = [
    ([{"type": "video"}], "messages[0].content[0].type"),
    ([{"text": "a"}], "messages[0].content[0].type"),
    ([{"type": "text"}], "messages[0].content[0].text"),
    ([{"type": "text", "text": None}], "messages[0].content[0].text"),
    ([{"type": "image_url"}], "messages[0].content[0].image_url"),
    ([{"type": "image_url", "image_url": {"url": 5}}], URL_PATH),
    (["a"], "messages[0].content[0]"),
    (5, "messages[0].content"),
    ({"type": "text"}, "messages[0].content"),
]


@each_row(
    ("content", "param"),
    WRONG_CONTENTS,
)
def test_a_wrong_part_is_named_by_its_path(content: object, param: str) -> None:
    assert refused({"role": "user", "content": content}).param == param


def test_an_unknown_part_names_the_choices() -> None:
    error = refused({"role": "user", "content": [{"type": "video"}]})
    assert error.message.endswith("invalid value 'video'. Use 'text', 'image_url' or 'file'.")


def texts(*messages: dict[str, Any]) -> list[str]:
    body = json.dumps({"messages": messages}).encode()
    read = chat_messages(decode_json(body, Body).messages)
    return [message.text for message in told_history(read)]


def test_calls_of_a_history_and_their_results_are_told_in_words() -> None:
    function = {"name": "add", "arguments": '{"a": 1}'}
    call = {"id": "call_1", "type": "function", "function": function}
    assert texts(
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": None, "tool_calls": [call, {"type": "custom"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "2"}]},
        {"role": "assistant", "content": "It is 2."},
    ) == [
        "Add.",
        '<tool_call>\n{"id": "call_1", "name": "add", "arguments": {"a": 1}}\n</tool_call>',
        "add (call_1) returned:\n2",
        "It is 2.",
    ]


def test_text_beside_a_call_stays_before_it() -> None:
    call = {"id": "c", "function": {"name": "now", "arguments": {}}}
    [text] = texts({"role": "assistant", "content": "Let me see.", "tool_calls": [call]})
    assert text.startswith("Let me see.\n<tool_call>")


def test_the_form_before_tools_is_told_in_the_same_words() -> None:
    called = {"name": "now", "arguments": ""}
    assert texts(
        {"role": "assistant", "content": None, "function_call": called},
        {"role": "function", "name": "now", "content": "noon"},
        {"role": "tool", "tool_call_id": "c", "content": "of an unknown call"},
    ) == [
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
        "now returned:\nnoon",
        "c returned:\nof an unknown call",
    ]


@each_row("call_id", [None, ""])
def test_a_tool_s_result_names_its_call(call_id: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        texts({"role": "tool", "tool_call_id": call_id, "content": "noon"})
    assert caught.value.param == "messages[0].tool_call_id"


def test_files_of_a_result_are_kept() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    body = json.dumps({"messages": [{"role": "tool", "tool_call_id": "c", "content": [image]}]})
    [message] = told_history(chat_messages(decode_json(body.encode(), Body).messages))
    assert [type(part) for part in message.parts] == [TextPart, FilePart]
