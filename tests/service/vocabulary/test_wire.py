import json
from typing import Any

import msgspec

from service.vocabulary.events import Failure
from service.vocabulary.wire import Error, ErrorDetails, error_frame, error_of, to_json
from tests.rows import each_row

MAX_LINE_BYTES = 65_535


def sent(event: bytes) -> Any:
    """What an event of one line says."""
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    [line] = event.decode().rstrip("\n").splitlines()
    assert len(line.encode()) <= MAX_LINE_BYTES
    return json.loads(line.removeprefix("data: "))


@each_row("character", ["\u0085", "\u2028", "\u2029", "\ud83d", "\n", "\r"])
def test_what_some_readers_stumble_over_is_escaped(character: str) -> None:
    encoded = to_json([f"é{character}x"])
    assert len(encoded.decode().splitlines()) == 1
    assert json.loads(encoded) == [f"é{character}x"]


def test_an_error_has_four_keys_and_a_fifth_for_text_that_arrived() -> None:
    failure = Failure(502, "It broke.", "upstream_error", "upstream_cut")
    error = {
        "message": "It broke.",
        "type": "upstream_error",
        "param": None,
        "code": "upstream_cut",
    }
    assert json.loads(to_json(error_of(failure))) == {"error": error}
    whole = json.loads(to_json(error_of(failure, "Once")))
    assert whole == {"error": {**error, "partial": "Once"}}
    assert sent(error_frame(failure)) == {"error": error}


def test_an_error_frame_is_one_short_line_whatever_the_message() -> None:
    failure = Failure(502, "\u2028\x00" * 100_000, "upstream_error", None)
    assert list(sent(error_frame(failure))) == ["error"]


def test_json_is_safe_for_lone_surrogates() -> None:
    assert json.loads(to_json({"a": ["\ud800\u2028"]})) == {"a": ["\ud800\u2028"]}
    record = Error(ErrorDetails("\ud800", "t", None, None))
    assert json.loads(to_json(record))["error"]["message"] == "\ud800"
    assert msgspec.json.decode(to_json({"a": "é"})) == {"a": "é"}
