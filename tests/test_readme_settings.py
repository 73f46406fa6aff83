"""The tables of settings and models in both languages, against the code."""

from pathlib import Path

import pytest

from docs.tables import PAGES, page, read_meanings
from service.settings.config import SETTINGS, Config, default_models, load_config
from service.settings.environment import SEED_NAMES as SEED_VARIABLES
from service.settings.seed_names import SEED_NAMES, translate
from tests.documents import READMES, ROOT, Document, Row, bare, code_words, read_manual
from tests.rows import each_row

NO_VALUE = ("models", "tokens.secret")  # the first has a table of its own, the second is null


@pytest.fixture(params=READMES)
def readme(request: pytest.FixtureRequest) -> Document:
    return read_manual(request.param)


@pytest.fixture
def rows(readme: Document) -> dict[str, Row]:
    return {bare(row[0]): row for row in readme.table("`server.port`")}


@each_row("language", PAGES)
def test_the_table_is_the_one_that_make_tables_writes(language: str) -> None:
    assert (ROOT / "docs" / PAGES[language]).read_text("utf-8") == page(language)


def test_every_setting_and_nothing_else_has_a_meaning_in_each_language() -> None:
    meanings = read_meanings()
    assert list(meanings) == list(SETTINGS)
    assert all(meaning.keys() == PAGES.keys() for meaning in meanings.values())
    assert all(text.strip() for meaning in meanings.values() for text in meaning.values())


def test_every_setting_has_a_row_in_the_order_of_the_code(rows: dict[str, Row]) -> None:
    assert list(rows) == list(SETTINGS)


def test_settings_that_are_the_defaults_of_the_table_change_nothing(
    rows: dict[str, Row], tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    for name, row in rows.items():
        value = bare(row[1])
        path.write_text(
            f"{{{name.replace('.', ': {')}: {value}{'}' * (1 + name.count('.'))}", "utf-8"
        )
        if name in NO_VALUE:
            continue
        assert value != "null"
        config = load_config(path, {}).config
        assert config.model_copy(update={"path": None}) == Config(), name


def test_every_old_name_stands_beside_the_setting_that_it_becomes(rows: dict[str, Row]) -> None:
    slugs = {name: model.slug for name, model in default_models().items()}
    for setting, row in rows.items():
        for old in code_words(row[2]):
            if old in SEED_VARIABLES:
                assert SEED_VARIABLES[old] == setting
            else:
                section, _, name = old.rpartition(".")
                tree = {section: {name: "true"}} if section else {name: "true"}
                assert translate(tree, slugs).notes[0].startswith(f"read `{old}` as `{setting}")


def test_no_old_name_is_left_out(rows: dict[str, Row]) -> None:
    named = [old for row in rows.values() for old in code_words(row[2])]
    known = {"redis" if name.startswith("redis.") else name for name in SEED_NAMES}
    # A name that has not changed is no old name.
    assert sorted(named) == sorted((known | set(SEED_VARIABLES)) - set(SETTINGS))


def test_the_table_of_models_is_the_default(readme: Document) -> None:
    table = {
        bare(name): (bare(slug), tuple(code_words(aliases)))
        for name, slug, aliases in readme.table("`gpt-4-s`")
    }
    assert table == {name: (row.slug, row.aliases) for name, row in default_models().items()}
