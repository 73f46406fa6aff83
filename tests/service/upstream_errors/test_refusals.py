import email.utils
import re
import time

import orjson

from service.upstream_errors.refusals import (
    MAX_WORDS_CHARS,
    fault_failure,
    is_route_fault,
    refusal,
    without_secrets,
)
from tests.rows import each_row

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html; charset=utf-8"}
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
CAP = {"message": "You have sent too many messages.", "code": "model_cap_exceeded"}


def refused(status, body, headers=JSON, secrets=()):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return refusal(status, headers, raw, secrets)


@each_row(
    ("status", "body", "expected", "code"),
    [
        (401, {"detail": {"message": "expired", "code": "token_expired"}}, 401, "invalid_api_key"),
        (401, {"detail": "Unauthorized"}, 401, "invalid_api_key"),
        (401, b"", 401, "invalid_api_key"),
        (200, {"detail": {"code": "token_revoked"}}, 401, "invalid_api_key"),
        (403, {"detail": "Our systems have detected unusual activity …"}, 502, "upstream_error"),
        (
            403,
            {"detail": "Our systems have detected unusual activity from your account."},
            502,
            "upstream_error",
        ),
        (403, {"detail": {"code": "account_deactivated"}}, 403, "permission_error"),
        (403, {"detail": "You do not have access to this model."}, 403, "permission_error"),
        (403, {"detail": "Forbidden"}, 502, "upstream_error"),
        (403, b"Forbidden for this account", 502, "upstream_error"),
        (404, {"detail": {"code": "conversation_not_found"}}, 404, "conversation_not_found"),
        (404, {"detail": {"code": "model_not_found"}}, 404, "model_not_found"),
        (404, {"detail": "Can't load conversation"}, 404, "not_found"),
        (404, b"404: Not Found", 502, "upstream_error"),
        (200, {"detail": {"code": "conversation_deleted"}}, 404, "conversation_deleted"),
        (
            413,
            {"detail": {"message": "too long", "code": "message_length_exceeds_limit"}},
            400,
            "context_length_exceeded",
        ),
        (413, b"", 400, "context_length_exceeded"),
        (200, {"error": {"code": "message_length_exceeds_limit"}}, 400, "context_length_exceeded"),
        (422, {"detail": "Invalid conversation body"}, 400, "invalid_request"),
        (409, {"detail": "conflict"}, 400, "invalid_request"),
        (408, {"detail": "timeout"}, 502, "upstream_error"),
        (429, {"detail": "Too many requests"}, 429, "rate_limit_exceeded"),
        (429, b"slow down", 429, "rate_limit_exceeded"),
        (200, {"detail": CAP}, 429, "rate_limit_exceeded"),
        (403, {"detail": {"message": "m", "clears_in": 5}}, 429, "rate_limit_exceeded"),
        (500, {"error": "m", "clears_in": "7"}, 429, "rate_limit_exceeded"),
        (200, {"detail": {"code": "flagged_by_moderation"}}, 400, "content_policy_violation"),
        (200, {"detail": "Something went wrong"}, 502, "upstream_error"),
        (200, b"The quota has been exceeded.", 502, "upstream_error"),
        (302, b"", 502, "upstream_error"),
        (500, {"detail": "Something went wrong"}, 502, "upstream_error"),
        (503, b"", 502, "upstream_error"),
        (200, b"[1, 2]", 502, "upstream_error"),
    ],
)
def test_each_answer_takes_the_status_and_code_that_the_caller_should_see(
    status, body, expected, code
):
    error = refused(status, body)
    assert (error.status, error.code) == (expected, code)
    assert error.upstream_status == status


@each_row("status", [200, 401, 403, 404, 500, 503])
@each_row(
    ("headers", "body"),
    [
        (HTML, b"<html><title>Just a moment...</title>secret page</html>"),
        ({}, b"\n<!DOCTYPE html><body>secret page"),
        (JSON, b"<div id='cf-please-wait'>secret page</div>"),
        (HTML, b"secret page without a tag"),
    ],
)
def test_a_page_becomes_one_sentence_and_never_the_page(status, headers, body):
    error = refused(status, body, headers)
    assert (error.status, error.code) == (502, "upstream_error")
    assert "secret page" not in error.message
    assert error.is_page
    assert is_route_fault(error)


