import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from handlers.edge.headers import credential_of, reply_headers, request_id_of, retry_headers
from service.vocabulary.errors import AuthError, StorageError, StorageFullError
from service.vocabulary.events import Failure
from tests.rows import each_row


def request(**headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/", headers=named)


def test_an_id_is_the_callers_if_it_is_sane() -> None:
    assert request_id_of(request(x_request_id="a-1")) == "a-1"
    assert request_id_of(request(x_request_id="a b")).startswith("req_")
    assert request_id_of(request()) != request_id_of(request())


def test_the_credential_is_read_from_either_header() -> None:
    assert credential_of(request(authorization="Bearer fk-a,b")).account_id == "b"
    assert credential_of(request(api_key="fk-a", ChatGPT_Account_ID="c")).account_id == "c"
    with pytest.raises(AuthError):
        credential_of(request())


def test_reply_headers_hold_only_what_a_header_can_carry() -> None:
    assert reply_headers() == {}
    assert reply_headers(ignored_fields=["a", "b"]) == {"x-ignored-fields": "a, b"}
    assert reply_headers(upstream_model="gpt\r\n-4é") == {"x-upstream-model": "gpt-4"}


def test_a_name_of_the_upstream_makes_no_header_that_clients_do_not_take() -> None:
    (value,) = reply_headers(upstream_model="m" * 100_000).values()
    assert value == "m" * 255


@each_row(
    ("seconds", "headers"),
    [
        (None, {}),
        (-1.0, {"Retry-After": "0"}),
        (0.2, {"Retry-After": "1"}),
        (60.0, {"Retry-After": "60"}),
        (60.1, {"Retry-After": "61", "x-should-retry": "false"}),
    ],
)
def test_a_wait_is_whole_seconds_and_a_long_one_is_not_to_be_waited_for(
    seconds: float | None, headers: dict[str, str]
) -> None:
    assert retry_headers(Failure(429, "", "", None, None, seconds)) == headers


def test_a_full_disk_is_not_to_be_tried_again() -> None:
    assert retry_headers(StorageFullError("").failure()) == {"x-should-retry": "false"}
    assert retry_headers(StorageError("").failure()) == {}
