import pytest

from service.vocabulary.events import ResumeOffered, ResumeWanted, TextAppended


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TextAppended("a", "b").text = "c"  # type: ignore[misc] - that is the point


def test_the_credential_of_a_resume_is_not_shown() -> None:
    assert "secret" not in repr([ResumeOffered("secret"), ResumeWanted("c", "secret")])
