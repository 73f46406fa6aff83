"""The catalogue and the windows over a real socket."""

from typing import Any

import pytest

from tests.upstream.demo.codex.client import CodexClient, NewClient
from tests.upstream.demo.codex.conftest import Clock
from upstream.demo.codex.accounts import Caller
from upstream.demo.codex.plans import FIVE_HOURS, KEPT_ACCOUNTS, PERCENT_PER_TURN, WEEK, Limits

MODELS = "/backend-api/codex/models?client_version="
NEW = "0.999.0"
ENTRY_KEYS = {
    *("slug", "display_name", "visibility", "priority", "supported_reasoning_levels"),
    *("context_window", "input_modalities", "use_responses_lite", "minimal_client_version"),
}


async def slugs(client: CodexClient, version: str = NEW) -> list[str]:
    answer = await client.send("GET", MODELS + version)
    assert answer.status == 200
    return [model["slug"] for model in answer.json["models"]]


async def test_the_catalogue_depends_on_version_and_plan(
    anna: CodexClient, new_client: NewClient
) -> None:
    free = new_client("free-bob")
    await free.exchange()
    everything = set(await slugs(anna))
    assert everything - set(await slugs(anna, "0.130.0")) == {"gpt-6.1-sol"}
    assert everything - set(await slugs(free)) == {"gpt-6.1-sol", "gpt-5.5"}
    assert await slugs(anna, "0.1.0") == []


async def test_an_entry_has_what_clients_read(anna: CodexClient) -> None:
    models = (await anna.send("GET", MODELS + NEW)).json["models"]
    assert all(model.keys() >= ENTRY_KEYS for model in models)
    assert {model["visibility"] for model in models} == {"list", "hide"}
    assert sum(model["use_responses_lite"] for model in models) == 1
    assert not models[0]["use_responses_lite"]


async def test_who_has_the_catalogue_is_not_sent_it_again(anna: CodexClient) -> None:
    etag = (await anna.send("GET", MODELS + NEW)).headers["ETag"]
    known = anna.headers(**{"If-None-Match": etag})
    again = await anna.send("GET", MODELS + NEW, headers=known)
    assert (again.status, again.raw) == (304, b"")
    assert (await anna.send("GET", MODELS + "0.130.0", headers=known)).status == 200
    assert (await anna.ask("hello")).headers["x-models-etag"] == etag


@pytest.mark.parametrize("version", ["", "new", "1.2"])
async def test_a_version_is_needed(anna: CodexClient, version: str) -> None:
    assert (await anna.send("GET", MODELS + version)).status == 400


async def usage(client: CodexClient, path: str = "/backend-api/wham/usage") -> dict[str, Any]:
    answer = await client.send("GET", path)
    assert answer.status == 200
    return answer.json


async def test_turns_fill_the_windows(anna: CodexClient, clock: Clock) -> None:
    before = await usage(anna)
    assert before["rate_limit"]["primary_window"]["used_percent"] == 0
    for _ in range(2):
        answer = await anna.ask("hello")
    window = (await usage(anna, "/backend-api/codex/usage"))["rate_limit"]["primary_window"]
    assert window["used_percent"] == 2 * PERCENT_PER_TURN
    assert window["limit_window_seconds"] == FIVE_HOURS * 60
    assert window["reset_at"] == clock.now + FIVE_HOURS * 60
    assert answer.headers["x-codex-primary-used-percent"] == str(2 * PERCENT_PER_TURN)
    assert answer.headers["x-codex-secondary-window-minutes"] == str(WEEK)
    assert answer.headers["x-codex-plan-type"] == "plus"
    clock.now += FIVE_HOURS * 60 + 60
    later = (await usage(anna))["rate_limit"]["primary_window"]
    assert later["reset_at"] == window["reset_at"] + FIVE_HOURS * 60


async def test_a_window_begins_anew_empty(anna: CodexClient, clock: Clock) -> None:
    await anna.ask("hello")
    clock.now += FIVE_HOURS * 60
    limits = (await usage(anna))["rate_limit"]
    assert limits["primary_window"]["used_percent"] == 0
    assert limits["secondary_window"]["used_percent"] == PERCENT_PER_TURN


async def test_a_free_plan_has_the_week_alone(new_client: NewClient) -> None:
    free = new_client("free-bob")
    await free.exchange()
    limits = (await usage(free))["rate_limit"]
    assert limits["primary_window"]["limit_window_seconds"] == WEEK * 60
    assert limits["secondary_window"] is None
    assert "x-codex-secondary-used-percent" not in (await free.ask("hello")).headers


async def test_an_account_rests_until_its_limit_ends(anna: CodexClient, clock: Clock) -> None:
    answer = await anna.ask("/fault limit 60")
    error = answer.json["error"]
    assert (answer.status, error["type"]) == (429, "usage_limit_reached")
    assert error["message"] == "The usage limit has been reached"
    assert (error["resets_at"], error["resets_in_seconds"]) == (clock.now + 60, 60)
    assert answer.headers["x-codex-primary-used-percent"] == "100.0"
    assert answer.headers["x-codex-primary-reset-at"] == str(int(clock.now) + 60)
    assert (await anna.ask("hello")).status == 429
    assert (await usage(anna))["rate_limit"]["limit_reached"]
    assert (await anna.stats())["asked_while_resting"] == 1
    clock.now += 60
    assert (await anna.ask("hello")).status == 200


async def test_pictures_have_a_limit_of_their_own(anna: CodexClient, clock: Clock) -> None:
    draw = {"tools": [{"type": "image_generation"}], "tool_choice": {"type": "image_generation"}}
    assert (await anna.ask("/fault limit:pictures 60")).status == 429
    assert (await anna.ask("a boat 64x64", **draw)).status == 429
    assert (await anna.ask("hello")).status == 200
    assert (await anna.ask("/fault limit 90")).status == 429
    clock.now += 60
    assert (await anna.ask("a boat 64x64", **draw)).status == 200
    assert (await anna.ask("hello")).status == 429


async def test_accounts_rest_apart(anna: CodexClient, new_client: NewClient) -> None:
    bob = new_client("bob")
    await bob.exchange()
    await anna.ask("/fault limit")
    assert (await bob.ask("hello")).status == 200


def test_accounts_are_bounded(clock: Clock) -> None:
    limits = Limits(clock)
    for number in range(KEPT_ACCOUNTS + 1):
        limits.spend(Caller(str(number), "plus", 0), "text")
    assert len(limits._used) == KEPT_ACCOUNTS
