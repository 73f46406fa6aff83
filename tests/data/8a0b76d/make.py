"""Makes what is beside this file: what a gateway of commit 8a0b76d left behind. Run in that commit's tree.

    git worktree add --detach TREE 8a0b76d
    PYTHONPATH=TREE python tests/data/8a0b76d/make.py tests/data/8a0b76d

All tokens are made up. `sqlite/` is a data directory with its secret and its keys, `redis.json`
what Redis had (values in base64), with the same secret and keys. `facts.json` tells what callers
were told. Two workers ran; they were killed with a turn open, so that their leases are there.
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, FormData
from redis import Redis
from tests.service.gateway_process import GatewayProcess

from tests.redis_server import running_redis
from tests.scripted_upstream import DONE, STALL, final, scripted_upstream
from tests.upstream.token_services import running_token_service

REFRESH = "a-made-up-refresh-token-of-8a0b76d"
ACCOUNTS = {"plain": REFRESH, "team": f"{REFRESH},team-77"}
DAYS = 36_500  # so that the files do not end before their test does
TEXT = "left by an earlier version"


async def main(folder: Path) -> None:
    facts = {}
    facts["sqlite"] = await made(folder, "sqlite:data/state.db", None)
    with running_redis() as server:
        facts["redis"] = await made(folder, server.url, server.url)
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


async def made(folder: Path, state: str, redis: str | None) -> dict[str, Any]:
    kind = "redis" if redis else "sqlite"
    with tempfile.TemporaryDirectory() as place:
        facts = await played(Path(place), state)
        if redis is None:
            with closing(sqlite3.connect(f"{place}/data/state.db")) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.execute("VACUUM")
        else:
            (folder / "redis.json").write_text(json.dumps(dumped(redis), indent=1) + "\n")
        shutil.rmtree(folder / kind, ignore_errors=True)
        ignored = shutil.ignore_patterns("*-shm", "*-wal", "*.lock")
        shutil.copytree(f"{place}/data", folder / kind, ignore=ignored)
    return facts


def dumped(url: str) -> dict[str, Any]:
    """Return what Redis has, without when it ends."""
    found: dict[str, Any] = {}
    with Redis.from_url(url) as client:
        for key in sorted(client.keys("*")):
            if client.type(key) == b"hash":
                pairs = client.hgetall(key).items()
                found[key.decode()] = {name.decode(): value.decode() for name, value in pairs}
            else:
                found[key.decode()] = base64.b64encode(client.get(key)).decode()
    return found


async def played(place: Path, state: str) -> dict[str, Any]:
    async with scripted_upstream() as upstream, running_token_service() as service:
        service.is_rotating, service.life_seconds = True, 60
        upstream.plays(final("An answer of 8a0b76d."), DONE)
        settings = {
            "server": {"host": "127.0.0.1", "port": 0, "workers": 2, "keys_file": "data/keys.json"},
            "upstream": {"base_url": upstream.url},
            "tokens": {"oaifree_url": f"{service.url}/refresh"},
            "files": {"keep_days": DAYS},
            "storage": {"state": state},
        }
        (place / "config.yaml").write_text(json.dumps(settings))
        process = GatewayProcess(place, "-m", "service")
        try:
            address = await asyncio.to_thread(process.address)
            key = await asyncio.to_thread(add_key, place)
            facts = await asked(address, {**ACCOUNTS, "key": key})
            upstream.scripts.clear()
            upstream.plays(STALL)
            count = len(upstream.turns)
            async with ClientSession() as session:
                stuck = asyncio.create_task(chat(session, address, REFRESH))
                while len(upstream.turns) == count:  # noqa: ASYNC110 - it is another process's
                    await asyncio.sleep(0.05)
                kill_all(process.process.pid)
                await asyncio.gather(stuck, return_exceptions=True)
        finally:
            process.close()
        facts["rotated"] = f"rotated-token-number-{len(service.calls)}"
        return facts


def kill_all(parent: int) -> None:
    """Kill a process with its children, the workers and all."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in (*map(int, children), parent):
        os.kill(child, signal.SIGKILL)


def add_key(place: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "service", "keys", "add", "bot"],
        cwd=place,
        input=REFRESH,
        capture_output=True,
        text=True,
        check=True,
    )
    return next(word for word in done.stdout.split() if word.startswith("sk-gw-"))


async def asked(address: str, tokens: dict[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"tokens": tokens, "responses": {}, "files": {}}
    async with ClientSession() as session:
        for name, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            body = {"model": "gpt-4o", "input": f"Hello from {name}"}
            async with session.post(
                f"{address}/v1/responses", json=body, headers=headers
            ) as response:
                facts["responses"][name] = (await response.json())["id"]
            form = FormData({"purpose": "user_data"})
            form.add_field("file", f"{TEXT}: {name}".encode(), filename=f"{name}.txt")
            async with session.post(f"{address}/v1/files", data=form, headers=headers) as response:
                facts["files"][name] = (await response.json())["id"]
    return facts


async def chat(session: ClientSession, address: str, token: str) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post(
        f"{address}/v1/chat/completions", json=body, headers=headers
    ) as response:
        await response.read()


asyncio.run(main(Path(sys.argv[1]).resolve()))
