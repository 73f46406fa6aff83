"""Whether hostile callers and answers make honest callers wait.

    python -m bench.hostile [--scenes links bodies …]

The gateway is a process of its own. Its upstream and its token service run here and send what an
attacker would have them send. While each scene runs, `/healthz` is polled and an honest caller
chats; the figures are the longest wait of each, and how much the process grew. The scene `names`
gives the gateway an /etc/resolv.conf with a name server that never answers, in a mount namespace:
it needs Linux and root, and is skipped elsewhere.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import uvloop
from aiohttp import ClientSession, ClientTimeout, FormData, web

from bench.memory import MEBIBYTE, serving
from bench.processes import Contestant, gateway

BODY_BYTES, UNSENT_BYTES, BODIES = 33_000_000, 100_000, 40
STORE = 100 * MEBIBYTE
LINK = "](sandbox:/"
_POLL_SECONDS = 0.05
_HONEST = "fk-honest"
Scene = Callable[[str, ClientSession], Awaitable[str]]

# --- the upstream ---------------------------------------------------------------------


def _message(text: str, **metadata: object) -> bytes:
    message = {
        "id": "5b0c7c1e-0000-4000-8000-000000000001",
        "author": {"role": "assistant", "name": None, "metadata": {}},
        "content": {"content_type": "text", "parts": [text]},
        "status": "in_progress" if metadata.pop("is_growing", False) else "finished_successfully",
        "end_turn": True,
        "metadata": {"message_type": "next", "model_slug": "gpt-4o", **metadata},
        "recipient": "all",
    }
    return b"data: " + json.dumps({"message": message, "conversation_id": "c1"}).encode() + b"\n\n"


def _cited(number: int) -> bytes:
    """Return an answer with that many citations, each with an event of its own."""
    marks = [f"word \ue200cite\ue202turn0search{index}\ue201" for index in range(number)]
    events = [
        _message(
            " ".join(marks[: index + 1]),
            is_growing=index + 1 < number,
            content_references=[
                {
                    "matched_text": mark.removeprefix("word "),
                    "type": "grouped_webpages",
                    "items": [{"title": f"Page {at}", "url": f"https://example.com/{at}"}],
                    "alt": f"([page {at}](https://example.com/{at}))",
                }
                for at, mark in enumerate(marks[: index + 1])
            ],
        )
        for index in range(number)
    ]
    return b"".join(events)


def _answers() -> dict[str, Callable[[], bytes]]:
    return {
        "links": lambda: _message(LINK * 3000),
        "fence": lambda: _message("```json\n{" + " " * 40_000),
        "citations": lambda: _cited(400),
        "hello": lambda: _message("Hello"),
    }


async def _turn(request: web.Request) -> web.Response:
    body = await request.json()
    asked = body["messages"][-1]["content"]["parts"][-1].split()[0]
    answer = _answers().get(asked, _answers()["hello"])() + b"data: [DONE]\n\n"
    return web.Response(body=answer, content_type="text/event-stream")


async def _refusal(_request: web.Request) -> web.Response:
    return web.json_response({"error": {"message": "eyJ" * 21_000}}, status=401)


async def _models(request: web.Request) -> web.Response:
    """Accept the honest caller's token only."""
    is_good = request.headers.get("Authorization", "") == f"Bearer {_HONEST}"
    return web.json_response({"models": []} if is_good else {}, status=200 if is_good else 401)


async def _nothing(_request: web.Request) -> web.Response:
    return web.json_response({})


def upstream() -> web.Application:
    """Return an application that is both the upstream and the token service."""
    app = web.Application(client_max_size=64 * MEBIBYTE)
    app.router.add_post("/backend-api/conversation", _turn)
    app.router.add_post("/api/auth/refresh", _refusal)
    app.router.add_get("/backend-api/models", _models)
    app.router.add_route("*", "/{rest:.*}", _nothing)
    return app


# --- scenes -----------------------------------------------------------------------------


async def _chat(session: ClientSession, address: str, text: str, token: str, **more: object) -> int:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post(
        f"{address}/v1/chat/completions", json=body, headers=headers
    ) as response:
        await response.read()
        return response.status


async def _links(address: str, session: ClientSession) -> str:
    status = await _chat(session, address, "links", "fk-hostile")
    return f"33 KB of `{LINK}`: {status}"


async def _fence(address: str, session: ClientSession) -> str:
    wanted = {"type": "json_object"}
    status = await _chat(session, address, "fence", "fk-hostile", response_format=wanted)
    return f"a fence and 40,000 blanks: {status}"


async def _citations(address: str, session: ClientSession) -> str:
    return f"400 citations: {await _chat(session, address, 'citations', 'fk-hostile')}"


async def _refused(address: str, session: ClientSession) -> str:
    return (
        f"63 KB of `eyJ` from the token service: {await _chat(session, address, 'x', 'rt-hostile')}"
    )


async def _names(address: str, session: ClientSession) -> str:
    async def one(number: int) -> int:
        url = f"http://name-{number}.example.com/a.png"
        part = {"type": "image_url", "image_url": {"url": url}}
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": [part]}]}
        headers = {"Authorization": f"Bearer fk-hostile-{number}"}
        async with session.post(
            f"{address}/v1/chat/completions", json=body, headers=headers
        ) as response:
            return response.status

    statuses = await asyncio.gather(*map(one, range(20)))
    return f"20 names that nobody answers for: {_tally(statuses)}"


