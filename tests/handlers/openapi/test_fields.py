"""The notes on request fields name only existing fields, and all that have an effect."""

import re

from msgspec import Struct

from handlers.openapi.fields import FIELDS
from handlers.openapi.notes import PROFILE_PATTERN, WHOLE
from handlers.openapi.schemas import REQUESTS
from tests.rows import each_row


@each_row("record", FIELDS, ids=lambda record: record.__name__)
def test_every_note_is_on_a_field_that_the_reader_has(record: type[Struct]) -> None:
    assert set(FIELDS[record]) - {WHOLE} <= set(record.__struct_fields__)


@each_row("name", REQUESTS)
def test_every_field_with_an_effect_is_explained(name: str) -> None:
    record, honoured = REQUESTS[name]
    assert honoured <= set(FIELDS[record])
    for field in honoured:
        assert FIELDS[record][field]["description"].endswith((".", ";"))


@each_row("name", REQUESTS)
def test_what_the_reader_ignores_is_said_to_be_accepted(name: str) -> None:
    record, honoured = REQUESTS[name]
    for field in set(FIELDS[record]) - honoured - {WHOLE}:
        assert FIELDS[record][field]["description"].startswith("Accepted"), field


@each_row(("text", "is_profile"), [("web", True), ("BOT", True), ("", True), ("webs", False)])
def test_a_profile_may_be_written_in_any_case(text: str, is_profile: bool) -> None:
    assert bool(re.search(PROFILE_PATTERN, text)) is is_profile
