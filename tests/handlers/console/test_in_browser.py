"""The console as people use it: a real Chromium, a real gateway, the demo behind it."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from PIL import Image
from playwright.async_api import Browser, expect

from tests.gateway import Gateway, running_demo, running_gateway
from tests.handlers.console.browser import Console, Look, opened, running_chromium
from tests.scripted_upstream import DONE, STALL, Step, answer, event, final, scripted_upstream
from upstream.demo.ground.options import DemoOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")
LOOKS = (
    Look(1440, "light", "en"),
    Look(1440, "dark", "zh"),
    Look(390, "light", "zh"),
    Look(390, "dark", "en"),
)
WORDS = {
    "en": {
        "plain": "What is 6*7?",
        "think": "think about boats",
        "draw": "draw two boats",
        "long": "a long essay of 4000 tokens",
        "sent": "You sent 1 file: ",
        "said": "Stopped.",
        "ready": "Ready",
        "send": "Send",
    },
    "zh": {
        "plain": "6*7 是多少？",
        "think": "思考一下船",
        "draw": "画两只船",
        "long": "写一篇长文 4000字",
        "sent": "你发来了 1 个文件：",
        "said": "已停止",
        "ready": "就绪",
        "send": "发送",
    },
}


@module_fixture
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@module_fixture
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway before the demo, whose answers take long enough to be seen growing."""
    options = DemoOptions(delay_seconds=0.01, later_seconds=0.2)
    async with (
        running_demo(options) as demo,
        running_gateway(demo, tmp_path_factory.mktemp("console")) as gateway,
    ):
        yield gateway


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture to send: half of it orange."""
    path = tmp_path_factory.mktemp("pictures") / "sunset over the harbour.png"
    image = Image.new("RGB", (640, 400), "#27496d")
    image.paste("#f2994a", (0, 0, 640, 200))
    image.save(path)
    return path


@pytest_asyncio.fixture(loop_scope="module")
async def console(chromium: Browser, gateway: Gateway) -> AsyncIterator[Console]:
    """The page on a wide screen, with a key; whatever a test does, nothing may go wrong."""
    permissions = ["clipboard-read", "clipboard-write"]
    async with opened(chromium, gateway.url, permissions=permissions) as console:
        await console.give_key()
        yield console
        assert await console.problems(expected=("status of 4", "status of 5")) == []


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
async def test_a_conversation_from_the_first_word_to_the_last(
    chromium: Browser, gateway: Gateway, look: Look, picture: Path
) -> None:
    words = WORDS[look.language]
    async with opened(chromium, gateway.url, look) as console:
        await _set_up(console, words)
        await _text_and_reasoning(console, words)
        await _picture_and_file(console, words, picture)
        await _error_and_stop(console, words)
        await console.view("inspect")
        await console["#tab-events"].click()
        await console.screenshot("10-events")
        assert not await console.is_too_wide()
        assert await console.problems(expected=("status of 429",)) == []


async def _set_up(console: Console, words: dict[str, str]) -> None:
    await expect(console["#summary-button"]).to_have_text(words["ready"])
    await expect(console["#send"]).to_have_text(words["send"])
    await console.screenshot("1-empty")
    await console.view("setup")
    await console.screenshot("2-setup")
    await console.give_key()


async def _text_and_reasoning(console: Console, words: dict[str, str]) -> None:
    reply = await console.ask(words["plain"])
    await expect(reply.locator(".markdown")).to_contain_text("6*7=42")
    await console.screenshot("3-chat")
    reply = await console.ask(words["think"])
    await expect(reply.locator(".reasoning")).not_to_have_attribute("open", "")
    await reply.locator(".reasoning summary").click()
    await expect(reply.locator(".reasoning .markdown")).to_be_visible()
    await console.screenshot("4-reasoning")


async def _picture_and_file(console: Console, words: dict[str, str], picture: Path) -> None:
    await console.ask(words["draw"])
    assert await console.shows_pictures()
    await console.screenshot("5-picture")
    await console["#picker"].set_input_files(picture)
    await expect(console["#files .chip-note"]).to_contain_text("KB")
    await expect(console["#files canvas"]).to_be_visible()
    await console.screenshot("6-file-attached")
    reply = await console.ask(words["plain"])
    await expect(reply.locator(".markdown")).to_contain_text(f"{words['sent']}{picture.name}")
    await expect(console[".you"].last.locator(".chip")).to_contain_text(picture.name)
    await console.screenshot("7-file-sent")


async def _error_and_stop(console: Console, words: dict[str, str]) -> None:
    error = (await console.ask("/fault 429 7")).locator(".error")
    await expect(error).to_contain_text("The upstream said: You have sent too many messages")
    await expect(error).to_contain_text("rate_limit_exceeded")
    await expect(error).to_contain_text("req_")
    await console.screenshot("8-error")
    await console.send(words["long"])
    await expect(console.last.locator(".markdown")).not_to_be_empty()
    await console.screenshot("9-streaming")
    await console["#send"].click()
    await console.ended()
    await expect(console.last.locator(".note")).to_contain_text(words["said"])
    await expect(console["#send"]).to_have_text(words["send"])


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[3]], ids=lambda look: look.name)
async def test_nothing_keeps_people_from_using_it(
    chromium: Browser, gateway: Gateway, look: Look
) -> None:
    """Names, roles, contrast and the like, as axe judges them, in each of the views."""
    async with opened(chromium, gateway.url, look) as console:
        await console.give_key()
        await console.ask("run code for 6*7")
        await console.ask("/fault cut 3")
        for view in ("setup", "chat", "inspect"):
            await console.view(view)
            assert await console.faults_of_access() == []


async def test_the_stop_key_ends_the_turn_upstream(console: Console, gateway: Gateway) -> None:
    before = await gateway.outcomes()
    await console.send("a long essay of 4000 tokens")
    await expect(console.last.locator(".markdown")).not_to_be_empty()
    await console.page.keyboard.press("Escape")
    await console.ended()
    async with asyncio.timeout(30):
        while True:  # asked of the gateway, as an operator would
            after = await gateway.outcomes()
            if after.get("abandoned") != before.get("abandoned"):
                break
            await asyncio.sleep(0.02)
    text = await console.last.locator(".markdown").inner_text()
    assert text
    reply = await console.ask("What is 6*7?")
    await expect(reply.locator(".error")).to_have_count(0)


async def test_a_cut_answer_keeps_its_text_and_names_its_error(console: Console) -> None:
    reply = await console.ask("/fault cut 6")
    await expect(reply.locator(".markdown")).to_contain_text("Demo")
    await expect(reply.locator(".error")).to_contain_text("upstream_cut")
    await expect(reply.locator(".error")).to_contain_text("req_")


async def test_without_a_key_it_asks_for_one(chromium: Browser, gateway: Gateway) -> None:
    async with opened(chromium, gateway.url, Look(390)) as console:
        await console.draft.fill("Hello")
        await console["#send"].click()
        await expect(console["#key-problem"]).to_have_text("Enter a key first.")
        await expect(console["#key"]).to_be_focused()
        await expect(console.draft).to_have_value("Hello")
        await console["#key"].fill("密钥")
        await expect(console["#key-problem"]).to_be_hidden()
        await console.view("chat")
        await console["#send"].click()
        await expect(console["#key-problem"]).to_have_text(
            "The key holds characters that no key has."
        )
        await console.give_key("Bearer demo")
        await console.ask("Hello")
        await expect(console.last.locator(".error")).to_have_count(0)


async def test_the_key_stays_in_the_tab(console: Console) -> None:
    await console["#key"].fill("a-key-of-mine")
    await console.ask("Hello")
    page = console.page
    assert "a-key-of-mine" not in page.url
    assert "a-key-of-mine" not in await page.evaluate(
        "JSON.stringify({...localStorage}) + document.cookie"
    )
    for name in ("curl", "python"):
        await console[f"#tab-{name}"].click()
        assert "a-key-of-mine" not in await console["#inspect"].inner_text()
    await page.reload()
    await expect(console["#key"]).to_have_value("a-key-of-mine")
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.locator("#key")).to_have_value("")


async def test_the_conversation_is_sent_whole_and_can_begin_anew(console: Console) -> None:
    await console.ask("Hello")
    await console.ask("How are you?")
    await console["#tab-python"].click()
    await expect(console["#python"]).to_contain_text('"role": "assistant"')
    await console["#new-chat"].click()
    await expect(console[".turn"]).to_have_count(0)
    await expect(console["#empty"]).to_be_visible()
    await expect(console["#python"]).not_to_contain_text('"role": "assistant"')


async def test_a_question_can_be_asked_again_and_changed(console: Console) -> None:
    await console.ask("first words")
    await console.ask("second words")
    await console.last.get_by_role("button", name="Ask again").click()
    await console.ended()
    await expect(console[".turn"]).to_have_count(4)
    first = console[".you"].first
    await first.hover()
    await first.get_by_role("button", name="Edit").click()
    await expect(console[".turn"]).to_have_count(0)
    await expect(console.draft).to_have_value("first words")


async def test_the_keyboard_suffices(console: Console) -> None:
    keyboard = console.page.keyboard
    await console["#summary-button"].focus()
    await keyboard.press("/")
    await expect(console.draft).to_be_focused()
    await keyboard.type("one")
    await keyboard.press("Shift+Enter")
    await keyboard.type("two")
    await expect(console.draft).to_have_value("one\ntwo")
    await keyboard.press("Enter")
    console.answers += 1
    await console.ended()
    await expect(console[".question"]).to_have_text("one\ntwo")
    await keyboard.press("ArrowUp")
    await expect(console.draft).to_have_value("one\ntwo")
    await console["#tab-events"].focus()
    await keyboard.press("ArrowRight")
    await expect(console["#tab-curl"]).to_be_focused()
    await expect(console["#panel-curl"]).to_be_visible()


async def test_an_enter_that_ends_a_word_sends_nothing(console: Console) -> None:
    await console.draft.fill("你好")
    event = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true})"
    await console.draft.evaluate(f"draft => draft.dispatchEvent({event})")
    await expect(console.draft).to_have_value("你好")
    await expect(console[".turn"]).to_have_count(0)


@pytest.mark.parametrize("kind", ["paste", "drop"])
async def test_files_can_be_pasted_and_dropped(console: Console, kind: str) -> None:
    script = """(target, kind) => {
      const data = new DataTransfer();
      data.items.add(new File(["a,b\\n1,2\\n"], "table.csv", {type: "text/csv"}));
      const event = kind === "paste"
        ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
        : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
      target.dispatchEvent(event);
    }"""
    await console.draft.evaluate(script, kind)
    await expect(console["#files .chip"]).to_contain_text("table.csv")
    await expect(console["#files .chip-note"]).to_have_text("8 B")
    await console["#tab-curl"].click()
    await expect(console["#curl"]).to_contain_text('"file_id": "file-')
    reply = await console.ask("What is in it?")
    await expect(reply.locator(".markdown")).to_contain_text("table.csv")


async def test_a_file_that_is_refused_says_why_and_can_be_removed(
    console: Console, picture: Path
) -> None:
    await console["#key"].fill("dead-key")
    await console["#picker"].set_input_files(picture)
    await expect(console["#files .failed"]).to_contain_text("not uploaded:")
    await console.draft.fill("Hello")
    await console.draft.press("Enter")
    await expect(console[".turn"]).to_have_count(0)
    await console["#files button"].click()
    await expect(console["#files .chip"]).to_have_count(0)


async def test_profile_model_and_system_message_go_along(
    console: Console,
) -> None:
    await console["#model"].select_option("o1-mini")
    await console["#profile"].select_option("raw")
    await console["#system"].fill("Be brief.")
    async with console.page.expect_request("**/v1/chat/completions") as asked:
        reply = await console.ask("draw two boats")
    request = await asked.value
    assert request.headers["x-render-profile"] == "raw"
    body = json.loads(request.post_data or "")
    assert body["model"] == "o1-mini"
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    await expect(reply.locator(".who")).to_have_text("o1-mini")
    await expect(reply.locator(".gallery img")).to_be_visible()
    assert await console.shows_pictures()
    await console.page.reload()
    await expect(console["#profile"]).to_have_value("raw")
    await expect(console["#system"]).to_have_value("Be brief.")
    await expect(console["#model"]).to_have_value("o1-mini")


ODD = """It's "quoted" \\ $HOME `date` 你好 %s\nnew line"""


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
async def test_each_dialect_has_its_request_events_and_programs(
    chromium: Browser, tmp_path: Path, dialect: str
) -> None:
    """As the upstream sees them: three turns with the same messages."""
    path = {"chat": "chat/completions"}.get(dialect, dialect)
    last = {"chat": "[DONE]", "responses": "response.completed", "messages": "message_stop"}
    async with (
        scripted_upstream() as upstream,
        running_gateway(upstream.url, tmp_path) as gateway,
        opened(chromium, gateway.url) as console,
    ):
        upstream.plays(final(ODD), DONE)
        await console.give_key("fk-key")
        await console["#dialect"].select_option(dialect)
        await console["#profile"].select_option("raw")
        await console["#system"].fill(ODD)
        async with console.page.expect_request(f"**/v1/{path}"):
            reply = await console.ask(ODD)
        await expect(reply.locator(".facts")).to_contain_text("ended:")
        await expect(console["#events"]).to_contain_text(last[dialect])
        await console.screenshot(f"11-{dialect}")
        await console["#tab-curl"].click()
        output = await _run("sh", "-c", await console["#curl"].inner_text())
        *_, end, blank = output.splitlines()
        assert (last[dialect].encode() in end, blank) == (True, b"")
        await console["#tab-python"].click()
        output = await _run(sys.executable, "-c", await console["#python"].inner_text())
        assert output.decode() == f"{ODD}\n"
        asked = [
            [message["content"]["parts"] for message in turn.body["messages"]]
            for turn in upstream.turns
        ]
        assert asked == [[[ODD], [ODD]]] * 3
        await console.page.reload()
        await expect(console["#dialect"]).to_have_value(dialect)