def test_json_under_a_html_content_type_is_still_json():
    error = refused(404, {"detail": {"code": "model_not_found", "message": "no"}}, HTML)
    assert (error.status, error.code, error.is_page) == (404, "model_not_found", False)
    assert error.param == "model"


def test_a_page_of_a_429_keeps_its_status_and_its_wait():
    error = refused(429, b"<html>", {**HTML, "retry-after": "4"})
    assert (error.status, error.retry_after_seconds) == (429, 4)


def test_the_wait_comes_from_clears_in_before_the_header():
    error = refused(429, {"detail": CAP | {"clears_in": 11461}}, {"Retry-After": "9"})
    assert error.retry_after_seconds == 11461


def test_the_wait_comes_from_the_header_as_seconds_or_as_a_date():
    assert refused(429, {"detail": "x"}, {"Retry-After": "2.5"}).retry_after_seconds == 2.5
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    wait = refused(429, {"detail": "x"}, {"Retry-After": date}).retry_after_seconds
    assert 55 < wait <= 60
    assert refused(429, {"detail": "x"}, {"Retry-After": "soon"}).retry_after_seconds is None
    assert refused(429, {"detail": "x"}, {"Retry-After": "nan"}).retry_after_seconds is None


def test_the_words_of_the_upstream_are_quoted_unchanged_but_for_tokens_and_control_characters():
    error = refused(
        422,
        {
            "detail": f"Bad “field”\x00\ue200\x1b[31m; you sent {JWT} and fk-abcdefghijklmnop and hunter2"
        },
        secrets=("hunter2",),
    )
    assert "Bad “field” [31m; you sent *** and *** and ***" in error.message
    assert "hunter2" not in error.message


def test_long_words_are_cut():
    error = refused(500, {"detail": "x" * 5000})
    assert error.message.count("x") <= MAX_WORDS_CHARS
    assert error.message.endswith("…")


def test_an_overflow_says_the_phrases_that_clients_look_for():
    message = refused(413, {"detail": {"message": "submit something shorter"}}).message
    for phrase in (
        "This model's maximum context length is",
        "exceeds the context window",
        "context_length_exceeded",
        "submit something shorter",
    ):
        assert phrase in message


@each_row("status", [200, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 503])
@each_row("body", [b"", b"{}", b"<html>", b'{"detail":{"code":"model_not_found"}}'])
def test_our_own_sentences_keep_to_the_phrases(status, body):
    error = refused(status, body)
    text = error.message.lower()
    for phrase in ("too large", "credit", "balance", "quota", "permission denied", "not found"):
        assert phrase not in text
    if error.status != 429:
        assert not re.search(r"rate limit|429", text)
    if error.status == 400:
        assert not re.search(r"\beach\b|must have|without|tool_call_id", text)
    assert error.status not in (408, 409)


def test_only_a_5xx_or_a_page_is_the_fault_of_the_route():
    assert is_route_fault(refused(500, {"detail": "x"}))
    assert not is_route_fault(refused(403, {"detail": "x"}))
    assert not is_route_fault(refused(429, {"detail": "x"}))
    assert not is_route_fault(refused(200, {"detail": "x"}))


def test_an_error_event_keeps_the_code_of_the_upstream():
    failure = fault_failure({"message": None, "error": "x", "error_code": "interrupted"})
    assert (failure.status, failure.code, failure.type) == (502, "interrupted", "upstream_error")
    failure = fault_failure({"error": "x"})
    assert (failure.status, failure.code) == (502, "upstream_error")


def test_an_error_event_with_a_known_code_takes_its_status():
    failure = fault_failure({"detail": CAP | {"clears_in": 9}})
    assert (failure.status, failure.retry_after_seconds) == (429, 9)
    assert fault_failure({"error": {"code": "conversation_deleted"}}).status == 404


@each_row(
    ("words", "left"),
    [
        ("it was secret-of-mine, twice: secret-of-mine.", "it was ***, twice: ***."),
        ("it was cut in secret-of", "it was cut in ***"),
        ("secret-o is the start of another word", "secret-o is the start of another word"),
        ("a secret is a word", "a secret is a word"),
    ],
)
def test_a_secret_is_left_out_whole_or_cut_off(words: str, left: str) -> None:
    assert without_secrets(words, ["", "secret-of-mine"]) == left


def test_a_fault_under_a_good_status_does_not_quote_secrets() -> None:
    failure = fault_failure({"error": "no secret-of-mine"}, ["secret-of-mine"])
    assert failure.message.endswith("The upstream said: no ***")
