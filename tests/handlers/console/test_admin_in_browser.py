"""The operator's page as people use it: a real Chromium, a real gateway, the demo behind it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from service.admin.admin_key import MAX_WRONG
from tests.gateway import Gateway, running_demo, running_gateway
from tests.handlers.console.browser import Console, Look, opened, running_chromium
from upstream.login import device_code

pytestmark = pytest.mark.asyncio(loop_scope="module")

module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")
KEY = "of-the-operator"
BUDGET = 3
LOOKS = (
    Look(1440, "light", "en"),
    Look(1440, "dark", "zh"),
    Look(390, "light", "zh"),
    Look(390, "dark", "en"),
)
WORDS = {
    "en": {
        "nobody": "Nobody has signed in yet",
        "none": "No calls",
        "wrong": "This is not the admin key.",
        "signed_in": "Signed in",
        "refused": "refused",
        "complete": "complete",
        "day": "Requests a day",
        "used": "4 calls",
        "gone": "(revoked)",
    },
    "zh": {
        "nobody": "尚无账号登录",
        "none": "没有",
        "wrong": "这不是管理密钥。",
        "signed_in": "已登录",
        "refused": "拒绝",
        "complete": "完整",
        "day": "每日请求数",
        "used": "4 次调用",
        "gone": "（已吊销）",
    },
}


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Any:
    """The issuer is asked again at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_code, "_INTERVALS", (0.05, 60.0))
        yield