@pytest.mark.parametrize("dialect", ["responses", "messages"])
async def test_a_cut_is_an_error_in_each_dialect(console: Console, dialect: str) -> None:
    await console["#dialect"].select_option(dialect)
    reply = await console.ask("long 100 /fault cut 5")
    await expect(reply.locator(".error")).to_contain_text("cut off")
    await expect(reply.locator(".markdown").first).not_to_be_empty()


async def test_a_model_can_be_named_that_is_not_listed(console: Console) -> None:
    await console["#model"].select_option("")
    await console["#model-name"].fill("no-such-model")
    reply = await console.ask("Hello")
    await expect(reply.locator(".error")).to_contain_text("model_not_found")
    await console["#models"].get_by_role("button", name="gpt-4o-mini").click()
    await expect(console["#model"]).to_have_value("gpt-4o-mini")
    await expect(console["#model-name"]).to_be_hidden()


async def test_language_and_colours_can_be_changed_and_are_remembered(console: Console) -> None:
    page = console.page
    await console.ask("Hello")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await console["#theme"].click()
    await console["#theme"].click()
    await expect(console["html"]).to_have_attribute("data-theme", "dark")
    assert await page.evaluate(ground) != light
    await console["#language"].click()
    await expect(console["html"]).to_have_attribute("lang", "zh-CN")
    await expect(console["#send"]).to_have_text("发送")
    await expect(console[".you .who"]).to_have_text("你")
    await page.reload()
    await expect(console["html"]).to_have_attribute("lang", "zh-CN")
    await expect(console["html"]).to_have_attribute("data-theme", "dark")


