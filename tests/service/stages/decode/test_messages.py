"""Each row of protocol 2.3 and 2.11 as a message, and its kind."""

from typing import Any

from service.stages.decode.messages import (
    MessageKind,
    answering_model,
    call_language,
    call_text,
    consent_wanted,
    finish_type,
    is_final_answer,
    is_image_tool,
    kind_of,
    read_message,
    reasoning_text,
    result_text,
)
from service.vocabulary.events import Message
from tests.rows import each_row


def made(role: str = "assistant", kind: str = "text", **fields: Any) -> Message:
    content = {"content_type": kind, "parts": ["hi"]} | fields.pop("content", {})
    raw = {"id": "m", "author": {"role": role, "name": fields.pop("name", None)}}
    message = read_message({**raw, "content": content, **fields})
    assert message is not None
    return message


HIDDEN_TYPES = [
    "user_editable_context",
    "model_editable_context",
    "tether_quote",
    "app_pairing_content",
    "brand_new",
]


@each_row(
    ("message", "kind"),
    [
        (made(), MessageKind.ANSWER),
        (made(recipient="all", channel="final"), MessageKind.ANSWER),
        (made(recipient=None, channel=None), MessageKind.ANSWER),
        (made(kind="multimodal_text"), MessageKind.ANSWER),
        (made(channel="analysis"), MessageKind.REASONING),
        (made(channel="commentary"), MessageKind.REASONING),
        (made(recipient="python"), MessageKind.TOOL_CALL),
        (made(kind="code", recipient="python", channel="commentary"), MessageKind.TOOL_CALL),
        (made(kind="code"), MessageKind.CODE),
        (made(kind="code", channel="analysis"), MessageKind.TOOL_CALL),
        (made(kind="thoughts"), MessageKind.REASONING),
        (made(kind="reasoning_recap"), MessageKind.REASONING),
        (made(metadata={"is_visually_hidden_from_conversation": True}), MessageKind.HIDDEN),
        (made(role="user"), MessageKind.HIDDEN),
        (made(role="system"), MessageKind.HIDDEN),
        (made(role="critic"), MessageKind.HIDDEN),
        (made(role="tool"), MessageKind.HIDDEN),
        (made(role="tool", kind="execution_output"), MessageKind.TOOL_RESULT),
        (made(role="tool", kind="system_error"), MessageKind.TOOL_ERROR),
        (made(role="tool", kind="multimodal_text"), MessageKind.TOOL_MEDIA),
        (made(role="tool", metadata={"initial_text": "Thinking"}), MessageKind.REASONING),
        (made(role="tool", metadata={"reasoning_title": "Plan"}), MessageKind.REASONING),
        *((made(kind=kind), MessageKind.HIDDEN) for kind in HIDDEN_TYPES),
        *((made(role="tool", kind=kind), MessageKind.HIDDEN) for kind in HIDDEN_TYPES),
    ],
)
def test_kind_follows_from_role_recipient_channel_and_type(
    message: Message, kind: MessageKind
) -> None:
    assert kind_of(message) is kind


@each_row(
    "raw",
    [
        {"id": "m"},
        {"id": "m", "author": None, "content": None, "metadata": None, "status": None},
        {"id": "m", "author": [], "content": "x", "metadata": 1, "end_turn": "true"},
        {"id": "m", "content": {"parts": "x"}},
        {"id": "m", "content": {"parts": [1, None, ["x"]]}},
    ],
)
def test_fields_of_another_type_are_taken_as_absent(raw: dict[str, Any]) -> None:
    message = read_message(raw)
    assert message is not None
    assert (message.text, message.recipient, message.is_end_turn) == ("", "all", False)


def test_a_message_without_an_id_is_none() -> None:
    assert read_message({}) is None
    assert read_message({"id": 7}) is None


@each_row(
    ("status", "is_finished"),
    [
        *[("in_progress", False), ("", False), (None, False)],
        *[("finished_successfully", True), ("blocked", True)],
    ],
)
def test_every_status_but_in_progress_is_final(status: str | None, is_finished: bool) -> None:
    message = read_message({"id": "m", "status": status})
    assert message is not None
    assert message.is_finished is is_finished


