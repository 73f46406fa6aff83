"""What the manual states in both languages and code can check; settings have their own file."""

import re

import pytest
from aiohttp import web

from handlers.edge import headers
from handlers.edge.not_offered import REASONS
from handlers.reading.common_fields import PROFILE_HEADER
from handlers.routes import add_routes
from service.connections.bad_http import REQUEST_ID
from service.observing.metrics import Metrics
from service.program.launch import demo_help
from service.settings.config import Config
from service.upstream_errors import refusals
from service.vocabulary import errors
from service.vocabulary.events import Outcome
from service.vocabulary.requests import Profile
from tests.documents import (
    PAGES,
    READMES,
    Document,
    bare,
    code_words,
    read_document,
    read_manual,
    translated,
)
from tests.rows import each_row
from upstream.demo.ground.words import read_commands
from upstream.demo.scenes.faults import FAULT_NAMES
from upstream.demo.scenes.scenarios import PATTERNS, SCENARIOS

NOT_OFFERED = ("Not offered", "不提供的")
ADDRESS = "http://127.0.0.1:33333"


@pytest.fixture(params=READMES)
def readme(request: pytest.FixtureRequest) -> Document:
    return read_manual(request.param)


# --- both languages -------------------------------------------------------------------


@each_row("page", PAGES)
def test_both_languages_have_the_same_headings_tables_lists_and_blocks(page: str) -> None:
    mark = re.compile(r"#+ |```|\| |- ")
    english, chinese = (
        [found[0] for line in read_document(name).text.splitlines() if (found := mark.match(line))]
        for name in (page, translated(page))
    )
    assert english == chinese


@each_row("page", PAGES)
def test_both_languages_name_the_same_things(page: str) -> None:
    """Names of settings, codes, routes and fields; messages to the demo differ by language."""
    name = re.compile(r"(DELETE |GET |POST )?/?[\w./{}-]*[_./][\w./{}-]*")
    english, chinese = (
        {code for code in read_document(each).code if name.fullmatch(code)}
        for each in (page, translated(page))
    )
    assert english - {"make report.csv"} == chinese


# --- the first commands ---------------------------------------------------------------


def test_the_first_commands_are_run_and_test(readme: Document) -> None:
    lines = readme.blocks("sh")[0].splitlines()
    assert [line.partition("#")[0].strip() for line in lines] == ["make run", "make test"]


def test_the_curl_lines_are_those_that_the_start_prints(readme: Document) -> None:
    printed = demo_help(ADDRESS, f"{ADDRESS}/v1").splitlines()
    wanted = [line.strip() for line in printed if line.startswith("  curl")]
    assert readme.blocks("sh")[1].splitlines() == wanted


# --- routes, headers, errors, endings, figures ----------------------------------------


@pytest.fixture
def routes() -> set[str]:
    app = web.Application()
    add_routes(app, Config(server={"admin_key": "of the operator"}))
    named = {f"{r.method} {r.resource.canonical}" for r in app.router.routes() if r.resource}
    return {route for route in named if not route.startswith("HEAD")}


def test_every_route_is_named_and_every_named_one_exists(
    readme: Document, routes: set[str]
) -> None:
    named = {code for code in readme.code if re.match("(DELETE|GET|POST) /", code)}
    assert named == routes


def test_every_part_of_the_official_api_that_is_not_offered_is_named(readme: Document) -> None:
    assert set(code_words(readme.section(NOT_OFFERED))) == {f"/v1/{part}" for part in REASONS}


def test_every_header_of_ours_is_named_and_every_named_one_exists(readme: Document) -> None:
    ours = {
        *(PROFILE_HEADER, REQUEST_ID, headers.UPSTREAM_MODEL),
        *(headers.IGNORED_FIELDS, headers.OVERHEAD, headers.SHOULD_RETRY, headers.ESTIMATED),
        "x-api-key",
    }
    assert {code for code in readme.code if re.fullmatch(r"x-[a-z-]+", code)} == ours


def test_every_error_of_ours_has_a_row(readme: Document) -> None:
    rows = {tuple(map(bare, row[:3])) for row in readme.table("405")}
    kinds = [errors.ServiceError, *_below(errors.ServiceError)]
    assert {(str(kind.status), kind.type, kind.code) for kind in kinds} <= rows


def _below(kind: type[errors.ServiceError]) -> list[type[errors.ServiceError]]:
    return [one for each in kind.__subclasses__() for one in (each, *_below(each))]


def test_every_verdict_on_the_upstream_has_a_row(readme: Document) -> None:
    rows = {tuple(map(bare, row[:3])) for row in readme.table("405")}
    found = [one for one in vars(refusals).values() if isinstance(one, refusals.RefusalVerdict)]
    assert found
    for verdict in found:
        codes = [verdict.code] if verdict.code else [row[2] for row in rows]
        assert any((str(verdict.status), verdict.type, code) in rows for code in codes)


def test_every_way_an_answer_ends_has_a_row(readme: Document) -> None:
    ends = [cell for part in readme.prose.split("\n") for cell in part.split("|")[-2:-1]]
    named = [bare(cell.strip()) for cell in ends]
    assert [one for one in named if one in set(Outcome)] == list(Outcome)


def test_every_profile_has_a_row(readme: Document) -> None:
    assert [bare(row[0]) for row in readme.table("`raw`")] == list(Profile)


def test_every_metric_has_a_row(readme: Document) -> None:
    known = {family.name for family in Metrics().registry.collect()}
    assert {bare(row[0]) for row in readme.table("`gateway_requests`")} == known


# --- the demo -------------------------------------------------------------------------


def test_the_words_of_each_scenario_lead_to_it(readme: Document) -> None:
    rows = readme.table("/scene rewrite")
    assert sorted(bare(row[1]) for row in rows) == sorted(SCENARIOS)
    led = {typed: _scenario(typed) for row in rows for typed in code_words(row[0])}
    assert led == {typed: bare(row[1]) for row in rows for typed in code_words(row[0])}


def _scenario(typed: str) -> str:
    found = (name for name, pattern in PATTERNS.items() if pattern.search(typed))
    return read_commands(typed).scene or next(found, "plain")


def test_every_fault_has_a_row(readme: Document) -> None:
    typed = [code for row in readme.table("`garbage`") for code in code_words(row[0])]
    assert sorted(code.removesuffix(" N") for code in typed) == sorted(FAULT_NAMES)
    named = [read_commands(f"/fault {code}").fault.name for code in typed]
    assert sorted(named) == sorted(FAULT_NAMES)
