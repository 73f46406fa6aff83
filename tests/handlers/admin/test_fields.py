"""What bodies and queries of the operator may hold."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest

from handlers.admin.fields import flag_in, name_of, text_in, whole_in, word_in
from service.vocabulary.errors import RequestError


class Word(StrEnum):
    ONE = "one"
    TWO = "two"


READ: dict[str, Callable[[dict[str, str]], Any]] = {
    "flag": lambda query: flag_in(query, "x"),
    "whole": lambda query: whole_in(query, "x", 1, 599),
    "word": lambda query: word_in(query, "x", Word),
    "text": lambda query: text_in(query, "x"),
}


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("flag", None, False),
        ("flag", "TRUE", True),
        ("flag", "false", False),
        ("whole", None, None),
        ("whole", "", None),
        ("whole", "007", 7),
        ("word", None, None),
        ("word", "two", Word.TWO),
        ("text", None, None),
        ("text", "", None),
        ("text", "gpt-4o", "gpt-4o"),
    ],
)
def test_what_is_right_is_read(kind: str, given: str | None, value: Any) -> None:
    assert READ[kind]({} if given is None else {"x": given}) == value


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("flag", "1"),
        ("whole", "0"),
        ("whole", "600"),
        ("whole", "-1"),
        ("whole", "1.0"),
        ("whole", "١"),
        ("whole", "9" * 5000),
        ("word", "Two"),
        ("word", "one,two"),
        ("text", "a" * 256),
        ("text", "a\nb"),
    ],
)
def test_what_is_wrong_is_named(kind: str, given: str) -> None:
    with pytest.raises(RequestError) as refused:
        READ[kind]({"x": given})
    assert refused.value.param == "x"
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\tb", "\u202e"])
def test_a_name_is_one_short_line(name: str) -> None:
    with pytest.raises(RequestError):
        name_of(name)
    assert name_of(" 我的 phone ") == "我的 phone"
