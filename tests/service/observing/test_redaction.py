"""The last defence against secrets in a log."""

from service.observing.redaction import SECRET_NAME, redact
from tests.rows import each_row

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl-_"


@each_row(
    ("text", "expected"),
    [
        (f"token {JWT}!", "token [redacted]!"),
        (f"cut {JWT[:20]}", "cut [redacted]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
        ("'Authorization': 'Bearer abc'", "'Authorization': 'Bearer [redacted]'"),
        ("Authorization: Basic dTpw", "Authorization: Basic [redacted]"),
        ("authorization=abc", "authorization=[redacted]"),
        ("refresh_token=abc&x=1", "refresh_token=[redacted]&x=1"),
        ('{"refresh_token": "abc", "x": 1}', '{"refresh_token": "[redacted]", "x": 1}'),
        (r"{\"refresh_token\": \"abc\"}", r"{\"refresh_token\": \"[redacted]\"}"),
        ("{'refresh_token': b'abc'}", "{'refresh_token': b'[redacted]'}"),
        ("refresh token: abc", "refresh token: [redacted]"),
        ("refreshToken = abc", "refreshToken = [redacted]"),
        ("token=abc", "token=[redacted]"),
        ('{"password": "two words, three"} after', '{"password": "[redacted]"} after'),
        (r'{"password": "a \" b"} after', '{"password": "[redacted]"} after'),
        (r"{\"api_key\": \"two words\"} after", r"{\"api_key\": \"[redacted]\"} after"),
        ("secret='never closed and", "secret='[redacted]"),
        ("token='' and token=abc", "token='' and token=[redacted]"),
        ("redis://user:pass@host:1/0", "redis://[redacted]@host:1/0"),
        ("pool fk-abcdefghijklmnopqrst", "pool [redacted]"),
        ("completion_tokens=5 tokens: 7", "completion_tokens=5 tokens: 7"),
        ("GET /v1/models?x=1 https://a.org/@me", "GET /v1/models?x=1 https://a.org/@me"),
        ("the bearer", "the bearer"),
    ],
)
def test_what_looks_like_a_secret_is_replaced(text, expected):
    assert redact(text) == expected


@each_row("name", ["refresh_token", "upstream_authorization", "token", "api_key"])
def test_names_that_hold_secrets(name):
    assert SECRET_NAME.fullmatch(name)


@each_row("name", ["tokens", "completion_tokens", "model", "request_id"])
def test_names_that_hold_none(name):
    assert not SECRET_NAME.fullmatch(name)
