from pathlib import Path

import pytest

from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, StoredBlob, Surroundings

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("prefix", ["secret", "/secret/", "a/b"])
async def test_the_api_moves_under_the_prefix_and_nothing_else_does(
    serve: Serve, around: Surroundings, tmp_path: Path, prefix: str
) -> None:
    stored = tmp_path / "a.png"
    stored.write_bytes(b"png")
    around.blobs["images", "a.png"] = StoredBlob(stored, "image/png", is_inline=True)
    client = await serve(server={"api_prefix": prefix})
    base = f"/{prefix.strip('/')}"
    statuses = {
        path: (await client.get(path)).status
        for path in (
            *("/v1/models", f"{base}/v1/models", f"{base}/v1/models/gpt-4o"),
            *("/healthz", f"{base}/healthz", "/", "/images/a.png", f"{base}/images/a.png"),
        )
    }
    assert statuses == {
        "/v1/models": 404,
        f"{base}/v1/models": 200,
        f"{base}/v1/models/gpt-4o": 200,
        "/healthz": 200,
        f"{base}/healthz": 404,
        "/": 200,
        "/images/a.png": 200,
        f"{base}/images/a.png": 200,
    }
    for path, status in (
        ("/v1/chat/completions", 404),
        (f"{base}/v1/chat/completions", 200),
        ("/getAccountID", 404),
        (f"{base}/getAccountID", 200),
    ):
        assert (await client.post(path, json=BODY, headers=BEARER)).status == status


async def test_a_word_among_ids_takes_its_own_methods_only(serve: Serve) -> None:
    client = await serve()
    response = await client.get("/v1/responses/compact", headers=BEARER)
    assert (response.status, response.headers["Allow"]) == (405, "POST")
    longer = await client.post("/v1/responses/compacted", headers=BEARER)
    assert (longer.status, longer.headers["Allow"]) == (405, "DELETE,GET,HEAD")
