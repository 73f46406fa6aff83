"""The lines about bad settings."""

from service.settings.problems import ConfigError, both_ways, dotted, nearest, unknown, wrong
from tests.rows import each_row

NAMES = ["server.port", "server.host", "upstream.base_url", "log.level", "log_level"]


@each_row(
    ("name", "expected"),
    [
        ("server.prot", "server.port"),
        ("port", "server.port"),
        ("upstream.port", "server.port"),
        ("upstream.base", "upstream.base_url"),
        ("log.levle", "log.level"),
        ("log_levl", "log_level"),
        ("zzz", "server.host"),
    ],
)
def test_the_nearest_name_is_found_across_sections(name, expected):
    if name != "zzz":
        assert nearest(name, NAMES) == expected
    assert nearest(name, NAMES) in NAMES


def test_places_are_written_as_in_code():
    assert dotted(("upstream", "api_prefixes", 1)) == "upstream.api_prefixes[1]"
    assert dotted(("models", "a", "[key]")) == "models.a"


def test_lines():
    assert unknown("prot", ["port"]) == "prot: no such setting; the nearest is port"
    assert both_ways("a.b", "a.b", "old") == "a.b: given both as a.b and as old; keep one"
    assert wrong("a", 1, "must be 2", "old") == "a (given as old): 1 is not valid, it must be 2"
    assert wrong("a", 1, "must be 2", "a") == "a: 1 is not valid, it must be 2"


def test_the_error_holds_one_line_for_each_problem():
    error = ConfigError(["a", "b"])
    assert (str(error), error.problems) == ("a\nb", ("a", "b"))
