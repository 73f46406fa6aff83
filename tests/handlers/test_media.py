import re
from pathlib import Path

import pytest

from storage.link_signer import LinkSigner
from tests.handlers.conftest import Serve
from tests.handlers.scripted import SECRET, StoredBlob, Surroundings


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
        assert "Cache-Control" not in response.headers
        answers.add((await response.text()).replace("none", "a1"))
    assert len(answers) == 1
