"""Sends every row of docs/hostile-inputs.md to a gateway that has to answer the next request."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from aiohttp import FormData
from yarl import URL

from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.faults.upstream import Part, Script, faulty_upstream
from tests.gateway import ACCESS_TOKEN, SECRET, Answer, Gateway, read, running_demo, running_gateway
from tests.hostile.addresses import PORT
from tests.hostile.bodies import MAX_BODY_BYTES
from tests.hostile.case import (
    CONVERSATIONS,
    RESPONSES,
    Hostile,
    Played,
    Section,
    Wire,
    short,
)
from tests.hostile.codex_upstreams import CODEX
from tests.hostile.document import ASKED, PATH, PLAYED, SECTIONS, SENT, page
from tests.hostile.operator import ADMIN_KEY
from tests.hostile.upstreams import UPSTREAM
from tests.scripted_upstream import Head
from tests.upstream.trap import running_trap

IS_WRITING = os.environ.get("WRITE_HOSTILE") == "true"
OWNER = "fk-the-owner-of-what-is-there"
SIDE_BY_SIDE = 8
SILENCE_SECONDS = 0.5  # after which an answer on a bare connection is complete
MOST_BYTES = 4096  # of the headers of an answer, and of an error


class Bench:
    """A gateway with the demo, and what other callers have left in it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.words: dict[str, str] = {}  # values of the words in braces
        self.free = asyncio.Semaphore(SIDE_BY_SIDE)

    async def prepare(self, keys: KeyFile, port: int) -> None:
        """Leave a file, a response, a conversation, a picture and keys of another caller."""
        form = FormData({"purpose": "user_data"})
        form.add_field("file", b"boats float", filename="boats.txt")
        response = {"model": "gpt-4o", "input": "My name is Ada."}
        link = (await self.gateway.chat("draw a cat", token=OWNER)).text
        found = re.search(r"(images/\w+\.png)\?e=(\d+)&s=([\w-]+)", link)
        assert found, link
        name, expiry, signature = found.groups()
        stored = Credential(ACCESS_TOKEN)
        revoked = keys.add(KeyTerms("revoked"), stored)
        keys.revoke("revoked")
        talk = await self.own(CONVERSATIONS, json={})
        items = {"items": [{"role": "user", "content": "My name is Ada."}]}
        said = await self.own(f"{CONVERSATIONS}/{talk['id']}/items", json=items)
        self.words = {
            PORT: str(port),
            "{file}": (await self.own("/v1/files", data=form))["id"],
            "{response}": (await self.own(RESPONSES, json=response))["id"],
            "{conversation}": talk["id"],
            "{said}": said["first_id"],
            "{unsigned}": name,
            "{later}": f"{name}?e={int(expiry) + 1000}&s={signature}",
            "{other}": f"images/a{name[7:]}?e={expiry}&s={signature}",
            "{revoked}": revoked,
            "{key}": keys.add(KeyTerms("good"), stored),
            "{narrow}": keys.add(KeyTerms("narrow", models=("o3",)), stored),
        }

    async def own(self, path: str, **body: Any) -> Any:
        url, headers = self.gateway.url + path, {"Authorization": f"Bearer {OWNER}"}
        async with self.gateway.session.post(url, headers=headers, **body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    def filled(self, text: str) -> str:
        """Return a text with each of the bench's words replaced by its value."""
        for word, value in self.words.items():
            text = text.replace(word, value)
        return text

    async def ask(self, row: Hostile) -> Answer:
        """Send an input, and a good request after it."""
        given = {"Authorization": f"Bearer {ACCESS_TOKEN}", **row.headers}
        headers = {name: self.filled(one) for name, one in given.items() if one is not None}
        body = row.body
        if any(word in body for word in (b"{port}", b"{response}", b"{conversation}")):
            body = self.filled(body.decode()).encode()
        url = URL(self.gateway.url + self.filled(row.path), encoded=True)
        async with (
            self.free,
            self.gateway.session.request(
                row.method,
                url,
                headers=headers,
                data=BytesIO(body) if body else None,
                skip_auto_headers=("Content-Type",),
            ) as response,
        ):
            answer = await read(response)
        await self.answers_on()
        return answer

    async def answers_on(self) -> None:
        async with self.free:
            answer = await self.gateway.chat("Hello")
        assert answer.status == 200, answer.body

    async def send(self, row: Wire) -> tuple[int, ...]:
        """Send bytes on a new connection; return the statuses of the answers."""
        got = b""
        async with self.free:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
            with suppress(TimeoutError, ConnectionError):
                writer.write(row.data)
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        piece = await reader.read(65536)
                    if not piece:
                        break
                    got += piece
            writer.close()
        assert b"smuggled" not in got, row.name
        await self.answers_on()
        statuses = [int(each) for each in re.findall(rb"HTTP/\d\.\d (\d{3}) ", got)]
        return tuple(status for status in statuses if status != 100)


@asynccontextmanager
async def bench_in(folder: Path) -> AsyncIterator[tuple[Bench, list[Any]]]:
    """Run a bench, and note who connects to the port to which no request may be sent."""
    keys = folder / "keys.json"
    server = {
        "admin_key": ADMIN_KEY,
        "keys_file": str(keys),
        "max_body_bytes": MAX_BODY_BYTES,
        "max_upload_bytes": 1_000_000,
    }
    settings: dict[str, Any] = {
        "server": server,
        "files": {"link_seconds": 600},
        "fetch": {"seconds": 3},
        "upstream": {"streams_per_account": 32},
    }
    async with (
        running_demo() as demo,
        running_trap() as (port, visits),
        running_gateway(demo, folder, **settings) as gateway,
    ):
        bench = Bench(gateway)
        await bench.prepare(KeyFile(keys, Cipher(SECRET.encode())), port)
        yield bench, visits


def seen_of(answer: Answer, name: str) -> tuple[int, str | None, str | None]:
    """Return status, code and param of an answer, after checking that it is harmless."""
    assert answer.headers.keys().isdisjoint({"X-Evil", "Set-Cookie"}), name
    assert all("\n" not in value for value in answer.headers.values()), name
    assert sum(len(value) for value in answer.headers.values()) < MOST_BYTES, name
    if answer.status == 200:
        return answer.status, None, None
    assert answer.headers["Content-Type"].startswith("application/json"), name
    assert len(answer.body) < MOST_BYTES, name
    assert b"fk-secret" not in answer.body, name
    error = answer.json["error"]
    assert error.keys() - {"partial"} == {"message", "type", "param", "code"}, name
    return answer.status, error["code"], error["param"]


async def test_each_hostile_request_gets_its_answer(tmp_path: Path) -> None:
    rows = [row for section in ASKED for row in section.rows if isinstance(row, Hostile)]
    async with bench_in(tmp_path) as (bench, visits):
        answers = await asyncio.gather(*map(bench.ask, rows))
    wrong = {
        f"{row.name}: {row.shown}": (*seen, answer.body[:300])
        for row, answer in zip(rows, answers, strict=True)
        if (seen := seen_of(answer, row.name)) != (row.status, row.code, row.param)
    }
    assert wrong == {}, "\n".join(map(str, wrong.items()))
    assert visits == []


async def test_each_hostile_connection_gets_its_answer(tmp_path: Path) -> None:
    rows = [row for section in SENT for row in section.rows if isinstance(row, Wire)]
    async with bench_in(tmp_path) as (bench, _):
        got = await asyncio.gather(*map(bench.send, rows))
    wrong = {row.name: seen for row, seen in zip(rows, got, strict=True) if seen != row.statuses}
    assert wrong == {}, "\n".join(map(str, wrong.items()))


PLACES = {UPSTREAM.title: "turn", CODEX.title: "codex"}
"""Where the upstream of `tests.faults` plays the rows of a section."""


async def played(section: Section, row: Played, gateway: Gateway, part: Part) -> Answer:
    """Play a row for a caller, and after it what is good."""
    place = PLACES[section.title]
    gone = {"link": Script(({"detail": "none"},), Head(404, "application/json"))}
    part.scripts = {place: Script(row.steps, replace(row.head)), **gone}
    answer = await gateway.chat(token=part.token(place))
    good = next(one for one in section.rows if isinstance(one, Played))
    part.scripts = {place: Script(good.steps)}
    assert (await gateway.chat(token=part.token(place))).text == good.text, row.name
    return answer


async def test_each_hostile_answer_of_the_upstream_becomes_what_it_should(tmp_path: Path) -> None:
    rows = [(section, row) for section in PLAYED for row in section.rows if isinstance(row, Played)]
    wrong = {}
    async with faulty_upstream() as upstream:
        settings = {
            "upstream": {"retries": 0},
            "codex": {"base_url": f"{upstream.url}/backend-api/codex"},
        }
        async with running_gateway(upstream.url, tmp_path, **settings) as gateway:
            answers = [
                (row, await played(section, row, gateway, upstream.part())) for section, row in rows
            ]
        for row, answer in answers:
            status, code, _ = seen_of(answer, row.name)
            if (status, code, answer.text) != (row.status, row.code, row.text):
                wrong[row.name] = (status, code, short(answer.text), answer.body[:300])
    assert wrong == {}, "\n".join(map(str, wrong.items()))


def test_every_row_has_a_name_of_its_own_and_a_reason() -> None:
    assert sum(len(section.rows) for section in SECTIONS) >= 150
    for section in SECTIONS:
        names = [row.name for row in section.rows]
        assert len(set(names)) == len(names), section.title
        assert section.about
        assert all(row.why for row in section.rows), section.title


def test_the_page_is_what_the_inputs_say() -> None:
    tables = [line for line in page().splitlines() if line.startswith("| ")]
    assert len(tables) == sum(len(section.rows) + 2 for section in SECTIONS)
    assert all(line.endswith(" |") for line in tables)
    if IS_WRITING:
        PATH.write_text(page(), "utf-8")
    assert page() == PATH.read_text("utf-8"), "run make hostile"
