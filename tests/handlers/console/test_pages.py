import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from handlers.console.pages import STATIC, assets, content_policy, prefers_page
from service.vocabulary.events import Outcome
from tests.handlers.conftest import Serve
from tests.handlers.console.vendored import VENDOR, listed, sha256
from tests.rows import each_row

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
OWN = sorted(path for path in STATIC.rglob("*") if path.is_file() and VENDOR not in path.parents)
PAGES = [path for path in OWN if path.suffix == ".html"]
SCRIPTS = [path for path in OWN if path.suffix == ".js"]


@pytest.fixture
async def client(serve: Serve) -> TestClient:
    return await serve()


# --- the root -------------------------------------------------------------------------


async def test_a_browser_gets_the_page(client: TestClient) -> None:
    response = await client.get("/", headers={"Accept": BROWSER})
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<!doctype html>" in await response.text()


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", None])
async def test_a_program_gets_json(client: TestClient, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = await client.get("/", headers=headers, skip_auto_headers=["Accept"])
    assert response.headers["Content-Type"] == "application/json"
    body = await response.json()
    assert body["name"] == "backend-to-v1"
    assert body["version"]
    assert body["default_profile"] == "web"
    assert body["links"]["chat_completions"] == "/v1/chat/completions"


async def test_a_cache_tells_page_and_json_apart(client: TestClient) -> None:
    for accept in (BROWSER, "*/*"):
        response = await client.get("/", headers={"Accept": accept})
        assert "Accept" in response.headers.getall("Vary")
        assert response.headers["Cache-Control"] == "no-cache"


async def test_the_json_names_the_api_under_its_prefix(serve: Serve) -> None:
    client = await serve(server={"api_prefix": "secret/path"}, bot_mode={"enabled": True})
    body = await (await client.get("/")).json()
    assert body["links"]["chat_completions"] == "/secret/path/v1/chat/completions"
    assert body["links"]["readiness"] == "/readyz"
    assert body["links"]["description"] == "/openapi.json"
    assert body["default_profile"] == "bot"


async def test_the_json_names_no_metrics_that_are_off(serve: Serve) -> None:
    client = await serve(metrics={"enabled": False})
    assert "metrics" not in (await (await client.get("/")).json())["links"]


@each_row(
    ("accept", "is_page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("TEXT/HTML ; q=0.7, */*", True),
        ("application/json, text/html", True),
        ("application/json, text/html;q=0.5", False),
        ("text/html;q=0", False),
        ("text/html;level=1;q=0.0", False),
        ("text/*", False),
        ("nonsense,,;;q=", False),
    ],
)
def test_who_prefers_html_is_a_browser(accept: str, is_page: bool) -> None:
    assert prefers_page(accept) is is_page


# --- what a page of this origin may do ------------------------------------------------


async def test_the_page_may_load_from_the_gateway_only(client: TestClient) -> None:
    response = await client.get("/", headers={"Accept": BROWSER})
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("img-src") == "'self' data:"
    assert policy.pop("trusted-types") == "dompurify"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert {policy.pop(name) for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert policy == {"base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_pictures_may_also_come_from_the_public_address(serve: Serve) -> None:
    assert "img-src 'self' data: https://gw.example.org:8443;" in content_policy(
        "https://gw.example.org:8443/below"
    )
    client = await serve(server={"public_url": "https://gw.example.org/below"})
    body = await (await client.get("/")).json()
    assert body["picture_origin"] == "https://gw.example.org"


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=|javascript:", text) == []
    for path in OWN:
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text("utf-8")))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path


# --- the page of the operator ----------------------------------------------------------


async def test_with_an_admin_key_there_is_a_page_and_a_link_to_it(serve: Serve) -> None:
    client = await serve(server={"admin_key": "of the operator"})
    index = await (await client.get("/")).json()
    response = await client.get(index["links"]["admin"])
    assert (response.status, response.content_type) == (200, "text/html")
    page = await client.get("/", headers={"Accept": BROWSER})
    policy = "Content-Security-Policy"
    assert response.headers[policy] == page.headers[policy]
    assert "default-src 'none'" in response.headers[policy]
    assert "of the operator" not in await response.text()


async def test_without_an_admin_key_neither_page_nor_parts_are_there(client: TestClient) -> None:
    parts = [path for path in assets() if path.startswith("admin/")]
    assert len(parts) > 10
    for path in ("admin", "admin/", *parts):
        response = await client.get(f"/console/{path}", headers={"Accept": BROWSER})
        assert response.status == 404, path
        assert (await response.json())["error"][
            "message"
        ] == f"There is nothing at /console/{path}."


# --- its parts ------------------------------------------------------------------------


@pytest.fixture
async def with_admin_key(serve: Serve) -> TestClient:
    return await serve(server={"admin_key": "of the operator"})


@each_row("path", sorted(assets()), ids=str)
async def test_each_part_is_served_as_what_it_is(with_admin_key: TestClient, path: str) -> None:
    client = with_admin_key
    if path.endswith(".html"):
        assert (await client.get(f"/console/{path}")).status == 404  # pages have other addresses
        return
    response = await client.get(f"/console/{path}")
    assert response.status == 200
    assert await response.read() == (STATIC / path).read_bytes()
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert response.content_type == kinds.get(Path(path).suffix, "text/plain")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_a_browser_has_is_not_sent_again(client: TestClient) -> None:
    first = await client.get("/console/main.js")
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    again = await client.get("/console/main.js", headers={"If-None-Match": etag})
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["ETag"] == etag
    other = await client.get("/console/main.js", headers={"If-None-Match": '"other"'})
    assert other.status == 200
    page = await client.get("/", headers={"Accept": BROWSER})
    headers = {"Accept": BROWSER, "If-None-Match": page.headers["ETag"]}
    assert (await client.get("/", headers=headers)).status == 304


async def test_parts_are_compressed_for_who_takes_it(client: TestClient) -> None:
    path = "/console/vendor/purify.js"
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    small = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert int(small.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 3
    assert await small.read() == await plain.read()


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "index.html", "../pages.py", "%2e%2e/pages.py", "vendor", "vendor/vendor.json"],
)
async def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    response = await client.get(f"/console/{path}", headers={"Accept": BROWSER})
    assert response.status == 404
    assert (await response.json())["error"]["code"] == "not_found"


async def test_a_head_has_no_body(client: TestClient) -> None:
    for path in ("/", "/console/theme.css"):
        response = await client.head(path, headers={"Accept": BROWSER})
        assert (response.status, await response.read()) == (200, b"")
        assert int(response.headers["Content-Length"]) > 1000


# --- what the parts are made of -------------------------------------------------------


def test_every_file_that_is_imported_is_there() -> None:
    for path in SCRIPTS:
        for name in re.findall(r'from "(\.\.?/[^"]+)"', path.read_text("utf-8")):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"


def test_every_text_is_in_both_languages_and_used() -> None:
    source = "".join(path.read_text("utf-8") for path in OWN if path.name == "strings.js")
    texts = re.findall(
        r'^  "([\w.]+)": \{\s*en: "(.+)",\s*zh: "(.+)",?\s*\},$', source, re.MULTILINE
    )
    names = {name for name, _, _ in texts}
    assert len(names) == len(texts) == len(re.findall(r'^  "', source, re.MULTILINE))
    for name, english, chinese in texts:
        assert _places(english) == _places(chinese), name
        assert (
            re.search(r"[\u4e00-\u9fff]", chinese)
            or english == chinese
            or name.startswith("language.")
        )
    used = set()
    for path in OWN:
        if path.name != "strings.js":
            used |= set(
                re.findall(r'["`]([a-z][a-z_]*(?:\.[a-z_]+)*)["`]', path.read_text("utf-8"))
            )
    made = {f"{start}{name}" for start, ends in MADE.items() for name in ends}
    assert names - used == made - used
    assert made <= names


# Names that are put together from a part.
MADE = {
    "dialect.": ("chat", "responses", "messages"),
    "profile.": ("web", "bot", "raw"),
    "theme.": ("auto", "light", "dark"),
    "state.": ("ready", "not_ready", "unreachable"),
    "state.part.": ("gateway", "upstream", "state", "blobs"),
    "admin.account.": ("signed_in", "over", "elsewhere", "over.hint", "elsewhere.hint"),
    "usage.resting.": ("text", "pictures"),
    "admin.range.": ("hours", "week", "month"),
    "time.hours.": ("whole",),
    "time.days.": ("whole",),
    "admin.ending.": ("complete", "filtered", "refused", "broken", "abandoned"),
    "admin.within.": ("hour", "day", "week", "month"),
    "admin.outcome.": tuple(Outcome),
    "admin.column.": (
        *("time", "key", "model", "dialect", "outcome", "first", "total", "tokens", "bytes"),
    ),
    "admin.filter.": ("range", "key", "outcome", "dialect", "model", "status"),
    "admin.any.": ("model", "status"),
    "admin.unit.": ("requests", "tokens"),
    "admin.window.": ("five_hours", "day", "week", "month"),
    "admin.budget.requests.": ("hours", "day", "week", "month"),
    "admin.budget.tokens.": ("hours", "day", "week", "month"),
}


def _places(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@each_row("name", listed())
def test_a_library_is_the_copy_that_it_is_said_to_be(name: str) -> None:
    entry = listed()[name]
    assert sha256((VENDOR / name).read_bytes()) == entry["sha256"]
    assert (VENDOR / name.replace(".js", ".license.txt")).is_file()


def test_every_library_is_listed() -> None:
    assert {path.name for path in VENDOR.glob("*.js")} == set(listed())


@each_row("path", OWN, ids=lambda path: path.name)
def test_each_file_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 300
