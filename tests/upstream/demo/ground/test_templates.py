"""Templates."""

import pytest

from upstream.demo.ground.templates import fill


def test_names_become_values_or_parts_of_texts() -> None:
    template = {"id": "$id", "title": "GPT $id", "all": ["$n", "${n}x", 1, None]}
    filled = fill(template, {"id": "g-1", "n": 2})
    assert filled == {"id": "g-1", "title": "GPT g-1", "all": [2, "2x", 1, None]}


def test_a_text_is_in_one_of_two_languages() -> None:
    template = {"text": {"en": "Hello $name", "zh": "$name 你好"}}
    for is_chinese, text in ((False, "Hello Bo"), (True, "Bo 你好")):
        assert fill(template, {"is_chinese": is_chinese, "name": "Bo"}) == {"text": text}


def test_a_name_that_is_not_known_is_a_mistake() -> None:
    for template in ("$nothing", "of $nothing"):
        with pytest.raises(KeyError):
            fill(template, {})
