"""The types of settings, each by itself."""

import pytest

from service.settings.types import flag, is_address, items, mapping
from tests.rows import each_row


@each_row("value", [True, "true", " True ", "yes", "on", "1"])
def test_words_for_true(value):
    assert flag(value) is True


@each_row("value", [False, "false", "FALSE", "no", "off", "0"])
def test_words_for_false(value):
    assert flag(value) is False


@each_row("value", ["", "maybe", None, 2])
def test_other_words_are_neither(value):
    with pytest.raises(ValueError, match="must be true or false"):
        flag(value)


@each_row(
    ("value", "expected"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a,, b ", ("a", "b")),
        ('["a,b"]', ("a,b",)),
        (["a", "", None, " b"], ("a", "b")),
        ([""], ()),
        (("a",), ("a",)),
    ],
)
def test_lists_in_all_their_forms(value, expected):
    assert items(value) == expected


@each_row("value", [{"a": 1}, 7, None, "[a", [["a"]]])
def test_what_is_no_list(value):
    with pytest.raises(ValueError, match="must be a"):
        items(value)


def test_mappings_in_all_their_forms():
    assert mapping({"a": 1}) == {"a": 1}
    assert mapping('{"a": 1}') == {"a": 1}
    assert mapping("") == {}
    with pytest.raises(ValueError, match="must be a mapping"):
        mapping("a=1")


@each_row(
    ("text", "is_one"),
    [
        ("https://a.org", True),
        ("https://[::1]:8080/x?y", True),
        ("https://", False),
        ("https://a b", False),
        ("https://a:99999", False),
        ("https://a:0", False),
        ("ftp://a", False),
        ("a.org", False),
    ],
)
def test_addresses_have_a_scheme_and_a_host(text, is_one):
    assert is_address(text, ("http", "https")) is is_one