async def test_state_and_figures_are_shown(console: Console) -> None:
    await console.ask("Hello")
    await expect(console["#checks"]).to_contain_text("Upstream")
    await expect(console["[data-figure=answers]"]).not_to_have_text("0")
    await expect(console["[data-figure=first]"]).to_contain_text(" s")
    await expect(console["#models button"]).not_to_have_count(0)


async def test_the_windows_of_a_codex_account_are_bars(chromium: Browser, tmp_path: Path) -> None:
    async with (
        running_demo() as demo,
        running_gateway(
            demo,
            tmp_path,
            codex={"base_url": f"{demo}/backend-api/codex"},
            tokens={"codex_url": f"{demo}/oauth/token"},
        ) as gateway,
        opened(chromium, gateway.url, Look(390, "light", "zh")) as console,
    ):
        await console.view("setup")
        await console["#key"].fill("codex:ada-pro~1")
        bars = console["#windows [role=meter]"]
        await expect(bars).to_have_count(3)
        await expect(console["#plan"]).to_have_text("pro")
        await expect(console["#model"]).to_have_value(
            re.compile("gpt-6")
        )  # the account has no gpt-4o
        await expect(console["#windows"]).to_contain_text("重新开始")
        await expect(bars.first).to_have_attribute("aria-label", re.compile("5 小时：已用"))
        await expect(bars.first).to_have_attribute("aria-valuenow", "0")
        await console["#language"].click()
        await expect(bars.first).to_have_attribute("aria-label", re.compile("5 hours: .* used"))
        await console.give_key("codex:ada-pro~1")
        await console.ask("/fault limit 90")
        await console.view("setup")
        await expect(console["#windows .problem"]).to_contain_text("Used up: rests for")
        await expect(bars.first).to_have_attribute("data-level", "full")
        assert not await console.is_too_wide()
        await console["#key"].fill("demo")
        # The page looks again before it knows the models of this key, which has no allowance.
        await console.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(console["#usage"]).to_be_hidden()
        await expect(console["#model"]).to_have_value("gpt-4o")
        assert await console.problems(expected=("status of 429",)) == []