@module_fixture
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@asynccontextmanager
async def running(factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with (
        running_demo() as demo,
        running_gateway(
            demo,
            factory.mktemp("operated"),
            server={"admin_key": KEY},
            codex={"base_url": f"{demo}/backend-api/codex"},
            tokens={"codex_url": f"{demo}/oauth/token"},
        ) as gateway,
    ):
        yield gateway


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway where nobody has signed in yet."""
    async with running(tmp_path_factory) as gateway:
        yield gateway


@module_fixture
async def used_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway with an account, a key and its calls."""
    async with running(tmp_path_factory) as gateway:
        account = await signed_in(gateway)
        fields = {"name": "robot", "account": account["id"], "budgets": {"requests_per_day": 60}}
        made = await asked(gateway, "POST", "keys", json=fields)
        for number in range(55):
            text = "/fault 429 7" if number % 9 == 8 else "Hello"
            await gateway.chat(text, token=made["secret"], model="gpt-6-sol")
        await logged(gateway, 50)
        yield gateway


async def asked(gateway: Gateway, method: str, path: str, **given: Any) -> Any:
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{gateway.url}/admin/{path}"
    async with gateway.session.request(method, url, headers=headers, **given) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def signed_in(gateway: Gateway) -> Any:
    begun = await asked(gateway, "POST", "sign-ins", json={"name": "home"})
    async with asyncio.timeout(20):
        while True:
            now = await asked(gateway, "GET", f"sign-ins/{begun['id']}")
            if now["state"] != "waiting":
                return now["account"]
            await asyncio.sleep(0.05)


async def logged(gateway: Gateway, number: int) -> None:
    """Wait until the log has so many calls: they are written in the background."""
    async with asyncio.timeout(30):
        while True:
            if len((await asked(gateway, "GET", "calls?limit=500"))["data"]) >= number:
                return
            await asyncio.sleep(0.1)


async def enter(console: Console, key: str = KEY) -> None:
    await console["#admin-key"].fill(key)
    await console["#admin-key"].press("Enter")
    await expect(console["#pages"]).to_be_visible()


async def go(console: Console, page: str) -> None:
    await console[f"#pages a[href='#{page}']"].click()
    await expect(console[f"#page-{page}"]).to_be_visible()
    await expect(console[f"#page-{page} .ghosts"]).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
async def test_from_signing_in_to_a_key_that_is_used_up(
    chromium: Browser, gateway: Gateway, look: Look
) -> None:
    words = WORDS[look.language]
    async with opened(chromium, gateway.url, look, "console/admin") as console:
        await _enter(console, words)
        await _sign_in(console, words)
        secret = await _make_key(console)
        ask = {"token": secret, "model": "gpt-6-sol", "stream": True}
        answers = [await gateway.chat(**ask) for _ in range(BUDGET + 1)]
        assert [answer.status for answer in answers] == [200] * BUDGET + [429]
        await logged(gateway, BUDGET + 1)
        await _see_key(console, words)
        await _see_calls(console, words)
        await _see_charts(console)
        await _revoke(console, words)
        assert secret not in await console.page.content()
        assert await console.problems(expected=("status of 401",)) == []


async def _enter(console: Console, words: dict[str, str]) -> None:
    await console.screenshot("admin-1-gate")
    await console["#admin-key"].fill("wrong")
    await console["#admin-key"].press("Enter")
    await expect(console["#gate-problem"]).to_have_text(words["wrong"])
    assert await console.faults_of_access() == []
    await enter(console)
    await expect(console["#page-overview .nothing"]).to_contain_text(words["none"])
    await console.screenshot("admin-2-overview-empty")
    await go(console, "accounts")
    await expect(console["#page-accounts .nothing"]).to_contain_text(words["nobody"])
    await console.screenshot("admin-3-accounts-empty")
    assert await console.faults_of_access() == []


async def _sign_in(console: Console, words: dict[str, str]) -> None:
    await console["#page-accounts .heading button"].click()
    await expect(console["#sign-in-name"]).to_be_focused()
    await console["#sign-in-name"].fill("home")
    assert await console.faults_of_access() == []
    async with console.page.expect_response("**/admin/sign-ins") as begun:
        await console["dialog [type=submit]"].click()
    code = (await (await begun.value).json())["user_code"]
    await expect(console[".code-shown"]).to_have_text(code)
    await expect(console["dialog a.button"]).to_have_attribute("href", re.compile("/codex/device$"))
    await console.screenshot("admin-4-code")
    await expect(console[".live"]).to_have_attribute("data-state", "signed_in")
    await expect(console["dialog [role=status]"]).to_contain_text("home")
    await console.screenshot("admin-5-signed-in")
    assert await console.faults_of_access() == []
    await expect(console["#page-accounts .card h3"]).to_contain_text(words["signed_in"])


async def _make_key(console: Console) -> str:
    await console["dialog .dialog-foot .primary"].click()
    await expect(console["#key-name"]).to_be_focused()
    await console["dialog [type=submit]"].click()
    await expect(console["#key-name"]).to_be_focused()  # a name is required
    await console["#key-name"].fill("phone")
    await console["#key-requests_per_day"].fill(str(BUDGET))
    await console["#key-tokens_per_5_hours"].fill("2000000")
    await console.screenshot("admin-6-key-form")
    assert await console.faults_of_access() == []
    await console["dialog [type=submit]"].click()
    secret = await console[".secret-shown"].inner_text()
    await expect(console["dialog .copy"]).to_be_focused()
    await console.screenshot("admin-7-key-once")
    assert await console.faults_of_access() == []
    await console.page.keyboard.press("Escape")
    await expect(console[".secret-shown"]).to_be_visible()  # it is not lost by one key
    await console["dialog .dialog-foot .primary"].click()
    return secret


async def _see_key(console: Console, words: dict[str, str]) -> None:
    await go(console, "calls")
    await go(console, "keys")
    card = console["#page-keys .card"]
    day = card.locator(".window", has_text=words["day"])
    await expect(day.locator(".window-line b")).to_have_text(f"{BUDGET} / {BUDGET}")
    await expect(day.locator("[role=meter]")).to_have_attribute("aria-valuenow", "100")
    await expect(card).to_contain_text(words["used"])
    await console.screenshot("admin-8-key-used-up")
    assert await console.faults_of_access() == []
    assert not await console.is_too_wide()


async def _see_calls(console: Console, words: dict[str, str]) -> None:
    await console["#page-keys .card-foot .quiet"].first.click()
    rows = console["#page-calls tbody tr"]
    await expect(rows).to_have_count(BUDGET + 1)
    await expect(rows.first).to_contain_text(words["refused"])
    await expect(rows.first).to_contain_text("429")
    await expect(rows.last).to_contain_text(words["complete"])
    await expect(rows.last).to_contain_text("gpt-6-sol")
    await console.screenshot("admin-9-calls")
    assert await console.faults_of_access() == []
    await console["#calls-status"].fill("429")
    await expect(rows).to_have_count(1)
    await console["#calls-status"].fill("418")
    await expect(console["#page-calls .nothing"]).to_be_visible()
    assert not await console.is_too_wide()


async def _see_charts(console: Console) -> None:
    await go(console, "overview")
    await expect(console["#page-overview .figures dd"].first).to_have_text(str(BUDGET + 1))
    charts = console["#page-overview .charts .chart:has(svg)"]
    await expect(charts).to_have_count(4)
    await expect(charts.first.locator("svg rect[class^=tone]")).not_to_have_count(0)
    await expect(charts.last.locator("circle")).not_to_have_count(0)
    await charts.first.locator("summary").click()
    row = charts.first.locator("tbody tr").last
    await expect(row.locator("td").first).to_have_text(str(BUDGET + 1))
    await console.screenshot("admin-10-overview")
    assert await console.faults_of_access() == []
    for name in ("week", "month"):
        await console[f"#page-overview [value={name}]"].click()
        await expect(console[f"#page-overview [value={name}]"]).to_have_attribute(
            "aria-pressed", "true"
        )
        await expect(console["#page-overview .figures dd"].first).to_have_text(str(BUDGET + 1))
    await console["#language"].click()
    await expect(console["#page-overview .figures dd"].first).to_have_text(str(BUDGET + 1))
    await console["#language"].click()
    assert not await console.is_too_wide()


async def _revoke(console: Console, words: dict[str, str]) -> None:
    await go(console, "keys")
    await console["#page-keys .card-foot .quiet"].last.click()
    await console.screenshot("admin-11-revoke")
    assert await console.faults_of_access() == []
    await console["dialog .danger"].click()
    await expect(console["#page-keys .nothing"]).to_be_visible()
    await go(console, "overview")
    await expect(console["#page-overview .ranking"].first).to_contain_text(words["gone"])
    await go(console, "accounts")
    await expect(console["#page-accounts [role=meter]"]).not_to_have_count(0)
    await console.screenshot("admin-12-account")
    assert await console.faults_of_access() == []


@pytest_asyncio.fixture(loop_scope="module")
async def console(chromium: Browser, used_gateway: Gateway) -> AsyncIterator[Console]:
    """The page of a gateway that is in use, with the key given."""
    async with opened(chromium, used_gateway.url, path="console/admin") as console:
        await enter(console)
        yield console
        assert await console.problems(expected=("status of 4", "status of 5")) == []


async def test_calls_go_on_page_by_page(console: Console) -> None:
    await go(console, "calls")
    rows, buttons = console["#page-calls tbody tr"], console["#page-calls .pager button"]
    await expect(rows).to_have_count(50)
    await expect(buttons.first).to_be_disabled()
    newest = await rows.first.inner_text()
    await buttons.last.click()
    await expect(rows).to_have_count(5)
    await expect(buttons.last).to_be_disabled()
    await buttons.first.click()
    await expect(rows).to_have_count(50)
    assert await rows.first.inner_text() == newest
    await console["#calls-outcome"].select_option("refused")
    await expect(rows).to_have_count(6)


async def test_filters_stand_in_line(console: Console) -> None:
    await go(console, "calls")
    controls = console["#page-calls .filter :is(select, input)"]
    await expect(controls).to_have_count(6)
    tops = await controls.evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 1


async def test_a_time_left_is_told_in_whole_minutes_and_hours(console: Console) -> None:
    seconds = [30, 61, 3599.5, 18_000, 18_059, 18_060, 172_801]
    told = await console.page.evaluate(
        """async (all) => {
          const { until } = await import("./allowance.js");
          return all.map((seconds) => until(seconds, 0));
        }""",
        seconds,
    )
    assert told == ["less than a minute", "2 min", "1 h", "5 h", "5 h", "5 h 1 min", "2 d"]


async def test_the_key_stays_in_the_tab_and_is_forgotten(console: Console) -> None:
    page = console.page
    kept = "JSON.stringify({...localStorage}) + document.cookie + document.body.innerHTML"
    assert KEY not in page.url
    assert KEY not in await page.evaluate(kept)
    await page.reload()
    await expect(console["#pages"]).to_be_visible()
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.locator("#gate")).to_be_visible()
    await console["#lock"].click()
    await expect(console["#gate"]).to_be_visible()
    assert KEY not in await page.evaluate("JSON.stringify({...sessionStorage})")


