from pathlib import Path

import pytest

from tests.handlers.conftest import Serve
from tests.handlers.scripted import StoredBlob, Surroundings


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
async def test_links_that_expire_are_not_kept_longer_or_by_others(serve: Serve) -> None:
    response = await (await serve(files={"link_seconds": 60})).get("/images/a1.png")
    assert response.headers["Cache-Control"] == "private, max-age=60, immutable"