async def test_what_of_the_upstream_is_not_known_is_shown(
    chromium: Browser, tmp_path: Path
) -> None:
    new = event({"type": "brand_new", "title": "PRIVATE"})
    async with answered(chromium, tmp_path, new, new, final("Hi"), DONE) as (console, _):
        await expect(console["#drift"]).to_be_hidden()
        await console.ask("Hello")
        await expect(console["#drift-kinds li"]).to_contain_text("type brand_new 2 since 20")
        await expect(console["#drift"]).not_to_contain_text("PRIVATE")
        assert await console.problems() == []


async def test_those_who_do_not_see_it_are_told(console: Console) -> None:
    await console.ask("What is 6*7?")
    announcer = console["#announcer"]
    await expect(announcer).to_have_attribute("aria-live", "polite")
    await expect(announcer).to_contain_text("6*7=42")
    await expect(announcer).to_contain_text("Answer complete")


async def test_the_newest_text_is_followed_until_somebody_scrolls_up(console: Console) -> None:
    gap = """id => {
      const { scrollHeight, scrollTop, clientHeight } = document.getElementById(id);
      return scrollHeight - scrollTop - clientHeight;
    }"""
    await console.ask("help")
    await console.send("a long essay of 4000 tokens")
    await expect(console["#latest"]).to_be_hidden()
    await expect(console["#events li"].nth(40)).to_be_attached()
    assert await console.page.evaluate(gap, "panel-events") < 200
    assert await console.page.evaluate(gap, "scroller") < 200
    await console["#scroller"].hover()
    await console.page.mouse.wheel(0, -400)
    await expect(console["#latest"]).to_be_visible()
    assert await console.page.evaluate(gap, "scroller") > 200
    await console["#latest"].click()
    await expect(console["#latest"]).to_be_hidden()
    await console["#send"].click()
    await console.ended()


