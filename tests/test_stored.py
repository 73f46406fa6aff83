"""Pictures and files of answers, from the upstream to whoever follows their links."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service import app as app_module
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


@asynccontextmanager
async def machine(upstream: str, folder: Path, storage: dict[str, str]) -> AsyncIterator[Gateway]:
    """Run a gateway whose `data/` is its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "DATA", folder)
        async with running_gateway(upstream, folder, storage=storage) as gateway:
            yield gateway
