"""A full disk under the whole gateway: reported as such, nothing left behind, and soon forgotten.

The gateway is a process of its own. Its full disk is `RLIMIT_FSIZE`, set from here: no file may
grow beyond it, so each write fails as on a full disk, those to state, log and standard error
included, and no special rights are needed. Only the error's number differs (EFBIG, not ENOSPC), and
service/files/disk.py handles both.
"""

import asyncio
import json
import re
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, FormData, web

from tests.gateway import running_demo
from tests.service.program.gateway_process import GatewayProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEARER = {"Authorization": "Bearer fk-full"}
ROOM, NONE = resource.RLIM_INFINITY, 0
SAID = "The file could not be stored: this server has no room for it"


@dataclass
class Machine:
    """A gateway, the directory of all its files, and a caller."""

    process: GatewayProcess
    url: str
    folder: Path
    session: ClientSession

    @contextmanager
    def full(self, limit_bytes: int = NONE) -> Iterator[None]:
        """Limit the size of files for the block; afterwards the same files must exist as before."""
        before = self.files
        pid = self.process.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit_bytes, ROOM))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (ROOM, ROOM))
        assert self.files == before

    @property
    def files(self) -> set[str]:
        """Return all stored files, unfinished ones included."""
        data = self.folder / "data"
        folders = (data / name for name in ("images", "files", "uploads"))
        return {str(path) for root in folders for path in root.rglob("*") if path.is_file()}

    async def post(self, path: str, body: Any) -> tuple[int, Any, Any]:
        """Return status, headers and body."""
        given = {"json": body} if isinstance(body, dict) else {"data": body}
        url = f"{self.url}/v1/{path}"
        async with self.session.post(url, headers=BEARER, **given) as response:
            return response.status, response.headers, json.loads(await response.read())

    async def chat(self, content: Any, **fields: Any) -> tuple[int, Any, Any]:
        message = {"role": "user", "content": content}
        return await self.post(
            "chat/completions", {"model": "gpt-4o", "messages": [message]} | fields
        )

    async def get(self, link: str) -> bytes:
        async with self.session.get(link, headers=BEARER) as response:
            assert response.status == 200
            return await response.read()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    """One for all tests: each finds it with room on its disk."""
    folder = tmp_path_factory.mktemp("machine")
    async with running_demo() as demo:
        settings = {
            "server": {"host": "127.0.0.1", "port": 0, "drain_seconds": 1},
            "upstream": {"base_url": demo},
            "fetch": {"allow_private": True},
        }
        (folder / "config.yaml").write_text(json.dumps(settings))
        process = GatewayProcess(folder, "-m", "service")
        try:
            url = await asyncio.to_thread(process.address)
            async with ClientSession() as session:
                yield Machine(process, url, folder, session)
        finally:
            process.close()


def form(content: bytes) -> FormData:
    data = FormData()
    data.add_field("purpose", "user_data")
    data.add_field("file", content, filename="a.txt")
    return data


def texts_of(stream: bytes) -> str:
    """Return the text of a stream that ended properly."""
    lines = [line.removeprefix(b"data: ") for line in stream.split(b"\n\n") if line[:1] == b"d"]
    assert lines.pop() == b"[DONE]"
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_an_answer_keeps_its_text_and_says_why_it_has_no_picture(machine: Machine) -> None:
    for question, link in (("draw two boats of 64x64", "![image]("), ("make report.csv", "](http")):
        with machine.full():
            status, _, reply = await machine.chat(question)
            body = {"model": "gpt-4o", "stream": True}
            body["messages"] = [{"role": "user", "content": question}]
            url = f"{machine.url}/v1/chat/completions"
            async with machine.session.post(url, json=body, headers=BEARER) as response:
                streamed = texts_of(await response.read())
        assert status == 200
        assert reply["choices"][0]["finish_reason"] == "stop"
        for text in (reply["choices"][0]["message"]["content"], streamed):
            assert "demo" in text.lower()
            assert f"\n```\nError: {SAID}" in text
            assert "http://" not in text
        assert "x_images" not in reply
        assert "x_files" not in reply

        _, _, reply = await machine.chat(question)  # the disk has room again
        text = reply["choices"][0]["message"]["content"]
        assert link in text
        found = re.search(r"http://[^\s)]+", text)
        assert found
        assert await machine.get(found[0])


async def test_a_picture_on_order_is_a_507_that_nobody_tries_again(machine: Machine) -> None:
    order = {"prompt": "two boats", "size": "64x64"}
    for wanted in ("url", "b64_json"):
        with machine.full():
            status, headers, reply = await machine.post(
                "images/generations", order | {"response_format": wanted}
            )
        assert (status, headers["x-should-retry"]) == (507, "false")
        error = reply["error"]
        assert set(error) == {"message", "type", "param", "code", "partial"}
        assert (error["type"], error["code"]) == ("server_error", "insufficient_storage")
        assert error["message"].startswith(f"The picture was drawn but could not be had: {SAID}")
        assert error["partial"]
    status, _, reply = await machine.post("images/generations", order)
    assert status == 200
    assert (await machine.get(reply["data"][0]["url"])).startswith(b"\x89PNG")


@pytest.mark.parametrize("size", [10, 300_000])
async def test_an_upload_is_refused_and_leaves_nothing(machine: Machine, size: int) -> None:
    for room in (NONE, size // 2):
        with machine.full(room):
            status, headers, reply = await machine.post("files", form(bytes(size)))
        assert (status, headers["x-should-retry"]) == (507, "false")
        assert reply["error"]["code"] == "insufficient_storage"
        assert reply["error"]["message"].startswith(SAID)
    status, _, made = await machine.post("files", form(b"hello"))
    assert status == 200
    assert await machine.get(f"{machine.url}/v1/files/{made['id']}/content") == b"hello"


async def test_a_chat_with_a_file_that_finds_no_room_is_refused(machine: Machine) -> None:
    async def give(_: web.Request) -> web.Response:
        return web.Response(body=b"%PDF-1.4 " + bytes(5000))

    site = web.Application()
    site.router.add_get("/a.pdf", give)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    link = f"http://127.0.0.1:{runner.addresses[0][1]}/a.pdf"
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": link}},
    ]
    try:
        with machine.full():
            status, _, reply = await machine.chat(parts)
        assert (status, reply["error"]["code"]) == (507, "insufficient_storage")
        assert (await machine.chat(parts))[0] == 200
    finally:
        await runner.cleanup()


async def test_everything_else_goes_on(machine: Machine) -> None:
    with machine.full():
        for _ in range(3):
            assert (await machine.chat("6*7"))[0] == 200
        async with machine.session.get(f"{machine.url}/healthz") as response:
            assert response.status == 200
    assert machine.process.process.poll() is None
