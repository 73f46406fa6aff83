"""JSON that strict readers refuse."""

from service.stages.decode.loose_json import UNREADABLE, loose_json
from tests.rows import each_row


@each_row(
    ("data", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'"v1"', "v1"),
        (b'{"a":"\\ud83d"}', {"a": "\ud83d"}),
        (b'  {"a":"\xff"}', {"a": "\ufffd"}),
        (b"[DONE]", UNREADABLE),
        (b"", UNREADABLE),
        (b'{"a":', UNREADABLE),
        (b'{"a":' + b"[" * 100_000, UNREADABLE),
    ],
)
def test_a_value_is_read_or_is_unreadable(data, value):
    assert loose_json(data) == value
