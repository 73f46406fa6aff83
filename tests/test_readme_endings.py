"""The table of endings in both languages, against the code."""

import pytest

from docs.tables import ENDING_PAGES, endings_page, read_endings
from service.vocabulary.endings import Told
from service.vocabulary.events import Outcome
from tests.documents import ROOT


@pytest.mark.parametrize("language", ENDING_PAGES)
def test_the_table_is_the_one_that_make_tables_writes(language: str) -> None:
    page = (ROOT / "docs" / ENDING_PAGES[language]).read_text("utf-8")
    assert page == endings_page(language)
    assert all(page.count(f"| `{outcome}` |") == 1 for outcome in Outcome)


def test_every_outcome_and_nothing_else_has_words_in_each_language() -> None:
    words = read_endings()
    assert list(words["meanings"]) == list(Outcome)
    assert set(words["told"]) == set(Told)
    for each in (*words["meanings"].values(), words["or"], *words["fitting"].values()):
        assert each.keys() == ENDING_PAGES.keys()
