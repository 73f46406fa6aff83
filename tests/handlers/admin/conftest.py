"""A gateway with an admin key, an account that signed in, and the demo behind it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.vocabulary.gateway_keys import Issuer, StoredAccount
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.conftest import StartGateway
from tests.gateway import SECRET, Gateway, Settings

ADMIN_KEY = "the-key-of-the-operator"
ANNA = StoredAccount(
    name="anna",
    email="anna.canary@example.org",
    plan="plus",
    account_id="account-1",
    user_id="user-1",
    issuer=Issuer.OPENAI,
    refresh_token="dead-canary",
    created_at=100,
)


class Operator:
    """Sends requests with the admin key, and keeps every answer of the gateway."""

    def __init__(self, gateway: Gateway, file: KeyFile) -> None:
        self.gateway = gateway
        self.file = file
        self.answers: list[str] = []

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = ADMIN_KEY,
        headers: dict[str, str] | None = None,
        **given: Any,
    ) -> tuple[int, Any]:
        """Return status and body of an answer."""
        sent = {} if key is None else {"Authorization": f"Bearer {key}"}
        url = f"{self.gateway.url}{path}"
        async with self.gateway.session.request(
            method, url, headers={**sent, **(headers or {})}, **given
        ) as response:
            self.answers.append(await response.text())
            return response.status, await response.json()

    async def refused(self, method: str, path: str, **given: Any) -> tuple[int, str, str | None]:
        """Return status, code and param of an error."""
        status, body = await self.ask(method, path, **given)
        return status, body["error"]["code"], body["error"]["param"]


def admin_settings(demo: str, **server: Any) -> Settings:
    """Return settings with an admin key, and the demo as both upstreams."""
    return {
        "server": {"admin_key": ADMIN_KEY, **server},
        "codex": {"base_url": f"{demo}/backend-api/codex"},
        "tokens": {"codex_url": f"{demo}/oauth/token"},
    }


@pytest.fixture
async def operator(
    demo: str, start_gateway: StartGateway, tmp_path: Path
) -> AsyncIterator[Operator]:
    """Yield the operator of a gateway where Anna has signed in, with a token that is long dead."""
    file = KeyFile(tmp_path / "keys.json", Cipher(SECRET.encode()))
    file.accounts.keep(ANNA, b"{}")
    operator = Operator(await start_gateway(demo, **admin_settings(demo)), file)
    yield operator
    told = "".join(operator.answers)
    assert "dead-canary" not in told
    assert "anna.canary" not in told
