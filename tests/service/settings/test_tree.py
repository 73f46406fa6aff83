"""Trees of settings before they are checked."""

from service.settings.tree import Reading, merged
from tests.rows import each_row


def test_a_setting_is_put_into_its_section():
    reading = Reading({"a": {"x": "1"}})
    reading.give(("a", "y"), "old_y", "2")
    assert reading.tree == {"a": {"x": "1", "y": "2"}}
    assert reading.origins == {"a.y": "old_y"}


def test_a_setting_that_is_given_already_is_a_problem_and_stays():
    reading = Reading({"a": {"x": "1"}})
    reading.give(("a", "x"), "old_x", "2")
    assert reading.tree == {"a": {"x": "1"}}
    assert reading.problems == ["a.x: given both as a.x and as old_x; keep one"]


def test_a_section_that_is_no_mapping_is_left_for_the_check():
    reading = Reading({"a": "1"})
    reading.give(("a", "x"), "old_x", "2")
    assert reading.tree == {"a": "1"}
    assert reading.problems == []


@each_row(
    ("base", "over", "expected"),
    [
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}),
        ({"a": "wrong"}, {"a": {"b": 1}}, {"a": "wrong"}),
    ],
)
def test_one_tree_is_laid_over_another(base, over, expected):
    assert merged(base, over) == expected
