"""Every row of codex 4 and of its table of failures, as bodies and inside a stream."""

import json

import pytest

from service.upstream_errors.codex_refusals import codex_refusal, judge
from tests.rows import each_row

NOW = 1_738_880_000.0
JSON = {"Content-Type": "application/json"}


def refused(status: int, body: object, headers: dict[str, str] = JSON):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return codex_refusal(status, headers, data, NOW, ["a-secret-token"])


@each_row(
    ("status", "body", "expected"),
    [
        (400, {"detail": "Unsupported parameter: seed"}, (400, "invalid_request")),
        (400, {"error": {"message": "No.", "code": "bad", "param": "x"}}, (400, "bad")),
        (400, {"detail": "Selected model is at capacity. Try another."}, (503, "upstream_error")),
        (
            400,
            {
                "detail": "The 'gpt-x' model is not supported when using Codex with a ChatGPT account."
            },
            (404, "model_not_found"),
        ),
        (401, {"error": {"code": "token_expired"}, "status": 401}, (401, "invalid_api_key")),
        (401, {"error": {"code": "token_revoked"}, "status": 401}, (401, "invalid_api_key")),
        (402, {"detail": "Payment required"}, (429, "rate_limit_exceeded")),
        (403, {"detail": "No."}, (403, "permission_error")),
        (413, {"detail": "Body"}, (400, "context_length_exceeded")),
        (429, {"error": {"type": "usage_limit_reached"}}, (429, "rate_limit_exceeded")),
        (429, {"error": {"type": "usage_not_included"}}, (403, "usage_not_included")),
        (429, {"error": {"code": "insufficient_quota"}}, (429, "rate_limit_exceeded")),
        (429, {"detail": "Slow down"}, (429, "rate_limit_exceeded")),
        (500, {"detail": "Oh"}, (502, "upstream_error")),
        (503, {"error": {"code": "server_is_overloaded"}}, (503, "server_is_overloaded")),
        (503, {"error": {"code": "slow_down"}}, (503, "slow_down")),
        (503, b"", (502, "upstream_error")),
        (404, b"", (502, "upstream_error")),
        (403, b"<html>cf_chl_opt</html>", (502, "upstream_error")),
    ],
)
def test_a_body_means_what_the_table_says(status, body, expected):
    error = refused(status, body)
    assert (error.status, error.code) == expected
    assert error.upstream_status == (503 if error.status == 503 else status)


def test_a_page_and_an_empty_404_are_one_sentence_and_the_fault_of_the_way():
    page = refused(403, b"<!doctype html><p>Just a moment</p>", {"Content-Type": "text/html"})
    hidden = refused(404, b"")
    assert page.is_page
    assert hidden.is_page
    assert "moment" not in page.message
    for error in (page, hidden):
        assert "upstream.proxy" in error.message


@pytest.mark.parametrize(
    ("status", "told"),
    [(413, (400, "context_length_exceeded")), (429, (429, "rate_limit_exceeded"))],
)
def test_too_large_and_too_many_are_so_whoever_says_it(status, told):
    page = b"<!DOCTYPE html><html><body>nginx</body></html>"
    error = refused(status, page, {"Content-Type": "text/html"})
    assert (error.failure().status, error.failure().code) == told
    assert "<" not in error.failure().message
    assert "nginx" not in error.failure().message
    assert not error.is_page


@pytest.mark.parametrize("body", [b"Payment required", b""])
def test_a_402_without_json_is_final_too(body):
    failure = refused(402, body, {"Content-Type": "text/plain"}).failure()
    assert (failure.status, failure.code, failure.is_final) == (429, "rate_limit_exceeded", True)


@pytest.mark.parametrize(
    "fields", [{"resets_at": 1e300}, {"resets_in_seconds": 1e300}, {"clears_in": 41 * 86_400}]
)
def test_a_wait_beyond_all_windows_was_not_meant(fields):
    error = refused(429, {"error": {"type": "usage_limit_reached", **fields}})
    assert error.failure().retry_after_seconds is None


def test_a_used_up_allowance_says_until_when_and_that_asking_is_in_vain():
    body = {"error": {"type": "usage_limit_reached", "resets_at": NOW + 3600, "plan_type": "plus"}}
    error = refused(429, body)
    assert error.limit is not None
    assert error.limit.resets_at == NOW + 3600
    assert error.failure().retry_after_seconds == 3600
    assert error.failure().is_final


@each_row(
    ("error", "seconds"),
    [
        ({"resets_in_seconds": 40}, 40),
        ({"resets_at": NOW - 5}, 0),
        ({"resets_at": "soon"}, None),
        ({"message": "Rate limit. Please try again in 11.054s."}, 11.054),
        ({"message": "try again in 250ms"}, 0.25),
        ({"message": "try again in 2 minutes"}, 120),
    ],
)
def test_how_long_to_wait_is_read_from_wherever_it_stands(error, seconds):
    judged = judge({"error": {"code": "rate_limit_exceeded", **error}}, NOW)
    assert judged.failure.status == 429
    assert judged.failure.retry_after_seconds == pytest.approx(seconds)
    assert not judged.failure.is_final
    assert judged.limit is None


def test_a_header_tells_the_wait_where_the_body_does_not():
    headers = {**JSON, "Retry-After": "7"}
    assert refused(429, {"detail": "Later"}, headers).retry_after_seconds == 7
    assert refused(503, {"detail": "Later"}, headers).retry_after_seconds == 7
    assert refused(400, {"detail": "Never"}, headers).retry_after_seconds is None


@each_row(
    ("code", "status"),
    [
        ("context_length_exceeded", 400),
        ("invalid_prompt", 400),
        ("cyber_policy", 400),
        ("previous_response_not_found", 400),
        ("invalid_encrypted_content", 400),
        ("insufficient_quota", 429),
        ("usage_not_included", 403),
        ("rate_limit_exceeded", 429),
        ("server_is_overloaded", 503),
        ("slow_down", 503),
        ("token_expired", 401),
        ("brand_new", 502),
    ],
)
def test_a_code_inside_a_stream_means_the_same_nested_and_flat(code, status):
    nested = judge({"type": "error", "error": {"code": code, "message": "Words."}}, NOW)
    flat = judge({"type": "error", "code": code, "message": "Words."}, NOW)
    assert nested == flat
    assert nested.failure.status == status
    assert nested.failure.message.endswith("The upstream said: Words.")


def test_a_failure_keeps_the_code_that_nothing_is_known_of():
    assert judge({"code": "brand_new", "message": "Oh."}, NOW).failure.code == "brand_new"
    assert judge({"message": "Oh."}, NOW).failure.code == "upstream_error"


@each_row("where", ["status", "status_code"])
def test_a_status_inside_a_stream_counts(where):
    judged = judge({"type": "error", "error": {"message": "Gone."}, where: 402}, NOW)
    assert (judged.failure.status, judged.failure.is_final) == (429, True)


def test_a_type_says_what_a_missing_code_does_not():
    judged = judge({"type": "error", "error": {"type": "invalid_request_error"}}, NOW)
    assert judged.failure.status == 400
    body = {"error": {"type": "image_generation_user_error", "code": "invalid_value"}}
    assert refused(400, body).status == 400


def test_no_secret_and_no_token_is_quoted():
    error = refused(400, {"detail": "Bad a-secret-token and eyJhbGciOiJIUzI1NiJ9.e30.x"})
    assert "a-secret-token" not in error.message
    assert "eyJ" not in error.message


@each_row("body", [[], {"error": None}, {"detail": [{"msg": "m"}]}, "words", 3])
def test_any_shape_is_read(body):
    assert refused(400, body).status == 400
