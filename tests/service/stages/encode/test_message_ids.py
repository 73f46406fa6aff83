import re

from hypothesis import given
from hypothesis import strategies as st

from service.stages.encode.message_ids import (
    sealed_in,
    signature_of,
    tool_use_id,
    upstream_call_id,
)
from tests.chance import examples
from tests.rows import each_row

ALLOWED = re.compile(r"^[a-zA-Z0-9_-]+$")


@examples(100)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(0, 1000))
def test_10_an_id_has_plain_characters_and_leads_back(call_id: str, index: int) -> None:
    """A8 10: users replay histories at the real API, which checks the pattern."""
    tool_id = tool_use_id(call_id, "msg_0123456789abcdef", index)
    assert ALLOWED.fullmatch(tool_id)
    assert upstream_call_id(tool_id) == call_id


def test_10_one_call_id_of_two_answers_is_two_ids() -> None:
    ids = {tool_use_id("call_1", f"msg_{answer:032x}", 0) for answer in range(1000)}
    assert len(ids) == 1000


@each_row(
    "foreign", ["toolu_01A09q90qw90lq917835lq9", "call_abc|weird", "", "toolu_!!-x00000000", "a-x1"]
)
def test_a_callers_own_id_stays_as_it_is(foreign: str) -> None:
    assert upstream_call_id(foreign) == foreign


@each_row("signature", ["", "EqQBCkYIBxgC", "YmFja2VuZC10by12MTo"])
def test_28_a_foreign_signature_holds_nothing(signature: str) -> None:
    assert sealed_in(signature) == ""
    assert sealed_in(signature_of("gAAAA")) == "gAAAA"
    assert signature_of("") != ""