async def test_a_key_is_changed_and_a_wrong_field_is_marked(
    console: Console, used_gateway: Gateway
) -> None:
    await go(console, "keys")
    await console["#page-keys .card-foot button"].first.click()
    await expect(console["#key-requests_per_day"]).to_have_value("60")
    await console["#key-name"].fill("\u202e")
    await console["dialog [type=submit]"].click()
    await expect(console["#key-name"]).to_have_attribute("aria-invalid", "true")
    await expect(console["#key-name"]).to_be_focused()
    await expect(console[".form-problem"]).to_contain_text("expected a name")
    await console["#key-name"].fill("robot")
    await console["#key-requests_per_day"].fill("70")
    await console["#key-models"].fill("gpt-6-sol, gpt-6-mini")
    await console["dialog [type=submit]"].click()
    await expect(console["#page-keys .window-line b"]).to_contain_text("/ 70")
    (key,) = (await asked(used_gateway, "GET", "keys"))["data"]
    assert (key["models"], key["budgets"]) == (
        ["gpt-6-sol", "gpt-6-mini"],
        {"requests_per_day": 70},
    )


async def test_a_sign_in_whose_dialog_is_closed_is_ended(
    console: Console, used_gateway: Gateway
) -> None:
    await go(console, "accounts")
    await console["#page-accounts .heading button"].click()
    async with console.page.expect_response("**/admin/sign-ins") as begun:
        await console["dialog [type=submit]"].click()
    sign_in = await (await begun.value).json()
    async with console.page.expect_response(f"**/admin/sign-ins/{sign_in['id']}") as ended:
        await console.page.keyboard.press("Escape")
        await expect(console["dialog"]).to_have_count(0)
        while (await ended.value).request.method != "DELETE":
            break
    state = (await asked(used_gateway, "GET", f"sign-ins/{sign_in['id']}"))["state"]
    assert state in ("ended", "signed_in")