# --- events and snippets --------------------------------------------------------------


async def test_the_events_are_shown_and_copied_as_they_came(console: Console) -> None:
    await console.ask("Hello")
    await expect(console["#panel-events"]).to_be_visible()
    await expect(console["#events"]).to_contain_text("[DONE]")
    await console["#copy-inspected"].click()
    await expect(console["#copy-inspected"]).to_have_text("Copied")
    lines = (await console.page.evaluate("navigator.clipboard.readText()")).splitlines()
    chunks = [json.loads(line) for line in lines if line.startswith("{")]
    assert lines[0] == f"POST {console.url}/v1/chat/completions"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert lines[-1] == "[DONE]"
    assert len(lines) == await console["#events li"].count()


async def test_an_answer_and_its_code_can_be_copied(console: Console) -> None:
    reply = await console.ask("run code for 6*7")
    read = "navigator.clipboard.readText()"
    await reply.locator(".code button").first.click()
    await expect(reply.locator(".code button").first).to_have_text("Copied")
    assert "print(6*7)\n" in await console.page.evaluate(read)
    await reply.locator(".tools .copy").click()
    await expect(reply.locator(".tools .copy")).to_have_text("Copied")
    assert "```" in await console.page.evaluate(read)


async def _run(*command: str) -> bytes:
    environment = {**os.environ, "OPENAI_API_KEY": "fk-key"}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output


