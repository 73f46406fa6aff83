"""Calls of `/v1/conversations`."""

from typing import Any

from tests.gateway import ACCESS_TOKEN, Gateway


async def call(
    gateway: Gateway, method: str, path: str = "", token: str = ACCESS_TOKEN, **fields: Any
) -> tuple[int, Any]:
    """Send a request below `/v1/conversations`; return the status and the JSON of the answer."""
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{gateway.url}/v1/conversations{path}"
    async with gateway.session.request(method, url, headers=headers, **fields) as response:
        return response.status, await response.json()


async def made(gateway: Gateway, *texts: str, **body: Any) -> str:
    """Make a conversation of user messages; return its id."""
    items = [{"role": "user", "content": text} for text in texts]
    status, conversation = await call(gateway, "POST", json={"items": items, **body})
    assert status == 200, conversation
    return str(conversation["id"])


async def texts_of(gateway: Gateway, name: str, query: str = "order=asc") -> list[str]:
    """Return the texts of a conversation's items."""
    status, page = await call(gateway, "GET", f"/{name}/items?{query}")
    assert status == 200, page
    return [item["content"][0]["text"] for item in page["data"]]
