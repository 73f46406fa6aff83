"""The whole gateway before the demo's website: what only this upstream has."""

import pytest

from tests.conftest import StartGateway

pytestmark = pytest.mark.whole
KEY = {"Authorization": "Bearer fk-an-access-token"}


async def test_an_account_of_the_website_has_its_models_and_is_read_aloud_to(
    demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo)
    assert (await gateway.chat("What is 6*7?")).text
    async with gateway.session.get(f"{gateway.url}/v1/models", headers=KEY) as answer:
        assert "gpt-4-s" in {model["id"] for model in (await answer.json())["data"]}
    speech = {"model": "tts-1", "input": "Hello", "voice": "alloy"}
    async with gateway.session.post(
        f"{gateway.url}/v1/audio/speech", json=speech, headers=KEY
    ) as answer:
        assert (answer.status, answer.content_type) == (200, "audio/mpeg")
        assert await answer.read()
