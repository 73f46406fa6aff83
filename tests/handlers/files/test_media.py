import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from storage.files.blobs import FileBlobs
from storage.secrets.link_signer import LinkSigner
from tests.handlers.conftest import Serve
from tests.handlers.scripted import SECRET, StoredBlob, Surroundings


@pytest.fixture
async def real(around: Surroundings, serve: Serve, tmp_path: Path) -> tuple[TestClient, FileBlobs]:
    """The handlers over the real store of this machine."""
    blobs = FileBlobs(tmp_path / "data")
    around.find = blobs.find
    return await serve(), blobs


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.fixture
def _stored(around: Surroundings, tmp_path: Path) -> None:
    for folder, name, media_type, is_inline in (
        ("images", "a1.png", "image/png", True),
        ("files", "b2.html", "text/html", False),
    ):
        path = tmp_path / name
        path.write_bytes(b"0123456789")
        around.blobs[folder, name] = StoredBlob(path, media_type, is_inline)


@pytest.mark.usefixtures("_stored")
async def test_a_picture_is_shown_and_nothing_else_can_happen(serve: Serve) -> None:
    response = await (await serve()).get("/images/a1.png", headers={"Origin": "https://a.example"})
    assert response.status == 200
    assert await response.read() == b"0123456789"
    headers = response.headers
    assert headers["Content-Type"] == "image/png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Content-Disposition"] == "inline"
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["ETag"]


@pytest.mark.usefixtures("_stored")
async def test_another_file_is_downloaded(serve: Serve) -> None:
    response = await (await serve()).get("/files/b2.html")
    assert response.headers["Content-Disposition"] == 'attachment; filename="b2.html"'
    assert "sandbox" in response.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("_stored")
@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=20-", 416, b""),
    ],
)
async def test_a_range_can_be_asked_for(
    serve: Serve, wanted: str, status: int, body: bytes
) -> None:
    response = await (await serve()).get("/images/a1.png", headers={"Range": wanted})
    assert (response.status, await response.read()) == (status, body)


@pytest.mark.usefixtures("_stored")
async def test_what_a_browser_has_is_not_sent_again(serve: Serve) -> None:
    client = await serve()
    etag = (await client.get("/images/a1.png")).headers["ETag"]
    assert (await client.get("/images/a1.png", headers={"If-None-Match": etag})).status == 304


@pytest.mark.usefixtures("_stored")
@pytest.mark.parametrize(
    "path",
    [
        "/images/none.png",
        "/files/a1.png",
        "/images/..%2Fa1.png",
        "/images/%00",
        "/images/a1.png%2F",
    ],
)
async def test_an_unknown_name_is_a_404_of_json(serve: Serve, path: str) -> None:
    response = await (await serve()).get(path)
    assert response.status == 404
    assert (await response.json())["error"]["code"] == "not_found"


@pytest.mark.usefixtures("_stored")
async def test_a_signed_link_is_not_kept_longer_or_by_others(serve: Serve) -> None:
    client = await serve(files={"link_seconds": 60})
    link = LinkSigner(SECRET, 60).signed("images/a1.png")
    response = await client.get(f"/{link}", headers={"Range": "bytes=2-4"})
    assert (response.status, await response.read()) == (206, b"234")
    cache = re.fullmatch(r"private, max-age=(\d+), immutable", response.headers["Cache-Control"])
    assert cache
    assert 50 < int(cache[1]) <= 61


@pytest.mark.usefixtures("_stored")
async def test_a_link_that_is_unsigned_or_expired_or_anothers_is_the_same_404(
    serve: Serve,
) -> None:
    client = await serve(files={"link_seconds": 60})
    expired = LinkSigner(SECRET, -60).signed("images/a1.png")
    foreign = LinkSigner(b"another", 60).signed("images/a1.png")
    unknown = LinkSigner(SECRET, 60).signed("images/none.png")
    answers = set()
    for link in ("images/a1.png", "images/a1.png?e=&s=", expired, foreign, unknown):
        for method in ("GET", "HEAD"):
            assert (await client.request(method, f"/{link}")).status == 404
        response = await client.get(f"/{link}", headers={"If-None-Match": "*"})
        assert response.status == 404
        assert response.headers["Cache-Control"] == "no-store"
        answers.add((await response.text()).replace("none", "a1"))
    assert len(answers) == 1


