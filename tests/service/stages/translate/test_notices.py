"""What messages are told as notices."""

from typing import Any

from service.stages.decode.messages import read_message
from service.stages.translate import notices
from service.vocabulary.events import Message, Notice, NoticeKind
from tests.rows import each_row

ASKS = {"from_server": {"type": "confirm_action", "body": {"domain": "example.org"}}}


def message(role: str = "tool", metadata: Any = None, **content: str) -> Message:
    raw = {"id": "m", "author": {"role": role}, "content": content, "metadata": metadata}
    read = read_message(raw)
    assert read is not None
    return read


def test_a_wanted_consent_is_told_with_the_name_of_who_asks() -> None:
    told = notices.of_consent(message(metadata={"jit_plugin_data": ASKS}))
    assert told is not None
    assert told.kind is NoticeKind.CONSENT
    assert "action (example.org)" in told.text
    nameless = {"from_server": {"type": "confirm_action"}}
    told = notices.of_consent(message(metadata={"jit_plugin_data": nameless}))
    assert told is not None
    assert "action (of another service)" in told.text


def test_what_a_user_sent_and_other_messages_want_no_consent() -> None:
    assert notices.of_consent(message("user", {"jit_plugin_data": ASKS})) is None
    assert notices.of_consent(message()) is None


@each_row(("name", "told"), [("X", "X: boom"), ("", "boom")])
def test_a_tool_s_error_is_told_with_its_name(name: str, told: str) -> None:
    error = message(content_type="system_error", name=name, text="boom")
    assert notices.of_error(error) == Notice(NoticeKind.TOOL_ERROR, told)
