"""A real Chromium that opens the console of a real gateway and reports every problem."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

# The first has the pages alone, without the windows that nobody sees here: two thirds of the work.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),  # root runs it
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
WAIT_MS = 20_000  # for anything to appear: a loaded machine takes its time
REPORTS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  window.violations.push(`${violatedDirective} ${blockedURI}`));
"""

expect.set_options(timeout=WAIT_MS)


@asynccontextmanager
async def running_chromium(wrapper: Path | None = None) -> AsyncIterator[Browser]:
    """Start the browser with a fresh profile; skip when there is none.

    A wrapper is a program that is started in its place, and starts it.
    """
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("chromium is not installed")
    environment = {**os.environ, "HOME": "/tmp"}  # noqa: S108 - only so that it finds one
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=wrapper or path, args=OPTIONS, env=environment, timeout=60_000
        )
        yield browser
        await browser.close()


@dataclass(frozen=True)
class Look:
    """How a page is opened: width, colours and language."""

    width: int = 1440
    scheme: str = "light"
    language: str = "en"

    @property
    def is_phone(self) -> bool:
        return self.width < 760

    @property
    def name(self) -> str:
        return f"{self.width}-{self.scheme}-{self.language}"


@dataclass
class Console:
    """The open page."""

    page: Page
    url: str
    look: Look
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    answers: int = 0

    def __getitem__(self, selector: str) -> Locator:
        return self.page.locator(selector)

    @property
    def draft(self) -> Locator:
        return self["#draft"]

    @property
    def last(self) -> Locator:
        """The newest answer."""
        return self[".answer"].last

    async def view(self, name: str) -> None:
        """Show one of the three columns, where not all are seen at once."""
        button = self[f"#views [value={name}]"]
        if await button.is_visible():
            await button.click()

    async def give_key(self, key: str = "demo") -> None:
        await self.view("setup")
        await self["#key"].fill(key)
        await self.view("chat")

    async def send(self, text: str) -> None:
        """Send a message by the keyboard, and wait for its place in the conversation."""
        await self.draft.fill(text)
        await self.draft.press("Enter")
        self.answers += 1
        await expect(self[".answer"]).to_have_count(self.answers)

    async def ask(self, text: str) -> Locator:
        """Send a message and wait for the end of its answer; return the answer."""
        await self.send(text)
        await self.ended()
        return self.last

    async def ended(self) -> None:
        await expect(self.last).to_have_attribute("aria-busy", "false")

    async def shows_pictures(self) -> bool:
        """Wait for the pictures of the newest answer; return whether all could be drawn."""
        pictures = self.last.locator("img")
        await expect(pictures.first).to_be_visible()
        script = "all => Promise.all(all.map(one => one.decode())).then(() => true, () => false)"
        return bool(await pictures.evaluate_all(script))

    async def screenshot(self, name: str) -> None:
        """Keep a picture for people to look at."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{self.look.name}-{name}.png"
        await self.page.screenshot(path=path, animations="disabled")

    async def problems(self, *, expected: tuple[str, ...] = ()) -> list[str]:
        """Return the problems that the browser's developer tools would show."""
        violations: list[str] = await self.page.evaluate("window.violations")
        errors = [one for one in self.errors if not any(part in one for part in expected)]
        return [*errors, *violations, *self.strangers]

    async def faults_of_access(self) -> list[Any]:
        """Return what axe finds: names, roles, contrast and the like.

        A page reads it, half a megabyte, once.
        """
        axe = Axe("0") if await self.page.evaluate("'axe' in window") else Axe()
        found = (await axe.run(self.page)).response["violations"]
        return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]

    async def is_too_wide(self) -> bool:
        """Tell whether anything overflows the screen sideways."""
        script = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(await self.page.evaluate(script))


@asynccontextmanager
async def opened(
    browser: Browser, url: str, look: Look | None = None, path: str = "", **options: Any
) -> AsyncIterator[Console]:
    """Open a page in a context of its own: nothing is remembered from other tests."""
    look = look or Look()
    context = await browser.new_context(
        viewport={"width": look.width, "height": 844 if look.is_phone else 900},
        color_scheme=look.scheme,
        locale={"en": "en-GB", "zh": "zh-CN"}[look.language],
        has_touch=look.is_phone,
        is_mobile=look.is_phone,
        **options,
    )
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    console = Console(page, url, look)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            console.errors.append(f"{message.type}: {message.text}")

    def requested(address: str) -> None:
        if not address.startswith((f"{url}/", "data:")):
            console.strangers.append(f"asked for {address}")

    page.on("console", heard)
    page.on("pageerror", lambda error: console.errors.append(f"exception: {error}"))
    context.on("request", lambda request: requested(request.url))
    await page.add_init_script(REPORTS)
    await page.goto(f"{url}/{path}")
    await expect(console["html"]).to_have_attribute("data-ready", "")
    if not path:
        await expect(console["#model option"]).not_to_have_count(0)
    try:
        yield console
    finally:
        await context.close()