def test_all_string_parts_are_joined_and_objects_kept_apart() -> None:
    message = made(content={"parts": ["a", {"asset_pointer": "x"}, "b"]})
    assert message.text == "ab"
    assert message.pointers == ({"asset_pointer": "x"},)


def test_halves_of_a_character_in_two_parts_are_that_character() -> None:
    assert made(content={"parts": ["a\ud83d", "\ude00"]}).text == "a😀"


def test_the_text_of_a_call_is_its_source_or_its_parts() -> None:
    assert call_text(made(kind="code", content={"text": "print()"})) == "print()"
    assert call_text(made(recipient="canmore.create_textdoc")) == "hi"
    assert call_text(made(recipient="web", content={"text": "never this"})) == "hi"


@each_row(
    ("language", "shown"),
    [("python", "python"), ("c++", "c++"), ("unknown", ""), (None, ""), ("a b", ""), ("`", "")],
)
def test_a_language_is_shown_when_it_is_known(language: Any, shown: str) -> None:
    assert call_language(made(kind="code", content={"language": language})) == shown


def test_a_result_is_the_text_of_its_content() -> None:
    assert result_text(made(role="tool", kind="execution_output", content={"text": "4"})) == "4"


def thoughts(*given: dict[str, Any], status: str = "in_progress") -> str:
    return reasoning_text(made(kind="thoughts", content={"thoughts": list(given)}, status=status))


def test_a_thought_is_its_content_or_its_summary_when_it_will_get_none() -> None:
    assert thoughts({"summary": "S"}) == ""
    assert thoughts({"summary": "S"}, status="finished_successfully") == "S"
    assert thoughts({"summary": "S", "finished": True}) == "S"
    assert thoughts({"summary": "S"}, {"content": "C"}) == "S\n\nC"
    assert thoughts({"summary": "S", "content": "C"}) == "C"
    assert thoughts({}, {"content": ""}, {"content": "C"}) == "C"


def test_other_reasoning_has_its_text_where_its_kind_has_it() -> None:
    recap = made(kind="reasoning_recap", content={"content": "Thought for 2s", "parts": None})
    assert reasoning_text(recap) == "Thought for 2s"
    step = {"initial_text": "Thinking", "finished_text": "Thought"}
    empty = {"parts": [""]}
    assert reasoning_text(made(role="tool", metadata=step)) == "hi"
    assert reasoning_text(made(role="tool", metadata=step, content=empty)) == ""
    done = made(role="tool", metadata=step, content=empty, status="finished_successfully")
    assert reasoning_text(done) == "Thinking"


def test_only_a_finished_visible_message_with_end_turn_is_final() -> None:
    done = {"status": "finished_successfully", "end_turn": True}
    assert is_final_answer(made(**done))
    assert not is_final_answer(made(status="in_progress", end_turn=True))
    assert not is_final_answer(made(status="finished_successfully"))
    assert not is_final_answer(made(role="system", **done))
    assert not is_final_answer(made(recipient="python", **done))


def test_side_facts_are_read_from_the_metadata() -> None:
    message = made(
        metadata={
            "model_slug": "gpt-4o",
            "resolved_model_slug": "gpt-4o-mini",
            "finish_details": {"type": "max_tokens"},
        }
    )
    assert answering_model(message) == "gpt-4o-mini"
    assert finish_type(message) == "max_tokens"
    assert (answering_model(made()), finish_type(made())) == (None, None)


def test_a_wanted_consent_names_who_asks() -> None:
    server = {"type": "confirm_action", "body": {"domain": "example.org"}}
    asks = {"jit_plugin_data": {"from_server": server}}
    assert consent_wanted(made(role="tool", metadata=asks)) == "example.org"
    assert (
        consent_wanted(made(metadata={"jit_plugin_data": {"from_server": {"type": "x"}}})) is None
    )
    assert consent_wanted(made()) is None


def test_known_image_tools_are_known_by_their_beginning() -> None:
    assert is_image_tool("dalle.text2im")
    assert is_image_tool("t2uay3k.sj1i4kz")
    assert not is_image_tool("python")
    assert not is_image_tool(None)