# --- over the real store --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "media_type", "disposition"),
    [
        ("a.png", "image/png", "inline"),
        ("a.svg", "image/svg+xml", "attachment"),
        ("a.html", "text/html", "attachment"),
        ("a.csv", "text/csv", "attachment"),
        ("no-extension", "application/octet-stream", "attachment"),
        ('a"; filename="x.exe', "application/octet-stream", "attachment"),
        ("a\r\nSet-Cookie: x=1.txt", "text/plain", "attachment"),
        ("../../" + "\U0001f600" * 1000 + ".pdf", "application/pdf", "attachment"),
    ],
)
async def test_nothing_of_a_hostile_name_is_in_an_answer(
    real: tuple[TestClient, FileBlobs], name: str, media_type: str, disposition: str
) -> None:
    client, blobs = real
    stored = await blobs.save("files", name, "", body(b"<script>"))
    response = await client.get(f"/files/{stored}")
    headers = response.headers
    assert await response.read() == b"<script>"
    assert headers["Content-Type"] == media_type
    wanted = disposition if disposition == "inline" else f'attachment; filename="{stored}"'
    assert headers["Content-Disposition"] == wanted
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "Set-Cookie" not in headers
    assert "Content-Encoding" not in headers


async def test_a_head_has_what_a_get_has_but_for_the_body(
    real: tuple[TestClient, FileBlobs],
) -> None:
    client, blobs = real
    path = "/images/" + await blobs.save("images", "", "image/png", body(b"0123456789"))
    full, head = await client.get(path), await client.head(path)
    assert (head.status, head.headers["Content-Length"], await head.read()) == (200, "10", b"")
    for name in ("ETag", "Last-Modified", "Content-Type", "Cache-Control", "Accept-Ranges"):
        assert head.headers[name] == full.headers[name]
    part = await client.head(path, headers={"Range": "bytes=2-4"})
    assert (part.status, part.headers["Content-Length"]) == (206, "3")


async def test_a_date_serves_as_well_as_a_tag(real: tuple[TestClient, FileBlobs]) -> None:
    client, blobs = real
    path = "/images/" + await blobs.save("images", "", "image/png", body(b"0123456789"))
    date = (await client.get(path)).headers["Last-Modified"]
    response = await client.get(path, headers={"If-Modified-Since": date})
    assert (response.status, await response.read()) == (304, b"")
    resumed = {"Range": "bytes=5-", "If-Range": date}
    assert (await client.get(path, headers=resumed)).status == 206
    early = {"Range": "bytes=5-", "If-Range": "Mon, 01 Jan 2001 00:00:00 GMT"}
    assert (await client.get(path, headers=early)).status == 200


async def test_a_file_that_is_being_written_is_not_there_yet(
    real: tuple[TestClient, FileBlobs], tmp_path: Path
) -> None:
    client, blobs = real
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        has_begun.set()
        await may_end.wait()
        yield b"y"

    saving = asyncio.ensure_future(blobs.save("files", "a.txt", "", slow()))
    await has_begun.wait()
    (temporary,) = (tmp_path / "data" / "files").iterdir()
    stem = temporary.name.removeprefix(".").removesuffix(".part")
    for name in (temporary.name, stem, f"{stem}.part", f"{stem}.txt"):
        assert (await client.get(f"/files/{name}")).status == 404
    may_end.set()
    assert await saving == f"{stem}.txt"
    assert (await client.get(f"/files/{stem}.txt")).status == 200
    assert (await client.get(f"/files/{temporary.name}")).status == 404


@pytest.mark.parametrize("name", [".hidden", "%2e%2e", "a%5Cb", "%F0%9F%98%80", "x" * 5000])
async def test_odd_names_are_a_404_of_json(
    real: tuple[TestClient, FileBlobs], tmp_path: Path, name: str
) -> None:
    client, _ = real
    (tmp_path / "data" / "files").mkdir(parents=True)
    (tmp_path / "data" / "files" / ".hidden").write_text("secret")
    response = await client.get(URL(f"/files/{name}", encoded=True))
    assert response.status == 404
    assert (await response.json())["error"]["code"] == "not_found"
