"""What the documents name exists: links, verbs, variables, settings, files, records."""

import re
from pathlib import Path

import pytest

from service import ports
from service.settings.config import SETTINGS
from service.settings.removed import REMOVED
from service.settings.seed_names import SEED_NAMES
from service.stages.render import bot_format
from service.vocabulary import credentials, errors, events, requests
from tests.documents import PAGES, ROOT, Document, read_document, translated

DOCUMENTS = (*PAGES, *map(translated, PAGES), "ARCHITECTURE.md", "CHANGELOG.md")


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest) -> Document:
    return read_document(request.param)


@pytest.fixture
def architecture() -> Document:
    return read_document("ARCHITECTURE.md")


def test_every_relative_link_leads_somewhere(document: Document) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", document.prose)):
        path, _, anchor = link.partition("#")
        if not re.match(r"https?:", link):
            there = (ROOT / document.name).parent / path if path else ROOT / document.name
            assert there.exists(), link
            assert not anchor or anchor in map(_anchor, _headings(there)), link


def _headings(path: Path) -> list[str]:
    return read_document(str(path)).headings


def _anchor(heading: str) -> str:
    """Return the anchor that the forge gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_make_verb_is_in_the_makefile(document: Document) -> None:
    verbs = set(re.findall(r"(?:`|^)make ([a-z]+)(?=`|\s)", document.text, re.MULTILINE))
    known = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert verbs <= known


def test_every_variable_is_that_of_a_setting(document: Document) -> None:
    for variable in re.findall(r"GATEWAY_([A-Z_]+)", document.text):
        names = {variable, variable.removesuffix("_FILE")}  # of a setting, or of a secret's file
        assert {name.lower().replace("__", ".") for name in names} & set(SETTINGS)


def test_every_dotted_name_of_a_section_is_a_setting(document: Document) -> None:
    sections = {name.partition(".")[0] for name in SETTINGS}
    for name in re.findall(r"`([a-z_]+\.[a-z_]+)(?=[`:])", document.prose):
        if name.partition(".")[0] in sections and not name.endswith((".py", ".db")):
            assert name in (*SETTINGS, *SEED_NAMES, *REMOVED)


def test_every_file_that_the_architecture_names_exists(architecture: Document) -> None:
    named = {code for code in architecture.code if re.fullmatch(r"[\w./-]+(/|\.py|\.yaml)", code)}
    assert len(named) > 20
    for path in named:
        assert (ROOT / path).exists(), path


def test_every_record_that_the_architecture_names_exists(architecture: Document) -> None:
    named = {code for code in architecture.code if re.fullmatch(r"([A-Z][a-z]+){1,}", code)}
    modules = (requests, credentials, errors, events, ports, bot_format)
    assert len(named) > 15
    assert named <= {name for module in modules for name in vars(module)}