async def test_what_fails_is_said_and_tried_again(console: Console) -> None:
    async def fail(route: Route) -> None:
        await route.fulfill(status=500, json={"error": {"message": "The log cannot be read."}})

    await console.page.route("**/admin/calls*", fail)
    await console[".bar #pages a[href='#calls']"].click()
    failure = console["#page-calls .failure"]
    await expect(failure).to_contain_text("The log cannot be read.")
    await expect(failure).to_have_attribute("role", "alert")
    await console.screenshot("admin-13-failure")
    assert await console.faults_of_access() == []
    await console.page.unroute("**/admin/calls*", fail)
    await failure.get_by_role("button").click()
    await expect(console["#page-calls tbody tr"]).to_have_count(50)


async def test_a_key_that_is_taken_away_is_asked_for_again(console: Console) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=401, json={"error": {"message": "no"}})

    await console.page.route("**/admin/keys", refuse)
    await console[".bar #pages a[href='#keys']"].click()
    await expect(console["#gate-problem"]).to_have_text("This is not the admin key.")
    await expect(console["#pages"]).to_be_hidden()


@pytest.mark.parametrize("look", [*LOOKS[:1], *LOOKS[2:]], ids=lambda look: look.name)
async def test_the_console_leads_there_and_back(
    chromium: Browser, used_gateway: Gateway, look: Look
) -> None:
    async with opened(chromium, used_gateway.url, look) as console:
        assert not await console.is_too_wide()
        assert await console.faults_of_access() == []
        await console.screenshot("admin-14-way-there")
        await console["#admin"].click()
        await expect(console["#gate"]).to_be_visible()
        await console[".bar-tools a"].click()
        await expect(console["#draft"]).to_be_visible()
        assert await console.problems() == []


async def test_wrong_keys_are_soon_told_to_wait_and_the_right_one_passes(
    chromium: Browser, used_gateway: Gateway
) -> None:
    async with opened(chromium, used_gateway.url, path="console/admin") as console:
        for number in range(MAX_WRONG + 1):
            await console["#admin-key"].fill(f"wrong {number}")
            async with console.page.expect_response("**/admin/keys"):
                await console["#admin-key"].press("Enter")
        await expect(console["#gate-problem"]).to_contain_text("Too many wrong keys. Try again in ")
        await enter(console)