async def _bodies(address: str, _session: ClientSession) -> str:
    statuses = await asyncio.gather(*(_unfinished(address, number) for number in range(BODIES)))
    return f"{BODIES} bodies, {BODY_BYTES - UNSENT_BYTES} of {BODY_BYTES} bytes: {_tally(statuses)}"


async def _unfinished(address: str, number: int) -> str:
    """Send a body except its end; return the status of the answer, waiting up to 90 seconds."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer fk-{number}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    )
    writer.write(head.encode())

    async def send() -> None:
        block = b" " * MEBIBYTE
        for start in range(0, BODY_BYTES - UNSENT_BYTES, len(block)):
            writer.write(block[: BODY_BYTES - UNSENT_BYTES - start])
            await writer.drain()

    sending = asyncio.ensure_future(send())
    try:
        async with asyncio.timeout(90):
            line = await reader.readline()
        return line.split()[1].decode() if line else "closed"
    except (TimeoutError, ConnectionError):
        return "open"
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await sending
        writer.close()


async def _uploads(address: str, session: ClientSession) -> str:
    """Fill the store with files of made-up tokens, after an honest caller has left one."""
    status, kept = await _upload(address, session, _HONEST, 1000)
    statuses = [
        (await _upload(address, session, f"fk-hostile-{n}", 5_000_000))[0] for n in range(40)
    ]
    url, headers = f"{address}/v1/files/{kept}", {"Authorization": f"Bearer {_HONEST}"}
    async with session.get(url, headers=headers) as response:
        found = response.status
    return f"40 uploads of 5 MB: {_tally(statuses)}; the honest one: {status}, then {found}"


async def _upload(address: str, session: ClientSession, token: str, size: int) -> tuple[int, str]:
    form = FormData({"purpose": "user_data"})
    form.add_field("file", bytes(size), filename="a.bin")
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post(f"{address}/v1/files", data=form, headers=headers) as response:
        return response.status, (await response.json()).get("id", "")


def _tally(values: list[object]) -> str:
    counts = {value: values.count(value) for value in dict.fromkeys(values)}
    return ", ".join(f"{number} times {value}" for value, number in counts.items())


SCENES: dict[str, Scene] = {
    "links": _links,
    "fence": _fence,
    "citations": _citations,
    "refused": _refused,
    "names": _names,
    "bodies": _bodies,
    "uploads": _uploads,
}

# --- figures ------------------------------------------------------------------------------


@asynccontextmanager
async def watched(ask: Callable[[], Awaitable[int]]) -> AsyncIterator[list[float]]:
    """Poll beside the block; the value is the list of waits in seconds."""
    waits: list[float] = []

    async def go_on() -> None:
        while True:
            began = time.perf_counter()
            waits.append(0.0)
            try:
                status = await ask()
            finally:
                waits[-1] = time.perf_counter() - began  # also when the call is cancelled
            assert status == 200, f"an honest caller got {status}"
            await asyncio.sleep(_POLL_SECONDS)

    task = asyncio.ensure_future(go_on())
    try:
        yield waits
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.wait([task])


async def play(name: str, running: Contestant, folder: Path) -> None:
    """Run one scene and print its line."""
    address = f"http://{running.target.host}:{running.target.port}"
    running.forget_peak()
    before = running.resident_bytes()
    async with ClientSession(timeout=ClientTimeout(300)) as session:

        async def health() -> int:
            async with session.get(f"{address}/healthz") as response:
                return response.status

        async def chat() -> int:
            return await _chat(session, address, "hello", _HONEST)

        async with watched(health) as beats, watched(chat) as chats:
            said = await SCENES[name](address, session)
    stored = await asyncio.to_thread(_stored, folder)
    growth = (running.resident_bytes("VmHWM") - before) / MEBIBYTE
    print(
        f"{said}; /healthz {max(beats) * 1000:.0f} ms, a chat {max(chats) * 1000:.0f} ms at most; "
        f"grew by {growth:.0f} MiB"
        + (f", keeps {stored:.0f} of {STORE >> 20} MiB" if stored else ""),
        flush=True,
    )


def _stored(folder: Path) -> float:
    """Return the MiB of all uploads."""
    return sum(path.stat().st_size for path in folder.rglob("uploads/*/file-*")) / MEBIBYTE


def _can_name() -> bool:
    asked = ["unshare", "--mount", "true"]
    with suppress(OSError):
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0
    return False


def _mute(stack: ExitStack, folder: Path) -> list[str]:
    """Run a name server that never answers; return the command prefix of a gateway that asks it."""
    server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    server.bind(("127.0.0.53", 53))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.53\n", "ascii")
    mounting = f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mounting, "sh"]


async def run(scenes: list[str]) -> None:
    """Run each scene against a gateway of its own."""
    os.environ["GATEWAY_FILES__MAX_STORE_BYTES"] = str(STORE)
    for name in scenes:
        if name == "names" and not _can_name():
            print("names: skipped, since there are no mount namespaces")
            continue
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            prefix = _mute(stack, folder) if name == "names" else []
            async with serving(upstream()) as there:
                # A host name instead of a number, so that it is looked up beside those of callers.
                named = there.replace("127.0.0.1", "localhost")
                with gateway(named, folder, prefix=prefix) as running:
                    await play(name, running, folder)


def main() -> None:
    """Run the scenes that the options name."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(parser.parse_args().scenes))


if __name__ == "__main__":
    main()
