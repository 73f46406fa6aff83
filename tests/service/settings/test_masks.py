"""What may be shown of a setting."""

from pydantic import SecretStr

from service.settings.masks import MASK, masked, shown
from tests.rows import each_row


@each_row(
    ("name", "value", "expected"),
    [
        ("secret", "x", MASK),
        ("secret", None, None),
        ("gpts_key", SecretStr("x"), MASK),
        ("gpts_key", SecretStr(""), SecretStr("")),
        ("old_secrets", (SecretStr("x"), "y"), (MASK, MASK)),
        ("admin_key", SecretStr("x"), MASK),
        ("old_secrets", (), ()),
        ("headers", {"A": "b"}, {"A": MASK}),
        ("upstream", {"headers": {"A": "b"}, "retries": 2}, {"headers": {"A": MASK}, "retries": 2}),
        ("state", "redis://:p@h/0", f"redis://{MASK}@h/0"),
        ("state", "redis://h/0?password=p&db=1", f"redis://h/0?password={MASK}&db=1"),
        ("state", "sqlite:data/state.db", "sqlite:data/state.db"),
        ("proxy", "u:p@h:1", f"{MASK}@h:1"),
        ("urls", ("http://u:p@h",), (f"http://{MASK}@h",)),
        ("prompt_prefix", "me@example.org", "me@example.org"),
        ("port", 1, 1),
    ],
)
def test_only_what_is_secret_is_replaced(name, value, expected):
    assert masked(name, value) == expected


def test_an_error_quotes_one_short_line():
    assert shown("log.path", "a" * 200) == f"'{'a' * 79}…"
    assert "\n" not in shown("log.path", "a\nb")


@each_row(
    "setting", ["upstream.headers.X", "tokens.secret", "tokens.old_secrets[0]", "gpts_key[0]"]
)
def test_an_error_quotes_nothing_of_a_secret(setting):
    assert shown(setting, "hunter2") == repr(MASK)
