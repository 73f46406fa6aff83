"""Words of effort, and what a model makes of them (spec 14.3)."""

from tests.rows import each_row
from upstream.codex.payload.model import nearest_effort

LEVELS = ("low", "medium", "high")


@each_row(
    ("asked", "known", "told"),
    [
        ("high", LEVELS, "high"),
        ("xhigh", LEVELS, "high"),
        ("max", LEVELS, "high"),
        ("minimal", LEVELS, "low"),
        ("none", LEVELS, "low"),
        ("none", ("none", *LEVELS), "none"),
        ("minimal", ("none", "medium"), "medium"),
        ("medium", ("low", "high"), "low"),
        ("ultra", ("high", "max"), "max"),
        ("ultra", (), "max"),
        ("xhigh", (), "xhigh"),
        ("high", ("brand-new",), "high"),
        ("low", ("none",), "low"),
    ],
)
def test_a_word_that_a_model_lacks_becomes_the_nearest_the_lower_of_two(asked, known, told):
    assert nearest_effort(asked, known) == told
