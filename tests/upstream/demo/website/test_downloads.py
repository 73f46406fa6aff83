"""Giving files."""

import re
from io import BytesIO
from typing import Any
from urllib.parse import quote

from PIL import Image

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import BEARER, Stream


def id_of(stream: Stream) -> str:
    return stream.typed("message_stream_complete")[0]["conversation_id"]


async def sandbox(asker: Asker, stream: Stream, path: str) -> Any:
    message_id = stream.answers()[0]["id"]
    return await asker.get(
        f"/backend-api/conversation/{id_of(stream)}/interpreter/download"
        f"?message_id={message_id}&sandbox_path={quote(path, safe='')}"
    )


async def fetch(asker: Asker, url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    if url.startswith("/"):
        url = asker.base + url
    async with asker.session.get(url, headers=headers) as response:
        return response.status, await response.read()


async def test_a_sandbox_file_has_a_signed_link_that_refuses_a_bearer(asker: Asker) -> None:
    stream = await asker.ask("make report.csv")
    link = await sandbox(asker, stream, "/mnt/data/report.csv")
    assert (link["status"], link["file_name"]) == ("success", "report.csv")
    assert not link["download_url"].startswith(asker.base)
    assert (await fetch(asker, link["download_url"]))[1].startswith(b"month,boats")
    assert (await fetch(asker, link["download_url"], BEARER))[0] == 403
    stats = await asker.stats()
    assert (stats["downloads"], stats["bearer_on_foreign_download"]) == (1, 1)


async def test_a_sandbox_path_belongs_to_its_message(asker: Asker) -> None:
    first, second = [await asker.ask("make report.csv") for _ in range(2)]
    other = f"?message_id={second.answers()[0]['id']}&sandbox_path=/mnt/data/report.csv"
    path = f"/backend-api/conversation/{id_of(first)}/interpreter/download{other}"
    assert (await asker.get(path))["error_code"] == "file_not_found"


async def test_without_a_second_name_a_signed_link_takes_the_bearer(asker: Asker) -> None:
    stream = await asker.ask("make report.csv")
    link = await sandbox(asker, stream, "/mnt/data/report.csv")
    headers = {**BEARER, "Host": "demo:9100"}
    assert (await fetch(asker, link["download_url"], headers))[0] == 200


async def test_words_of_a_path_choose_its_faults(asker: Asker) -> None:
    expired = await asker.ask("make expired.csv")
    link = await sandbox(asker, expired, "/mnt/data/expired.csv")
    assert link["error_code"] == "ace_pod_expired"
    retried = await asker.ask("make retry.csv")
    assert (await sandbox(asker, retried, "/mnt/data/retry.csv")) == {"status": "retry"}
    assert (await sandbox(asker, retried, "/mnt/data/retry.csv"))["status"] == "success"
    unknown = await sandbox(asker, retried, "/mnt/data/other.csv")
    assert unknown["error_code"] == "file_not_found"


async def test_a_hidden_conversation_gives_no_files(asker: Asker) -> None:
    stream = await asker.ask("make report.csv")
    url = f"{asker.base}/backend-api/conversation/{id_of(stream)}"
    await asker.session.patch(url, json={"is_visible": False}, headers=BEARER)
    message_id = stream.answers()[0]["id"]
    await asker.get(
        f"/backend-api/conversation/{id_of(stream)}/interpreter/download"
        f"?message_id={message_id}&sandbox_path=/mnt/data/report.csv",
        status=404,
    )


async def test_a_classic_picture_is_a_png_behind_a_signed_link(asker: Asker) -> None:
    stream = await asker.ask("draw a boat 128x64")
    pointer = re.search(r"file-service://(file-\w{24})", str(stream.messages))[1]
    link = await asker.get(f"/backend-api/files/{pointer}/download")
    status, content = await fetch(asker, link["download_url"])
    assert status == 200
    assert Image.open(BytesIO(content)).size == (128, 64)
    missing = f"/backend-api/conversation/{id_of(stream)}/attachment/{pointer}/download"
    assert (await asker.get(missing))["error_code"] == "file_not_found"


async def test_a_native_picture_is_behind_a_link_that_wants_the_bearer(asker: Asker) -> None:
    seen = set()
    while len(seen) < 2:  # both forms come, by chance
        stream = await asker.ask("natively draw a boat 64x64")
        pointer = re.search(r"sediment://(file_\w{32})", str(stream.messages))[1]
        path = f"/backend-api/conversation/{id_of(stream)}/attachment/{pointer}/download"
        url = (await asker.get(path))["download_url"]
        seen.add(url.startswith("/"))
        assert (await fetch(asker, url))[0] == 403
        status, content = await fetch(asker, url, BEARER)
        assert (status, Image.open(BytesIO(content)).format) == (200, "PNG")
        other = await asker.get(f"/backend-api/files/download/{pointer}?inline=false")
        assert other["status"] == "success"
        classic = await asker.get(f"/backend-api/files/{pointer}/download")
        assert classic["error_code"] == "file_not_found"


async def test_files_of_others_are_not_found(asker: Asker) -> None:
    stream = await asker.ask("draw a boat 64x64")
    pointer = re.search(r"file-service://(file-\w{24})", str(stream.messages))[1]
    url = f"{asker.base}/backend-api/files/{pointer}/download"
    other = {**BEARER, "ChatGPT-Account-ID": "other"}
    async with asker.session.get(url, headers=other) as response:
        assert (await response.json())["error_code"] == "file_not_found"
