"""Every row of docs/compatibility.md, sent to the gateway with the demo upstream behind it."""

import inspect
import json
import os
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import FormData

from tests.compatibility.case import Case, File, Seen, Verdict
from tests.compatibility.document import PATH, is_offered, written
from tests.compatibility.official import FIELDS, calls
from tests.compatibility.tables import TABLES, Table
from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read, running_demo, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")
module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")

BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
IS_WRITING = os.environ.get("WRITE_COMPATIBILITY") == "true"
ROWS = [(table, case, name) for table in TABLES for case, name in table.named()]
# What differs between two turns that say the same.
NEVER_ALIKE = {"id", "create_time", "parent_message_id", "websocket_request_id"}


class Bench:
    """A gateway, its demo, and what lies ready in both."""

    def __init__(self, gateway: Gateway, demo: str) -> None:
        self.gateway = gateway
        self.demo = demo
        self.ids: dict[str, str] = {}
        self.plain: dict[str, Seen] = {}  # what comes of a table's own request, by its call

    async def prepare(self) -> None:
        """Leave files, responses and conversations of two items, for cases that name them."""
        for purpose in ("assistants", "user_data"):
            form = {"purpose": purpose, "file": File(b"boats float", "boats.txt")}
            self.ids["{file}"] = (await self.call("POST", "/files", form=form)).json["id"]
        said = [{"role": "user", "content": text} for text in ("the first", "Ahoy there")]
        body = {"model": "gpt-4o", "input": said}
        self.ids["{response}"] = (await self.call("POST", "/responses", json=body)).json["id"]
        path = f"/responses/{self.ids['{response}']}/input_items"
        listed = (await self.call("GET", path)).json
        self.ids["{item}"] = self.ids["{last_item}"] = listed["first_id"]
        for name in ("{conversation}", "{other}"):
            made = await self.call("POST", "/conversations", json={"items": said})
            self.ids[name] = made.json["id"]
        path = f"/conversations/{self.ids['{conversation}']}/items?limit=1"
        self.ids["{last_said}"] = (await self.call("GET", path)).json["last_id"]
        made = await self.call("POST", "/responses", json={**body, "background": True})
        self.ids["{background}"] = made.json["id"]
        await self.call("GET", f"/responses/{made.json['id']}?stream=true")  # to its end
        compacted = (await self.call("POST", "/responses/compact", json=body)).json
        self.ids["{compaction}"] = compacted["output"][-1]["encrypted_content"]

    async def call(self, method: str, path: str, **given: Any) -> Answer:
        if "form" in given:
            given["data"] = form_of(given.pop("form"))
        url = f"{self.gateway.url}/v1{path}"
        async with self.gateway.session.request(method, url, headers=BEARER, **given) as response:
            return await read(response)

    async def send(self, table: Table, sent: dict[str, Any]) -> Seen:
        """Make a call of a table, and look for the turn that it became."""
        fields = self.filled({**table.base, **sent})
        place = {"json": "json", "form": "form", "query": "params"}[table.sends]
        before = await self.last_turn()
        answer = await self.call(table.method, self.filled(table.place), **{place: fields})
        turn = await self.last_turn()  # no two have the same ids
        return Seen(answer, None if turn == before else turn, self.gateway, self.call)

    async def last_turn(self) -> Any:
        async with self.gateway.session.get(f"{self.demo}/demo/turns/1") as response:
            return await response.json()

    async def compared(self, table: Table) -> Seen:
        """Return what comes of a table's own request."""
        if table.call not in self.plain:
            self.plain[table.call] = await self.send(table, {})
        return self.plain[table.call]

    def filled(self, value: Any) -> Any:
        """Return a value with ids in place of their names."""
        if isinstance(value, str):
            return re.sub(r"{\w+}", lambda found: self.ids[found[0]], value)
        if isinstance(value, dict):
            return {key: self.filled(each) for key, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value


def form_of(fields: dict[str, Any]) -> FormData:
    form = FormData()
    for name, value in fields.items():
        if isinstance(value, File):
            form.add_field(name, value.content, filename=value.name)
        else:
            form.add_field(name, value)
    return form


@module_fixture
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with (
        running_demo() as demo,
        running_gateway(
            demo, tmp_path_factory.mktemp("gateway"), upstream={"retries": 0}
        ) as gateway,
    ):
        made = Bench(gateway, demo)
        await made.prepare()
        yield made


def said(turn: dict[str, Any] | None) -> str:
    """Return what a turn says, without what is never alike."""

    def normal(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: normal(one) for key, one in value.items() if key not in NEVER_ALIKE}
        return [normal(one) for one in value] if isinstance(value, list) else value

    return re.sub(r"file-\w+", "FILE", json.dumps(normal(turn), sort_keys=True))


@pytest.mark.parametrize(
    ("table", "case"),
    [pytest.param(table, case, id=name) for table, case, name in ROWS],
)
async def test_a_row_is_true(bench: Bench, table: Table, case: Case) -> None:
    seen = await bench.send(table, case.sent)
    answer = seen.answer
    match case.verdict:
        case Verdict.HONOURED:
            assert answer.status == 200, answer.body
            assert case.shows is not None
            shown = case.shows(seen)
            assert await shown if inspect.isawaitable(shown) else shown, (answer.body, seen.turn)
            assert case.field not in named(answer)
        case Verdict.IGNORED:
            assert answer.status == 200, answer.body
            assert (case.field in named(answer)) is not case.is_silent
            plain = await bench.compared(table)
            assert said(seen.turn) == said(plain.turn)
            assert seen.turn or answer.json == plain.answer.json
        case Verdict.REFUSED:
            assert (answer.status, seen.turn) == (400, None), answer.body
            error = answer.json["error"]  # Anthropic's has the place in its words alone
            param = str(error.get("param") or error["message"].partition(":")[0])
            assert param in (case.param, f"{case.param}[0]") or is_place(case.field, param)


def named(answer: Answer) -> list[str]:
    """Return the fields that an answer says were ignored; the SDK's lists are sent with brackets."""
    names = answer.headers.get("x-ignored-fields", "").split(", ")
    return [name.removesuffix("[]") for name in names]


def is_place(label: str, param: str) -> bool:
    """Return whether an error's place is that of a kind: `tools[].type: custom`."""
    where = label.partition(": ")[0]
    param = re.sub(r"\.(\d+)\b", r"[\1]", param)
    return ": " in label and re.sub(r"\[\d+\]", "[]", param).startswith(where.rpartition(".")[0])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.call)
async def test_every_official_field_has_a_row(table: Table) -> None:
    assert {case.field for case in table.cases} == set(FIELDS[table.call])


async def test_every_row_has_a_name_of_its_own() -> None:
    names = [name for _, _, name in ROWS]
    assert len(set(names)) == len(names)
    assert [table.call for table in TABLES] == list(FIELDS)


async def test_every_call_is_offered_or_says_why_not(bench: Bench) -> None:
    answers = {}
    for call in sorted(calls()):
        if not is_offered(call):
            method, _, path = call.partition(" ")
            answer = await bench.call(method, re.sub(r"{\w+}", "x", path), json={})
            assert answer.status in (404, 405), call
            message = answer.json["error"]["message"]
            start, colon, reason = message.partition(": ")
            assert colon, f"{call}: {start}"
            answers[call] = reason
    page = written(answers)
    if IS_WRITING:
        PATH.write_text(page, "utf-8")
    assert page == PATH.read_text("utf-8"), "run make compatibility"
