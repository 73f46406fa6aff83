"""Which row owns a public model name."""

from service.settings.model_names import ModelRow, laid_over, undated, used_twice
from tests.rows import each_row

DEFAULTS = {
    "a": ModelRow("slug-a", ("a2", "a3")),
    "b": ModelRow("slug-b", ()),
}


def test_without_rows_the_table_is_the_default():
    assert laid_over(DEFAULTS, {}, {}, ()) == DEFAULTS


def test_a_row_with_its_own_aliases_replaces_the_default_row():
    table = laid_over(DEFAULTS, {"a": ModelRow("x", ("y",))}, {}, ())
    assert table == {"a": ModelRow("x", ("y",)), "b": DEFAULTS["b"]}


def test_a_row_without_aliases_keeps_the_default_ones_that_are_left():
    table = laid_over(DEFAULTS, {"a": ModelRow("x", None), "a2": ModelRow("z", None)}, {}, ())
    assert table["a"] == ModelRow("x", ("a3",))
    assert table["a2"] == ModelRow("z", ())


def test_a_default_row_whose_name_is_taken_goes_by_its_first_alias():
    table = laid_over(DEFAULTS, {"new": ModelRow("x", ("a",))}, {}, ())
    assert table["a2"] == ModelRow("slug-a", ("a3",))
    assert "a" not in table


def test_a_default_row_with_no_name_left_is_gone():
    assert "b" not in laid_over(DEFAULTS, {}, {}, ["b"])


def test_a_replaced_row_keeps_its_place():
    table = laid_over(DEFAULTS, {"z": ModelRow("slug-a", ())}, {"a": "z"}, ())
    assert list(table) == ["z", "b"]


def test_a_name_repeated_in_its_own_row_is_used_once():
    assert used_twice({"a": ModelRow("x", ("a", "c", "c"))}, {}, ()) == []


def test_each_second_use_is_one_line():
    rows = {"a": ModelRow("x", ("c",)), "b": ModelRow("y", ("c",))}
    assert used_twice(rows, {"b": "old_list"}, ["a"]) == [
        "old_list: the model name c is also used by models.a",
        "gpts.a: the model name a is also used by models.a",
    ]


@each_row(
    ("name", "base"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-0806", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-4o", None),
        ("gpt-4o-2024-13-06", None),
        ("gpt-4o-1999-08-06", None),
        ("gpt-4-4096", None),
        ("gpt-4o-08-06", None),
        ("-0806", None),
    ],
)
def test_a_date_is_told_from_other_ends_of_a_name(name: str, base: str | None) -> None:
    assert undated(name) == base
