"""Each operation of `/openapi.json` exists and answers as described: status, type, headers, body.

The description is read from the server. It is closed, so a field that is not in it fails too.
"""

import copy
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import FormData
from jsonschema import Draft202012Validator
from PIL import Image

from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read, running_demo, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")
module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")

BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
QUESTIONS = ("search for boats", "draw a boat of 64x64", "make report.csv", "/fault 429 5")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
        },
    }
]
FLAT_TOOLS = [{"type": "function", **TOOLS[0]["function"]}]  # type: ignore[dict-item]
OWN_TOOLS = [{"name": "add", "input_schema": TOOLS[0]["function"]["parameters"]}]  # type: ignore[index]
FUNCTIONS = [TOOLS[0]["function"]]


class Described:
    """The description, which checks answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = copy.deepcopy(document)
        for name in self._answered():
            schema = self.document["components"]["schemas"][name]
            if "properties" in schema:
                schema["additionalProperties"] = False

    def operation(self, name: str) -> tuple[str, str, dict[str, Any]]:
        return next(
            (method, path, operation)
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
            if operation["operationId"] == name
        )

    def check(self, name: str, answer: Answer) -> None:
        """Check an answer against the operation: its status, headers, type and body."""
        response = self.resolved(self.operation(name)[2]["responses"][str(answer.status)])
        media = answer.headers["Content-Type"].partition(";")[0]
        described = media if media in response["content"] else f"{media.partition('/')[0]}/*"
        assert described in response["content"], (name, answer.status, media)
        schema = response["content"][described].get("schema")
        if media == "text/event-stream":
            for event in events_of(answer.body):
                self.check_event(event, schema)
        elif schema is not None:
            self.validate(schema, answer.json)
        assert "x-request-id" in {header.lower() for header in answer.headers}

    def check_event(self, event: dict[str, str], schema: dict[str, Any]) -> None:
        self.validate(schema, event)
        if event["data"] != "[DONE]":
            contents = [each for each in schema["properties"]["data"]["anyOf"] if "type" in each]
            self.validate(contents[0]["contentSchema"], json.loads(event["data"]))

    def validate(self, schema: dict[str, Any], value: Any) -> None:
        whole = {**schema, "components": self.document["components"]}
        error = next(Draft202012Validator(whole).iter_errors(value), None)
        assert error is None, (
            error.json_path,
            error.message[:500],
            [e.message[:300] for e in error.context or ()],
        )

    def resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in part:
            return part
        *_, kind, name = part["$ref"].split("/")
        found: dict[str, Any] = self.document["components"][kind][name]
        return found

    def _answered(self) -> set[str]:
        """Return the components of answers, not those of requests."""
        wanted = [self.document["components"]["responses"]]
        for operations in self.document["paths"].values():
            wanted += [operation["responses"] for operation in operations.values()]
        seen: set[str] = set()
        while wanted:
            part = wanted.pop()
            if isinstance(part, list):
                wanted += part
            elif isinstance(part, dict):
                wanted += part.values()
                name = str(part.get("$ref", "")).partition("/schemas/")[2]
                if name and name not in seen:
                    seen.add(name)
                    wanted.append(self.document["components"]["schemas"][name])
        return seen


def events_of(body: bytes) -> list[dict[str, str]]:
    """Return the events of a stream by their fields, without comments."""
    events = []
    for block in body.decode().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if line and line[0] != ":"]
        if lines:
            events.append({name: value for name, _, value in lines})
    return events


@module_fixture
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    async with (
        running_demo() as demo,
        running_gateway(demo, folder, upstream={"retries": 0, "streams_per_account": 0}) as started,
    ):
        yield started


@module_fixture
async def described(gateway: Gateway) -> Described:
    async with gateway.session.get(f"{gateway.url}/openapi.json") as response:
        assert response.status == 200
        return Described(await response.json())


async def call(gateway: Gateway, described: Described, name: str, **given: Any) -> Answer:
    """Call an operation as described, and check its answer."""
    method, path, _ = described.operation(name)
    url = gateway.url + path.format(**given.pop("at", {}))
    async with gateway.session.request(method, url, headers=BEARER, **given) as response:
        answer = await read(response)
    described.check(name, answer)
    return answer


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("question", QUESTIONS)
async def test_an_answer_in_every_dialect_is_as_described(
    gateway: Gateway, described: Described, question: str, is_stream: bool
) -> None:
    asked = {"model": "gpt-4o", "stream": is_stream}
    said = [{"role": "user", "content": question}]
    options = {"stream_options": {"include_usage": True}}
    for name, body in (
        ("createChatCompletion", {"messages": said, **options}),
        ("createCompletion", {"prompt": question, **options}),
        ("createResponse", {"input": question}),
        ("createMessage", {"messages": said, "max_tokens": 500, "thinking": {"type": "adaptive"}}),
    ):
        answer = await call(gateway, described, name, json={**asked, **body})
        assert answer.status == 200 or question.startswith("/fault")
        assert answer.is_stream is (is_stream and answer.status == 200)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_calls_of_functions_are_as_described(
    gateway: Gateway, described: Described, is_stream: bool
) -> None:
    asked = {"model": "gpt-4o", "stream": is_stream}
    said = [{"role": "user", "content": "add 1 to 2"}]
    for name, body in (
        ("createChatCompletion", {"messages": said, "tools": TOOLS, "tool_choice": "required"}),
        (
            "createChatCompletion",
            {"messages": said, "functions": FUNCTIONS, "function_call": {"name": "add"}},
        ),
        (
            "createResponse",
            {"input": "add 1 to 2", "tools": FLAT_TOOLS, "tool_choice": "required"},
        ),
        (
            "createMessage",
            {"messages": said, "max_tokens": 9, "tools": OWN_TOOLS, "tool_choice": {"type": "any"}},
        ),
    ):
        answer = await call(gateway, described, name, json={**asked, **body})
        assert b'"add"' in answer.body


async def test_tokens_and_searches_of_messages_are_as_described(
    gateway: Gateway, described: Described
) -> None:
    said = [{"role": "user", "content": "search for boats"}]
    asked = {"model": "gpt-4o", "messages": said}
    assert (await call(gateway, described, "countMessageTokens", json=asked)).json["input_tokens"]
    wrong = {"model": "gpt-4o", "messages": []}
    assert (await call(gateway, described, "countMessageTokens", json=wrong)).status == 400
    assert (await call(gateway, described, "createMessage", json=wrong)).status == 400
    search = [{"type": "web_search_20250305", "name": "web_search"}]
    for is_stream in (False, True):
        body = {**asked, "max_tokens": 500, "tools": search, "stream": is_stream}
        answer = await call(gateway, described, "createMessage", json=body)
        assert b"web_search_tool_result" in answer.body


async def test_models_in_the_form_of_the_other_dialect_are_as_described(
    gateway: Gateway, described: Described
) -> None:
    method, path, _ = described.operation("listModels")
    headers = {**BEARER, "anthropic-version": "2023-06-01"}
    async with gateway.session.request(method, gateway.url + path, headers=headers) as response:
        answer = await read(response)
    described.check("listModels", answer)
    assert answer.json["data"][0]["type"] == "model"


async def test_a_kept_response_is_as_described(gateway: Gateway, described: Described) -> None:
    body = {"model": "gpt-4o", "input": "draw a boat of 64x64", "metadata": {"a": "b"}}
    made = (await call(gateway, described, "createResponse", json=body)).json
    at = {"id": made["id"]}
    assert (await call(gateway, described, "getResponse", at=at)).json["output"] == made["output"]
    assert (await call(gateway, described, "cancelResponse", at=at)).json["status"] == "completed"
    listed = (await call(gateway, described, "listInputItems", at=at)).json
    assert [item["type"] for item in listed["data"]] == ["message"]
    assert (await call(gateway, described, "deleteResponse", at=at)).json["deleted"] is True
    for name in ("getResponse", "deleteResponse", "cancelResponse", "listInputItems"):
        assert (await call(gateway, described, name, at=at)).status == 404


@pytest.mark.parametrize("wanted", ["url", "b64_json"])
async def test_pictures_are_as_described(
    gateway: Gateway, described: Described, wanted: str
) -> None:
    body = {"prompt": "a boat", "size": "64x64", "response_format": wanted}
    made = (await call(gateway, described, "createImage", json=body)).json
    assert next(iter(made["data"][0])) == wanted
    for name in ("createImageEdit", "createImageVariation"):
        form = FormData(body)
        form.add_field("image", picture(), filename="boat.png")
        answer = await call(gateway, described, name, data=form)
        assert answer.status == 200
        assert wanted in answer.json["data"][0]
    refused = await call(gateway, described, "createImage", json={"prompt": "something forbidden"})
    assert refused.status == 400
    if wanted == "url":
        at = {"name": made["data"][0]["url"].rpartition("/")[2]}
        assert (await gateway.session.get(f"{gateway.url}/images/{at['name']}")).status == 200


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(made, "PNG")
    return made.getvalue()


async def test_sounds_are_as_described(gateway: Gateway, described: Described) -> None:
    body = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Boats float."}
    spoken = await call(gateway, described, "createSpeech", json=body)
    assert spoken.headers["Content-Type"].startswith("audio/")
    wrong = await call(gateway, described, "createSpeech", json={**body, "voice": "nobody"})
    assert wrong.status == 400
    for wanted in ({}, {"response_format": "text"}, {"stream": "true"}, {"stream": "maybe"}):
        form = FormData({"model": "whisper-1", **wanted})
        form.add_field("file", spoken.body, filename="speech.mp3")
        answer = await call(gateway, described, "createTranscription", data=form)
        assert (answer.status == 200) is (wanted.get("stream") != "maybe")
        assert b"Boats float." in answer.body or answer.status == 400


async def test_files_are_as_described(gateway: Gateway, described: Described) -> None:
    form = FormData({"purpose": "user_data"})
    form.add_field("file", b"boats float", filename="boats.txt")
    made = (await call(gateway, described, "createFile", data=form)).json
    at = {"id": made["id"]}
    assert (await call(gateway, described, "retrieveFile", at=at)).json == made
    assert made in (await call(gateway, described, "listFiles")).json["data"]
    assert (await call(gateway, described, "downloadFile", at=at)).body == b"boats float"
    assert (await call(gateway, described, "deleteFile", at=at)).json["deleted"] is True
    assert (await call(gateway, described, "retrieveFile", at=at)).status == 404
    assert (await call(gateway, described, "listFiles", params={"limit": "0"})).status == 400
    assert (await call(gateway, described, "createFile", data=FormData({"a": "b"}))).status == 400


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("listModels", {}),
        ("retrieveModel", {"at": {"id": "gpt-4o"}}),
        ("retrieveModel", {"at": {"id": "none"}}),
        ("listAccountIds", {}),
        ("getSubscription", {}),
        ("getSubscriptionOfApi", {}),
        ("getBilledUsage", {}),
        ("getBilledUsageOfApi", {}),
        ("getDescription", {}),
        ("getHealth", {}),
        ("getReadiness", {}),
        ("getReadiness", {"params": {"verbose": ""}}),
        ("getReadiness", {"params": {"exclude": "none"}}),
        ("getMetrics", {}),
        ("getIndex", {}),
        ("getConsoleFile", {"at": {"path": "strings.js"}}),
        ("getConsoleFile", {"at": {"path": "none.js"}}),
        ("getImage", {"at": {"name": "none.png"}}),
        ("getStoredFile", {"at": {"name": "none.txt"}}),
    ],
)
async def test_the_rest_is_as_described(
    gateway: Gateway, described: Described, name: str, given: dict[str, Any]
) -> None:
    await call(gateway, described, name, **dict(given))


async def test_a_field_that_is_not_described_would_be_noticed(
    gateway: Gateway, described: Described
) -> None:
    answer = await call(gateway, described, "listModels")
    for change in ({"more": 1}, {"object": "lists"}, {"data": [{"id": "x"}]}):
        changed = Answer(200, answer.headers, [json.dumps(answer.json | change).encode()])
        with pytest.raises(AssertionError):
            described.check("listModels", changed)
    stream = Answer(
        200,
        {"Content-Type": "text/event-stream", "x-request-id": "1"},
        [b'data: {"object": "chat.completion.chunk"}\n\n'],
    )
    with pytest.raises(AssertionError):
        described.check("createChatCompletion", stream)
