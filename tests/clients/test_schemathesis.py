"""schemathesis against gateway and demo, by our own description of the API.

Two runs: requests that are right must be answered as described, for which `hooks.py` pins what is
known here only; requests that are wrong in one place must be refused. Neither may meet a 500,
whatever is in it. The seed is fixed. `SCHEMATHESIS_EXAMPLES=200 make test
ARGS="tests/clients/test_schemathesis.py"` looks further: so many cases for each operation in
place of a few, and all phases in both runs.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestServer

from handlers.openapi.endpoints import ENDPOINTS
from tests.clients.clients import INSTALLED
from tests.conftest import StartGateway
from tests.gateway import Gateway

FOLDER = Path(__file__).with_name("schemathesis")
BIN = INSTALLED / "sdk2" / "bin"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "")
SECONDS = 60 * int(EXAMPLES or 4)
KEY = "the-only-key-that-is-known"
BEARER = {"Authorization": f"Bearer {KEY}"}
QUICK = {"positive": ("fuzzing", "16"), "negative": ("coverage", "1")}
UNHEARD = {"createTranscription"}  # the bytes that stand for all files are a picture
UNSTREAMED = {
    "createImage",
    "createImageEdit",
    "createImageVariation",
}  # tests/handlers/images has those
ANSWERED = Counter[tuple[str, int, str]]

pytestmark = [
    pytest.mark.whole,
    pytest.mark.timeout(SECONDS + 360),
    pytest.mark.skipif(not BIN.is_dir(), reason="the clients are not installed"),
]


async def exchange(request: web.Request) -> web.Response:
    """Know one key, unlike the demo: so that it can be seen that all others are refused."""
    if (await request.post())["refresh_token"] == KEY:
        return web.json_response({"access_token": "fk-of-the-known-key", "expires_in": 86400})
    return web.json_response({"detail": "unknown"}, status=401)


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    app = web.Application()
    app.router.add_post("/", exchange)
    async with TestServer(app) as tokens:
        yield await start_gateway(
            demo,
            models={"gpt-4o": "gpt-4o"},
            tokens={"oaifree_url": str(tokens.make_url("/"))},
            upstream={"retries": 0, "streams_per_account": 0},
            stream={"head_seconds": 1},
            fetch={"allow_hosts": ["nowhere.test"]},  # what is made up shall not be looked for
        )


@pytest.fixture
async def environ(gateway: Gateway, tmp_path: Path) -> dict[str, str]:
    """What `hooks.py` reads: a file and a response that are there, and where to count answers."""
    form = FormData({"purpose": "user_data"})
    form.add_field("file", b"boats float", filename="boats.txt")
    asked = {"model": "gpt-4o", "input": "think about boats", "background": True}
    ids = {}
    for name, given in (("files", {"data": form}), ("responses", {"json": asked})):
        url = f"{gateway.url}/v1/{name}"
        async with gateway.session.post(url, headers=BEARER, **given) as response:
            ids[name] = str((await response.json())["id"])
    return {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "FILE_ID": ids["files"],
        "RESPONSE_ID": ids["responses"],
        "ANSWERS": str(tmp_path / "answers"),
        "SCHEMATHESIS_HOOKS": str(FOLDER / "hooks.py"),
    }


async def run(gateway: Gateway, mode: str, environ: dict[str, str], *operations: str) -> ANSWERED:
    """Run schemathesis; it fails with what it found. Returns what was answered how often."""
    phases, examples = ("coverage,fuzzing", EXAMPLES) if EXAMPLES else QUICK[mode]
    chosen = [f"--include-operation-id={one}" for one in operations]
    process = await asyncio.create_subprocess_exec(
        *(BIN / "schemathesis", f"--config-file={FOLDER / 'schemathesis.toml'}"),
        *("run", f"{gateway.url}/openapi.json", f"--header=Authorization: Bearer {KEY}"),
        *(f"--mode={mode}", f"--phases={phases}", f"--max-examples={examples}", "--seed=1"),
        *("--continue-on-failure", "--suppress-health-check=all", "--request-timeout=20"),
        *("--no-color", *chosen),
        cwd=environ["HOME"],
        env={**environ, "MODE": mode},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")
    return counted(Path(environ["ANSWERS"]))


def counted(answers: Path) -> ANSWERED:
    return Counter(tuple(json.loads(line)) for line in answers.read_text("utf-8").splitlines())


async def test_what_is_right_is_answered_as_it_is_described(
    gateway: Gateway, environ: dict[str, str]
) -> None:
    answered = await run(gateway, "positive", environ)
    asked = {operation for operation, _, _ in answered}
    assert asked == {each.id for each in ENDPOINTS} - {"getDescription"}  # which was read before
    through = {operation for operation, status, _ in answered if status == 200}
    assert through >= {each.id for each in ENDPOINTS if each.request} - UNHEARD
    streamed = {operation for operation, _, media in answered if media == "text/event-stream"}
    wanted = {each.id for each in ENDPOINTS if each.events} - UNHEARD - UNSTREAMED
    assert streamed >= wanted


async def test_what_is_wrong_in_one_place_is_refused(
    gateway: Gateway, environ: dict[str, str]
) -> None:
    able = [
        each.id
        for each in ENDPOINTS
        if each.request or any(one.place == "query" for one in each.parameters)
    ]
    answered = await run(gateway, "negative", environ, *able)
    refused = Counter[int]()
    for (_, status, _), count in answered.items():
        refused[status] += count
    assert refused[400] > 200
    assert refused[405] > len(able)
    assert 500 not in refused
