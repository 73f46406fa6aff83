"""Settings files as mappings of strings."""

import pytest

from service.settings.files import find_gpts, read_mapping
from service.settings.problems import ConfigError


@pytest.fixture
def read(tmp_path):
    def _read(text: str, name: str = "c.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_mapping(path)

    return _read


def test_scalars_stay_as_they_were_written(read):
    assert read("a: 12:30\nb: 0123\nc: 1.10\nd: no\ne: none.yaml\nf: 2024-01-01\ng: <<x") == {
        "a": "12:30",
        "b": "0123",
        "c": "1.10",
        "d": "no",
        "e": "none.yaml",
        "f": "2024-01-01",
        "g": "<<x",
    }


def test_entries_without_a_value_are_left_out(read):
    assert read("a:\nb: ~\nc: null\nd: {e: }\nf: 'null'\ng: ''") == {"d": {}, "f": "null", "g": ""}


def test_anchors_and_merges_work(read):
    assert read("x: &x {a: '1'}\ny: {<<: *x, b: '2'}")["y"] == {"a": "1", "b": "2"}


def test_json_with_tabs_is_json(read):
    assert read('{\n\t"a": [1, 2.50],\n\t"b": true\n}') == {"a": ["1", "2.50"], "b": True}


def test_a_flow_mapping_that_is_no_json_is_yaml(read):
    assert read("{a: 1}") == {"a": "1"}


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ('{"a": 1, "a": 2}', "c.json", "the key a is given twice"),
        ("a: {b: 1, b: 2}", "c.yaml", "line 1: the key b is given twice"),
        ('{"a": 1,}{', "c.json", "line 1: "),
        ("!!python/object:os.system x", "c.yaml", "could not determine a constructor"),
        ("? [a]\n: b", "c.yaml", "line 1: found unhashable key"),
        ("a: &a {b: *a}", "c.yaml", "a mapping holds itself"),
        ("[1]", "c.json", "must be a mapping of settings, not a list"),
    ],
)
def test_a_bad_file_is_one_line(read, text, name, message):
    with pytest.raises(ConfigError) as caught:
        read(text, name)
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_the_file_of_gpts_that_has_any_is_found(tmp_path):
    settings = tmp_path / "c.yaml"
    assert find_gpts(settings, None, is_seed=False) is None
    (tmp_path / "gpts.json").write_text('{"a": "g-a"}')
    assert find_gpts(settings, None, is_seed=False) == tmp_path / "gpts.json"
    (tmp_path / "gpts.yaml").write_text("b: g-b")
    assert find_gpts(settings, None, is_seed=False) == tmp_path / "gpts.yaml"
    assert find_gpts(settings, None, is_seed=True) == tmp_path / "gpts.json"
    assert find_gpts(settings, "mine.yaml", is_seed=True) == tmp_path / "mine.yaml"
