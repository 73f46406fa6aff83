from service.stages.encode.message_errors import (
    as_message_failure,
    is_permanent,
    message_error,
    of_turn,
)
from service.vocabulary.errors import OverloadedError
from service.vocabulary.events import Failure
from tests.rows import each_row


def failure(status: int, code: str | None = None, param: str | None = None) -> Failure:
    return Failure(status, "words", "some_error", code, param)


@each_row(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
    ],
)
def test_each_status_has_its_word(status: int, kind: str) -> None:
    told = as_message_failure(failure(status))
    assert (told.status, told.type) == (status, kind)


def test_an_overload_has_a_status_of_its_own() -> None:
    told = as_message_failure(OverloadedError("Full.").failure())
    assert (told.status, told.type) == (529, "overloaded_error")


@each_row(
    ("before", "status"),
    [
        (failure(400), 403),  # the upstream's: clients would vary a 400 and retry it
        (failure(400, "tool_use_failed", "tool_choice"), 403),
        (failure(400, None, "messages[0].content[1]"), 400),  # found by the gateway
        (failure(404, "model_not_found"), 404),
        (failure(404, "conversation_not_found"), 403),
        (failure(429), 429),
        (failure(502), 502),
        (failure(400, "context_length_exceeded"), 400),
    ],
)
def test_23_only_what_is_found_here_is_a_400(before: Failure, status: int) -> None:
    assert of_turn(before, 10).status == status


def test_22_an_overflow_tells_more_tokens_than_there_may_be() -> None:
    before = failure(400, "context_length_exceeded")
    assert of_turn(before, 210_000).message.startswith("prompt is too long: 210000 tokens > 128000")
    assert of_turn(before, 3).message.startswith("prompt is too long: 128001 tokens > 128000")


def test_23_what_is_permanent_is_not_to_be_tried_again() -> None:
    vain = [status for status in range(400, 600) if is_permanent(status)]
    assert {400, 401, 402, 403, 404, 405, 413} < set(vain)
    assert not {408, 409, 429, *range(500, 600)} & set(vain)


def test_7_a_place_is_named_as_the_dialect_has_it() -> None:
    missing = Failure(
        400, "messages[0].role: this field is required.", "", None, "messages[0].role"
    )
    assert message_error(missing, "req_1").error.message == "messages.0.role: Field required."


def test_4_a_thread_is_refused_with_the_details_that_clients_go_on_by() -> None:
    error = message_error(failure(400, "thread_unsupported_request", "thread"), "req_1").error
    assert error.details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
