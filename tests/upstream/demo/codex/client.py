"""A client of the demo's Codex upstream that does all as a good one does."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientSession
from multidict import CIMultiDictProxy

from upstream.demo.codex.accounts import CLIENT_ID, Account

RESPONSES = "/backend-api/codex/responses"


class Answer(msgspec.Struct):
    """A stream that was read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        blocks = self.raw.decode().split("\n\n")
        found = [line for block in blocks for line in block.split("\n") if line[:6] == "data: "]
        return [json.loads(line[6:]) for line in found]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def items(self) -> list[dict[str, Any]]:
        return [one["item"] for one in self.events if one["type"] == "response.output_item.done"]

    @property
    def text(self) -> str:
        messages = [item for item in self.items if item["type"] == "message"]
        return "".join(part.get("text", "") for one in messages for part in one["content"])

    @property
    def usage(self) -> dict[str, Any]:
        return self.last["response"]["usage"]

    def deltas(self, kind: str) -> list[str]:
        return [one["delta"] for one in self.events if one["type"] == f"response.{kind}.delta"]

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class CodexClient:
    """One account's client."""

    def __init__(self, session: ClientSession, base: str, name: str) -> None:
        self.session = session
        self.base = base
        self.account = Account(name)
        self.refresh_token = name
        self.access_token = ""

    async def exchange(self, **fields: str) -> dict[str, Any]:
        """Exchange the refresh token and keep what is given."""
        status, answer = await self.token(
            grant_type="refresh_token", refresh_token=self.refresh_token, **fields
        )
        assert status == 200, answer
        self.access_token = answer["access_token"]
        self.refresh_token = answer.get("refresh_token", self.refresh_token)
        return answer

    async def token(self, *, as_json: bool = True, **fields: str) -> tuple[int, dict[str, Any]]:
        """Ask the token endpoint."""
        wanted = {"client_id": CLIENT_ID, **fields}
        how = {"json": wanted} if as_json else {"data": wanted}
        async with self.session.post(f"{self.base}/oauth/token", **how) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else {}

    def headers(self, **more: str) -> dict[str, str]:
        own = {
            "Authorization": f"Bearer {self.access_token}",
            "ChatGPT-Account-Id": self.account.id,
            "originator": "demo_test",
            "User-Agent": "demo-test/1",
            "Accept": "text/event-stream",
        }
        return own | more

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request behind the door."""
        sent = self.headers() if headers is None else headers
        async with self.session.request(
            method, self.base + path, json=body, headers=sent
        ) as response:
            return await read(response)

    async def ask(self, text: str, /, **fields: Any) -> Answer:
        """Ask a turn, with the answer's status as it may be."""
        return await self.send("POST", RESPONSES, body_of(text, **fields))

    async def stats(self) -> dict[str, Any]:
        async with self.session.get(f"{self.base}/demo/codex/stats") as response:
            return await response.json()


NewClient = Callable[[str], CodexClient]


async def read(response: ClientResponse) -> Answer:
    return Answer(response.status, response.headers, await response.read())


def user(text: str, *parts: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}, *parts]
    return {"type": "message", "role": "user", "content": content}


def body_of(text: str = "hello", /, **fields: Any) -> dict[str, Any]:
    """Return a body that the validator lets pass."""
    return {
        "model": "gpt-6-sol",
        "instructions": "Be brief.",
        "input": [user(text)],
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        **fields,
    }


def function(name: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "name": name, "description": name, "parameters": schema}


def output(call: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """Return a call as it is sent back, and its output."""
    sent = {name: value for name, value in call.items() if name not in {"id", "status"}}
    kind = f"{call['type']}_output"
    return [sent, {"type": kind, "call_id": call["call_id"], "output": text}]
