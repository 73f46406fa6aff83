"""Pictures and files of answers, from the upstream to whoever follows their links."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp import FormData

from service.program import assembly as app_module
from tests.conftest import StartGateway
from tests.gateway import Gateway, running_gateway
from tests.s3_server import BUCKET, running_s3

LINK = re.compile(r"http://[^\s)]+")


async def test_links_that_expire_are_signed_in_text_and_data(
    demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo, files={"link_seconds": 60})
    for question, field in (("draw two boats", "x_images"), ("make report.csv", "x_files")):
        reply = await gateway.chat(question)
        links = [*LINK.findall(reply.text), *(one["url"] for one in reply.json[field])]
        assert len(links) >= 2
        assert len(set(links)) == 1
        for link, status in ((links[0], 200), (links[0].partition("?")[0], 404)):
            async with gateway.session.get(link) as response:
                assert response.status == status


async def test_a_second_machine_serves_what_the_first_has_stored_in_a_bucket(
    demo: str, tmp_path: Path
) -> None:
    with running_s3():
        storage = {"blobs": f"s3://{BUCKET}/gateway"}
        async with (
            machine(demo, tmp_path / "one", storage) as first,
            machine(demo, tmp_path / "two", storage) as second,
        ):
            reply = await first.chat("draw two boats of 64x64")
            (picture,) = reply.json["x_images"]
            link = picture["url"].replace(first.url, second.url)
            for headers, status in (({}, 200), ({"Range": "bytes=1-3"}, 206)):
                async with second.session.get(link, headers=headers) as response:
                    assert response.status == status
                    assert b"PNG" in await response.read()


async def test_a_file_left_on_one_machine_is_used_and_deleted_on_another(
    demo: str, tmp_path: Path
) -> None:
    content = b"the word of the day is kingfisher " * 200_000  # two parts of an upload
    form = FormData({"purpose": "user_data"})
    form.add_field("file", BytesIO(content), filename="words.txt", content_type="text/plain")
    with running_s3():
        storage = {"blobs": f"s3://{BUCKET}/gateway"}
        async with (
            machine(demo, tmp_path / "one", storage) as first,
            machine(demo, tmp_path / "two", storage) as second,
        ):
            ada, bob = Caller(second, "fk-ada"), Caller(second, "fk-bob")
            status, raw = await Caller(first, "fk-ada").call("POST", "files", data=form)
            assert status == 200
            made = json.loads(raw)
            path = f"files/{made['id']}"

            assert json.loads((await ada.call("GET", path))[1]) == made
            assert json.loads((await ada.call("GET", "files"))[1])["data"] == [made]
            status, raw = await ada.call("GET", f"{path}/content")
            assert (status, len(raw), sha256(raw)) == (200, len(content), sha256(content))
            ranged = {"Range": "bytes=4-7"}
            assert await ada.call("GET", f"{path}/content", headers=ranged) == (206, b"word")
            status, raw = await ada.call("POST", "chat/completions", json=naming(made["id"]))
            assert status == 200
            assert b"words.txt" in raw

            assert json.loads((await bob.call("GET", "files"))[1])["data"] == []
            for method, end in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
                assert (await bob.call(method, path + end))[0] == 404
            asked = await bob.call("POST", "chat/completions", json=naming(made["id"]))
            assert asked[0] == 400

            assert (await ada.call("DELETE", path))[0] == 200
            assert (await Caller(first, "fk-ada").call("GET", path))[0] == 404
            assert (await ada.call("GET", f"{path}/content"))[0] == 404
    assert below(tmp_path) == []


async def test_a_bucket_that_dies_costs_pictures_and_files_and_nothing_else(
    demo: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        with running_s3():
            storage = {"blobs": f"s3://{BUCKET}/gateway"}
            gateway = await stack.enter_async_context(machine(demo, tmp_path, storage))
            picture = (await gateway.chat("draw two boats of 64x64")).json["x_images"][0]["url"]
        reply = await gateway.chat("draw two boats of 64x64")
        assert (reply.status, reply.finish) == (200, "stop")
        assert "\n```\nError: The store of pictures and files is out of order" in reply.text
        assert "http" not in reply.text
        assert (await gateway.chat("6*7")).finish == "stop"
        ada = Caller(gateway, "fk-ada")
        form = FormData({"purpose": "user_data"})
        form.add_field("file", BytesIO(b"hello"), filename="words.txt")
        answers = [
            await ada.call("POST", "files", data=form),
            await ada.call("GET", "files"),
            await ada.call("GET", "files/file-" + "a" * 24),
            await ada.call("POST", "images/generations", json={"prompt": "boats", "size": "64x64"}),
        ]
        for status, raw in answers:
            error = json.loads(raw)["error"]
            assert (status, error["code"]) == (500, "storage_error")
        async with gateway.session.get(picture) as response:
            assert response.status == 500
        async with gateway.session.get(f"{gateway.url}/readyz") as response:
            told = await response.json()
            assert response.status == 503
        assert told["checks"]["blobs"] == "the bucket of pictures and files cannot be read"
    assert below(tmp_path) == []


@dataclass
class Caller:
    """A caller with a key, and one of the gateways."""

    gateway: Gateway
    key: str

    async def call(
        self, method: str, path: str, headers: Mapping[str, str] = MappingProxyType({}), **body: Any
    ) -> tuple[int, bytes]:
        """Return the status and the body."""
        url, bearer = f"{self.gateway.url}/v1/{path}", {"Authorization": f"Bearer {self.key}"}
        async with self.gateway.session.request(
            method, url, headers={**bearer, **headers}, **body
        ) as response:
            return response.status, await response.read()


def naming(file_id: str) -> dict[str, Any]:
    parts = [
        {"type": "text", "text": "What is in it?"},
        {"type": "file", "file": {"file_id": file_id}},
    ]
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": parts}]}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def below(folder: Path) -> list[str]:
    """Return the pictures, files and uploads on the disks of all machines."""
    kept = ("images", "files", "uploads")
    return [str(path) for path in folder.rglob("*") if path.is_file() and {*kept} & {*path.parts}]


@asynccontextmanager
async def machine(upstream: str, folder: Path, storage: dict[str, str]) -> AsyncIterator[Gateway]:
    """Run a gateway with its own `data/`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "DATA", folder)
        async with running_gateway(upstream, folder, storage=storage) as gateway:
            yield gateway
