"""Taking files."""

import json
from typing import Any

import pytest

from tests.upstream.demo.conftest import Asker, user
from tests.upstream.demo.reading import BEARER

FILES = "/backend-api/files"


async def announce(asker: Asker, size: int, use_case: str = "multimodal") -> dict[str, Any]:
    body = {"file_name": "notes.txt", "file_size": size, "use_case": use_case}
    async with asker.post(FILES, body) as response:
        assert response.status == 200
        return await response.json()


async def put(asker: Asker, url: str, content: bytes, **headers: str) -> int:
    headers = {"Content-Type": "text/plain", "x-ms-blob-type": "BlockBlob", **headers}
    async with asker.session.put(url, data=content, headers=headers) as response:
        return response.status


async def confirm(asker: Asker, file_id: str) -> dict[str, Any]:
    async with asker.post(f"{FILES}/{file_id}/uploaded", {}) as response:
        return {"http": response.status, **await response.json()}


async def test_three_steps_make_a_file(asker: Asker) -> None:
    made = await announce(asker, 5)
    assert await put(asker, made["upload_url"], b"hello") == 201
    done = await confirm(asker, made["file_id"])
    assert done["status"] == "success"
    async with asker.session.get(done["download_url"]) as response:
        assert (await response.read(), response.content_type) == (b"hello", "text/plain")
    message = user("what is it?")
    message["metadata"] = {"attachments": [{"id": made["file_id"], "name": "notes.txt"}]}
    stream = await asker.ask("", messages=[message])
    assert f"notes.txt ({made['file_id']}, 5 bytes)" in stream.text
    assert (await asker.stats())["uploads"] == 1


async def test_a_bearer_at_the_upload_address_is_refused_and_counted(asker: Asker) -> None:
    made = await announce(asker, 5)
    assert await put(asker, made["upload_url"], b"hello", **BEARER) == 403
    assert (await asker.stats())["bearer_on_foreign_upload"] == 1
    assert (await confirm(asker, made["file_id"]))["error_code"] == "no_content"


async def test_a_wrong_size_is_not_confirmed(asker: Asker) -> None:
    made = await announce(asker, 6)
    await put(asker, made["upload_url"], b"hello")
    assert (await confirm(asker, made["file_id"]))["error_code"] == "file_size_mismatch"


async def test_another_account_cannot_confirm_it(asker: Asker) -> None:
    made = await announce(asker, 5)
    await put(asker, made["upload_url"], b"hello")
    url = f"{asker.base}{FILES}/{made['file_id']}/uploaded"
    other = {**BEARER, "ChatGPT-Account-ID": "other"}
    async with asker.session.post(url, json={}, headers=other) as response:
        assert response.status == 404
    assert (await confirm(asker, "file-unknown"))["http"] == 404


async def test_documents_are_indexed_after_two_polls(asker: Asker) -> None:
    made = await announce(asker, 5, "my_files")
    await put(asker, made["upload_url"], b"hello")
    await confirm(asker, made["file_id"])
    polls = [await asker.get(f"{FILES}/{made['file_id']}") for _ in range(3)]
    assert [one["retrieval_index_status"] for one in polls] == [
        "in_progress",
        "in_progress",
        "success",
    ]
    assert polls[2]["file_token_size"] == 2


async def test_one_step_confirms_and_indexes(asker: Asker) -> None:
    made = await announce(asker, 5, "my_files")
    body = {"file_id": made["file_id"], "file_name": "notes.txt", "use_case": "my_files"}
    path = f"{FILES}/process_upload_stream"
    async with asker.post(path, body) as response:
        assert json.loads(await response.text())["event"] == "file.processing.failed"
    await put(asker, made["upload_url"], b"hello")
    async with asker.post(path, body) as response:
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert lines[-1]["event"] == "file.processing.completed"
    ready = await asker.get(f"{FILES}/{made['file_id']}")
    assert ready["retrieval_index_status"] == "success"
    simple = await asker.get(f"{FILES}/{made['file_id']}/simple")
    assert simple == {"file_name": "notes.txt", "mime_type": "text/plain"}


@pytest.mark.parametrize("missing", ["file_name", "file_size", "use_case"])
async def test_all_three_fields_are_needed(asker: Asker, missing: str) -> None:
    body = {"file_name": "a", "file_size": 1, "use_case": "multimodal"}
    del body[missing]
    async with asker.post(FILES, body) as response:
        assert response.status == 422
