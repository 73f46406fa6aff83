import uuid

import msgspec
import orjson

from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    FilePart,
    Profile,
    TextPart,
    Wishes,
)
from tests.rows import each_row
from upstream.website.payload.attachments import UploadedFile
from upstream.website.payload.turn_body import ResolvedModel, TurnOptions, build_turn

MODEL = ResolvedModel("gpt-4o")


def request(*messages, **changes):
    base = ChatRequest(
        request_id="r",
        model="gpt-4o",
        messages=messages or (message("user", "Hello"),),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="http://gw",
        received_at=0.0,
    )
    return msgspec.structs.replace(base, **changes)


def message(role, *parts):
    return ChatMessage(role, tuple(TextPart(p) if isinstance(p, str) else p for p in parts))


def test_a_plain_turn_has_every_field_of_the_classic_request():
    body = build_turn(request(), MODEL, {}).body
    assert body["action"] == "next"
    assert body["model"] == "gpt-4o"
    assert body["conversation_mode"] == {"kind": "primary_assistant"}
    assert body["force_use_sse"] is True
    assert body["suggestions"] == []
    assert body["history_and_training_disabled"] is False
    assert body["variant_purpose"] == "comparison_implicit"
    assert uuid.UUID(body["parent_message_id"]) != uuid.UUID(body["websocket_request_id"])
    assert "conversation_id" not in body
    assert "supported_encodings" not in body
    (only,) = body["messages"]
    assert only["content"] == {"content_type": "text", "parts": ["Hello"]}
    assert only["author"] == {"role": "user"}
    assert only["metadata"] == {}
    assert orjson.loads(orjson.dumps(body)) == body


def test_the_whole_history_goes_in_order_each_with_an_id_of_its_own():
    history = [("system", "Be brief"), ("user", "Hi"), ("assistant", "Hello"), ("user", "Hi")]
    turn = build_turn(request(*(message(*pair) for pair in history)), MODEL, {})
    sent = turn.body["messages"]
    assert [(m["author"]["role"], m["content"]["parts"][0]) for m in sent] == history
    ids = {m["id"] for m in sent}
    assert len(ids) == 4
    assert turn.sent.message_ids == ids
    assert turn.sent.assistant_texts == {"Hello"}


def test_two_turns_share_no_id():
    first, second = (build_turn(request(), MODEL, {}) for _ in range(2))
    assert not first.sent.message_ids & second.sent.message_ids


@each_row("role", ["tool", "function"])
def test_what_a_tool_answered_is_reported_by_the_user(role):
    (only,) = build_turn(request(message(role, "42")), MODEL, {}).body["messages"]
    assert only["author"]["role"] == "user"
    assert only["content"]["parts"] == ["[Tool result]\n42"]


def test_several_text_parts_are_one_string():
    (only,) = build_turn(request(message("user", "a", "b")), MODEL, {}).body["messages"]
    assert only["content"]["parts"] == ["a\nb"]


def test_pictures_stand_before_the_text_and_documents_only_in_the_metadata():
    parts = ("look", FilePart("a", url="http://x"), FilePart("b", url="http://y"))
    uploads = {
        "a": UploadedFile("file-P", "p.png", "image/png", 3, "multimodal", 1, 2),
        "b": UploadedFile("file-D", "d.pdf", "application/pdf", 4, "my_files"),
    }
    turn = build_turn(request(message("user", *parts)), MODEL, uploads)
    (only,) = turn.body["messages"]
    assert only["content"]["content_type"] == "multimodal_text"
    assert only["content"]["parts"][0]["asset_pointer"] == "file-service://file-P"
    assert only["content"]["parts"][1:] == ["look"]
    assert [entry["id"] for entry in only["metadata"]["attachments"]] == ["file-P", "file-D"]
    assert turn.sent.file_ids == {"file-P", "file-D"}


def test_a_message_with_documents_only_stays_text():
    uploads = {"b": UploadedFile("file-D", "d.pdf", "application/pdf", 4, "my_files")}
    turn = build_turn(request(message("user", "sum up", FilePart("b", url="u"))), MODEL, uploads)
    assert turn.body["messages"][0]["content"] == {"content_type": "text", "parts": ["sum up"]}


def test_a_conversation_of_the_caller_is_continued_where_it_says():
    body = build_turn(request(conversation_id="c1", parent_message_id="m1"), MODEL, {}).body
    assert (body["conversation_id"], body["parent_message_id"]) == ("c1", "m1")


def test_options_reach_the_body():
    options = TurnOptions(True, ("v1",), -480, "ark")
    body = build_turn(request(), MODEL, {}, options).body
    assert body["history_and_training_disabled"] is True
    assert body["supported_encodings"] == ["v1"]
    assert body["timezone_offset_min"] == -480
    assert body["arkose_token"] == "ark"


def test_a_gpt_is_named_by_id_and_sent_whole_only_when_given():
    mode = build_turn(request(), ResolvedModel("gpt-4o", "g-1"), {}).body["conversation_mode"]
    assert mode == {"kind": "gizmo_interaction", "gizmo_id": "g-1"}
    whole = ResolvedModel("gpt-4o", "g-1", {"gizmo": {"id": "g-1"}})
    mode = build_turn(request(), whole, {}).body["conversation_mode"]
    assert mode["gizmo"] == {"gizmo": {"id": "g-1"}}


def test_half_a_surrogate_pair_is_replaced_and_a_whole_pair_joined():
    turn = build_turn(
        request(message("assistant", "\ud83d\ude00 \ud800"), conversation_id="\udc00"), MODEL, {}
    )
    assert turn.body["messages"][0]["content"]["parts"] == ["😀 \ufffd"]
    assert turn.sent.assistant_texts == {"😀 \ufffd"}
    assert orjson.dumps(turn.body)


@each_row(
    ("effort", "sent"),
    [
        ("", None),
        ("low", None),
        ("medium", None),
        ("high", "extended"),
        ("xhigh", "max"),
        ("max", "max"),
    ],
)
def test_much_effort_is_said_in_the_websites_words(effort, sent):
    asked = request(wishes=Wishes(effort=effort))
    assert build_turn(asked, MODEL, {}).body.get("thinking_effort") == sent
    without = build_turn(asked, MODEL, {}, TurnOptions(takes_effort=False)).body
    assert "thinking_effort" not in without


@each_row(
    ("wishes", "hints"),
    [(Wishes(wants_search=True), ["search"]), (Wishes(wants_picture=True), ["picture_v2"])],
)
def test_a_wish_for_a_tool_of_its_own_is_a_hint_at_both_places(wishes, hints):
    body = build_turn(
        request(message("system", "s"), message("user", "u"), wishes=wishes), MODEL, {}
    ).body
    assert body["system_hints"] == hints
    assert [one["metadata"].get("system_hints") for one in body["messages"]] == [None, hints]
    assert "system_hints" not in build_turn(request(), MODEL, {}).body
