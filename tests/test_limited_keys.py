"""A gateway key limited to some models is judged by the requested name, on every endpoint."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from service.keys import CONFIG
from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.gateway import SECRET, Gateway, running_demo, running_gateway

STORED = Credential("a-refresh-token-of-the-operator")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00"
MESSAGES = [{"role": "user", "content": "6*7"}]


def form(name: str, content: bytes, **fields: str) -> FormData:
    made = FormData()
    for field, value in fields.items():
        made.add_field(field, value)
    made.add_field(name, content, filename=f"{name}.bin")
    return made


def model_of(model: str | None) -> dict[str, str]:
    return {} if model is None else {"model": model}


# Path -> the request for a model, or for none.
ENDPOINTS: dict[str, Callable[[str | None], dict[str, Any]]] = {
    "chat/completions": lambda model: {"json": {"messages": MESSAGES, **model_of(model)}},
    "completions": lambda model: {"json": {"prompt": "6*7", **model_of(model)}},
    "responses": lambda model: {"json": {"input": "6*7", **model_of(model)}},
    "images/generations": lambda model: {"json": {"prompt": "a cat", **model_of(model)}},
    "images/edits": lambda model: {
        "data": form("image", PNG, prompt="a hat on it", **model_of(model))
    },
    "audio/speech": lambda model: {"json": {"input": "Hello", "voice": "alloy", **model_of(model)}},
    "audio/transcriptions": lambda model: {"data": form("file", SOUND, **model_of(model))},
}
TEXTS = ("chat/completions", "completions", "responses")


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json", Cipher(SECRET.encode()))


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    server = {"keys_file": str(tmp_path / "keys.json")}
    async with running_demo() as demo, running_gateway(demo, tmp_path, server=server) as gateway:
        yield gateway


async def status(gateway: Gateway, key: str, path: str, model: str | None) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    sent = ENDPOINTS[path](model)
    async with gateway.session.post(f"{gateway.url}/v1/{path}", headers=headers, **sent) as got:
        body = await got.read()
        if got.status == 404:
            assert b"model_not_found" in body
        return int(got.status)


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_key_for_one_model_may_ask_for_that_and_no_other(
    gateway: Gateway, file: KeyFile, path: str
) -> None:
    name = {"images": "gpt-image-1", "audio": "tts-1"}.get(path.partition("/")[0], "gpt-4o-mini")
    key = file.add(KeyTerms("bot", models=(name,)), STORED)
    assert await status(gateway, key, path, name) == 200
    for other in ("gpt-4o", "whisper-1", "dall-e-3", "tts-1-hd"):
        assert await status(gateway, key, path, other) == 404, other


async def test_a_key_for_a_chat_model_may_transcribe_nothing(
    gateway: Gateway, file: KeyFile
) -> None:
    key = file.add(KeyTerms("bot", models=("gpt-4o",)), STORED)
    for model in ("whisper-1", None):
        assert await status(gateway, key, "audio/transcriptions", model) == 404
    assert await status(gateway, key, "audio/transcriptions", "gpt-4o") == 200


@pytest.mark.parametrize(
    ("path", "allowed", "expected"),
    [
        ("images/generations", ("gpt-4o",), 200),
        ("images/generations", ("o1-mini", "gpt-4-o"), 200),
        ("images/generations", ("o1-mini",), 404),
        ("audio/speech", ("gpt-4o",), 200),
        ("audio/speech", ("nothing-of-the-table",), 404),
    ],
)
async def test_where_no_name_is_sent_one_that_the_key_may_use_stands_in(
    gateway: Gateway, file: KeyFile, path: str, allowed: tuple[str, ...], expected: int
) -> None:
    key = file.add(KeyTerms("bot", models=allowed), STORED)
    assert await status(gateway, key, path, None) == expected


async def test_what_stands_in_is_one_that_the_key_may_use(gateway: Gateway, file: KeyFile) -> None:
    for models, slug in ((("tts-1", "gpt-4o"), "gpt-4o"), (("tts-1",), "gpt-4o-mini")):
        key = file.add(KeyTerms(f"for {slug}", models=models), STORED)
        assert await status(gateway, key, "audio/speech", "tts-1") == 200
        async with gateway.session.get(
            f"{gateway.app[CONFIG].upstream.base_url}/demo/turns/1"
        ) as got:
            assert (await got.json())["model"] == slug


async def test_a_key_without_models_may_use_all(gateway: Gateway, file: KeyFile) -> None:
    key = file.add(KeyTerms("bot"), STORED)
    for path in ENDPOINTS:
        assert await status(gateway, key, path, "gpt-4o") == 200, path