# --- what an answer may not do --------------------------------------------------------


@asynccontextmanager
async def answered(
    chromium: Browser, folder: Path, *steps: Step
) -> AsyncIterator[tuple[Console, Gateway]]:
    """The console in front of an upstream that gives exactly this answer."""
    async with scripted_upstream() as upstream, running_gateway(upstream.url, folder) as gateway:
        upstream.plays(*steps)
        async with opened(chromium, gateway.url) as console:
            await console.give_key("fk-key")
            yield console, gateway


HOSTILE = """<script>window.ran = 1</script> <img src=x onerror="window.ran = 1">

<iframe src="https://elsewhere.example/"></iframe>

[click](javascript:window.ran=1) [data](data:text/html,<script>1</script>)

![pixel](https://elsewhere.example/pixel.png?secret) <b onclick="window.ran=1">bold</b>

<style>body{display:none}</style>

[a link](https://elsewhere.example/page)
"""


async def test_an_answer_runs_and_fetches_nothing(chromium: Browser, tmp_path: Path) -> None:
    async with answered(chromium, tmp_path, final(HOSTILE), DONE) as (console, _):
        reply = await console.ask("Hello")
        text = reply.locator(".markdown")
        await expect(text).to_contain_text("<script>window.ran = 1</script>")
        await expect(text).to_contain_text("<style>body{display:none}</style>")
        assert (
            await text.locator("script, iframe, img, style, b, [onclick], [onerror]").count() == 0
        )
        assert await text.locator("a[href^='javascript:'], a[href^='data:']").count() == 0
        elsewhere = text.get_by_role("link", name="picture on elsewhere.example")
        await expect(elsewhere).to_have_attribute("rel", "noopener noreferrer")
        link = text.get_by_role("link", name="a link")
        await expect(link).to_have_attribute("rel", "noopener noreferrer")
        await expect(link).to_have_attribute("target", "_blank")
        assert await console.page.evaluate("window.ran") is None
        assert await console.problems() == []


MARKDOWN = """# Heading

A paragraph with **bold**, `code` and a [link][one].

| a | b |
| - | - |
| 1 | 2 |

```python
print("hello")
```

- [x] done
- item

> quoted

[one]: https://elsewhere.example/
"""


