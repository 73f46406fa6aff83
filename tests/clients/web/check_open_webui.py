"""Open WebUI in a real browser; `make clients-web` installs it and runs this."""

import asyncio
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.clients.clients import INSTALLED, OPEN_WEBUI
from tests.clients.conftest import Place
from tests.gateway import ACCESS_TOKEN
from tests.handlers.console.browser import NAMES, running_chromium

STARTING_SECONDS = 300  # for its database and its byte code, the first time
PORT = 8080  # in a network that has nothing else
PAGE = f"http://127.0.0.1:{PORT}"
SETTINGS = {
    "ANONYMIZED_TELEMETRY": "False",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "True",
    "DO_NOT_TRACK": "true",
    "ENABLE_OLLAMA_API": "False",
    "ENABLE_VERSION_UPDATE_CHECK": "False",
    "OFFLINE_MODE": "True",
    "RAG_EMBEDDING_ENGINE": "openai",  # it would load a model otherwise
    "SCARF_NO_ANALYTICS": "true",
    "WEBUI_AUTH": "False",
    "WEBUI_SECRET_KEY": "only for this test",
}
TOOL = '''
class Tools:
    def get_weather(self, city: str) -> str:
        """
        The weather of a city, now.
        :param city: The city.
        """
        return f"{city}: 19 degrees, windy"
'''
POST = """
async ([path, body]) => {
  const headers = { Authorization: "Bearer " + localStorage.token, "Content-Type": "application/json" };
  return (await fetch(path, { method: "POST", headers, body: JSON.stringify(body) })).status;
}
"""
HEALTHY = f"import urllib.request as r; r.urlopen('{PAGE}/health', timeout=5)"


@asynccontextmanager
async def running_open_webui(place: Place, folder: Path) -> AsyncIterator[None]:
    """Start it in the network of the gateway, and wait until it is there."""
    program = INSTALLED / OPEN_WEBUI.place / "bin" / "open-webui"
    environ = {
        **place.environ(folder),
        **SETTINGS,
        "DATA_DIR": str(folder),
        "OPENAI_API_BASE_URL": f"{place.address}/v1",
        "OPENAI_API_KEY": ACCESS_TOKEN,
    }
    output = (folder / "output.txt").open("wb")
    command = (*place.network.entering, str(program), "serve", "--host", "127.0.0.1")
    process = await asyncio.create_subprocess_exec(
        *command, "--port", str(PORT), cwd=folder, env=environ, stdout=output, stderr=output
    )
    try:
        async with asyncio.timeout(STARTING_SECONDS):
            while not await is_healthy(place):
                assert process.returncode is None, (folder / "output.txt").read_text("utf-8")
                await asyncio.sleep(1)
        yield
    finally:
        process.kill()
        await process.wait()
        output.close()


async def is_healthy(place: Place) -> bool:
    asking = await asyncio.create_subprocess_exec(
        *place.network.entering, sys.executable, "-c", HEALTHY, stderr=asyncio.subprocess.DEVNULL
    )
    return await asking.wait() == 0


def wrapped_chromium(place: Place, folder: Path) -> Path:
    """A program that starts the browser in the network of the gateway."""
    path = next(filter(None, map(shutil.which, NAMES)), "chromium")
    script = folder / "chromium.sh"
    command = shlex.join([*place.network.entering, path])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
    script.chmod(0o755)
    return script


async def prepare(page: Page) -> None:
    """Enter, and make a model that has a tool of Open WebUI's own."""
    await page.goto(PAGE)
    await page.get_by_role("button", name="Okay, Let's Go!").click()
    tool = {"id": "weather", "name": "Weather", "content": TOOL, "meta": {"description": "weather"}}
    assert await page.evaluate(POST, ["/api/v1/tools/create", tool]) == 200
    model = {
        "id": "boats",
        "name": "boats",
        "base_model_id": "gpt-4o",
        "meta": {"toolIds": ["weather"]},
        "params": {"function_calling": "native"},
    }
    assert await page.evaluate(POST, ["/api/v1/models/create", model]) == 200


async def asked(page: Page, question: str) -> Locator:
    """Ask in a chat of its own; return the answer, which may still grow."""
    await page.goto(f"{PAGE}/?models=boats")
    draft = page.locator("#chat-input")
    await draft.click()
    await page.keyboard.type(question)
    await page.keyboard.press("Enter")
    return page.locator(".chat-assistant").last


async def test_open_webui_shows_all_that_comes(place: Place, tmp_path: Path) -> None:
    before = place.network.strayed_by_ipv4
    async with (
        running_open_webui(place, tmp_path),
        running_chromium(wrapped_chromium(place, tmp_path)) as browser,
    ):
        page = await browser.new_page(locale="en-US")
        await prepare(page)

        await expect(await asked(page, "tell me 6*7")).to_contain_text("42")

        answer = await asked(page, "think about boats")
        await answer.get_by_text("Thought for").click()
        await expect(answer).to_contain_text("no model thinks")

        picture = (await asked(page, "draw a boat")).locator("img").first
        await expect(picture).to_have_js_property("complete", value=True)
        assert await picture.evaluate("image => image.naturalWidth") > 0

        answer = await asked(page, "tell me the weather in Paris")
        await expect(answer).to_contain_text("View Result from get_weather")
        await expect(answer).to_contain_text("Paris: 19 degrees, windy")

        answer = await asked(page, "long 100 /fault cut 5")
        await expect(answer).to_contain_text("the demo writes on")
        await expect(answer).to_contain_text("answer was cut off before its end")
    # A browser asks for the way to an address of IPv6, to know whether there is one.
    assert place.network.strayed_by_ipv4 == before
