import msgspec
import pytest

from service.vocabulary.events import Message, ResumeOffered, ResumeWanted, TextAppended
from tests.rows import each_row


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TextAppended("a", "b").text = "c"  # type: ignore[misc] - that is the point


def test_the_credential_of_a_resume_is_not_shown() -> None:
    assert "secret" not in repr([ResumeOffered("secret"), ResumeWanted("c", "secret")])


@each_row(
    ("status", "is_finished"),
    [("in_progress", False), ("", False), ("finished_successfully", True), ("blocked", True)],
)
def test_every_status_but_in_progress_is_final(status: str, is_finished: bool) -> None:
    fields = dict.fromkeys(Message.__struct_fields__, "")
    message = msgspec.convert(
        fields
        | {"status": status, "is_end_turn": False, "pointers": (), "content": {}, "metadata": {}},
        Message,
    )
    assert message.is_finished is is_finished