async def test_markdown_is_the_same_whole_and_in_pieces(chromium: Browser, tmp_path: Path) -> None:
    steps: list[Step] = [answer(MARKDOWN[:end]) for end in range(1, len(MARKDOWN), 3)]
    async with answered(chromium, tmp_path, *steps, final(MARKDOWN), DONE) as (console, _):
        pieces = await (await console.ask("Hello")).locator(".markdown").inner_html()
        for part in (
            "<h1>Heading</h1>",
            "<strong>bold</strong>",
            "<td>1</td>",
            "checkbox",
            "blockquote",
        ):
            assert part in pieces
        assert 'href="https://elsewhere.example/"' in pieces
        async with answered(chromium, tmp_path, final(MARKDOWN), DONE) as (other, _):
            assert await (await other.ask("Hello")).locator(".markdown").inner_html() == pieces


async def test_what_has_been_drawn_stays_while_more_arrives(
    chromium: Browser, tmp_path: Path
) -> None:
    steps: list[Step] = [answer("The first.\n\nThe sec"), STALL]
    async with answered(chromium, tmp_path, *steps) as (console, _):
        await console.send("Hello")
        first = console.last.locator(".markdown p").first
        await expect(first).to_have_text("The first.")
        await expect(console.last).to_have_attribute("aria-busy", "true")
        await expect(console["#announcer"]).to_contain_text("The first.")
        await expect(console["#announcer"]).not_to_contain_text("The sec")
        await console["#send"].click()
        await console.ended()
        await expect(console["#announcer"]).to_contain_text("The sec")


async def test_a_gateway_that_goes_away_is_an_error_with_words(
    chromium: Browser, tmp_path: Path
) -> None:
    async with answered(chromium, tmp_path, final("Hello"), DONE) as (console, gateway):
        await console.ask("Hello")
        await gateway.stop()
        reply = await console.ask("Hello?")
        await expect(reply.locator(".error")).to_contain_text("The gateway cannot be reached")
        await expect(console["#summary-button"]).to_have_text("Unreachable")


async def test_it_works_below_a_path_of_a_proxy(chromium: Browser, tmp_path: Path) -> None:
    """As nginx serves it with `location /gw/ { proxy_pass http://gateway/; }`."""
    async with (
        scripted_upstream() as upstream,
        running_gateway(upstream.url, tmp_path) as gateway,
        _proxy(gateway) as address,
        opened(chromium, address) as console,
    ):
        upstream.plays(final("Hello"), DONE)
        await console.give_key("fk-key")
        reply = await console.ask("Hello")
        await expect(reply.locator(".markdown")).to_have_text("Hello")
        await expect(console["#summary-button"]).to_have_text("Ready")
        await console["#tab-curl"].click()
        await expect(console["#curl"]).to_contain_text(f"{address}/v1/chat/completions")
        assert await console.problems() == []


@asynccontextmanager
async def _proxy(gateway: Gateway) -> AsyncIterator[str]:
    """Serve a gateway below a path, as a reverse proxy does; yields its address there."""

    async def forward(request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        url = f"{gateway.url}/{request.match_info['path']}"
        data = await request.read()
        async with gateway.session.request(
            request.method, url, headers=headers, data=data
        ) as answer:
            kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/gw/{path:.*}", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/gw"
    finally:
        await runner.cleanup()


PASSED_ON = ("Accept", "Authorization", "Content-Type")
KEPT = ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "x-request-id")


async def test_it_works_under_a_prefix(chromium: Browser, tmp_path: Path) -> None:
    async with scripted_upstream() as upstream:
        upstream.plays(final("Hello"), DONE)
        server = {"api_prefix": "some/prefix"}
        async with (
            running_gateway(upstream.url, tmp_path, server=server) as other,
            opened(chromium, other.url) as console,
        ):
            await console.give_key("fk-key")
            reply = await console.ask("Hello")
            await expect(reply.locator(".markdown")).to_have_text("Hello")
            await console["#tab-curl"].click()
            await expect(console["#curl"]).to_contain_text("/some/prefix/v1/chat/completions")
            assert await console.problems() == []
