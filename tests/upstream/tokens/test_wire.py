"""What all token services have in common: the body, and which answers are final."""

from tests.rows import each_row
from upstream.tokens.wire import REFUSED_SECONDS, Post, refused_seconds


def test_fields_go_as_json_or_as_a_form() -> None:
    assert Post("http://x", {"a": "b"}).body == {"json": {"a": "b"}}
    assert Post("http://x", {"a": "b"}, is_form=True).body == {"data": {"a": "b"}}


@each_row("status", [400, 401, 403])
@each_row("answer", [{"error": "x"}, ["x"], "x"])
def test_a_refusal_with_words_stands_for_a_minute(status: int, answer: object) -> None:
    assert refused_seconds(status, answer) == REFUSED_SECONDS == 60


@each_row(
    ("status", "answer"),
    [(401, None), (400, 7), (404, {}), (408, {}), (429, {}), (500, {}), (200, {}), (307, {})],
)
def test_all_else_is_a_passing_fault(status: int, answer: object) -> None:
    assert refused_seconds(status, answer) is None
