"""What the demo tells about itself."""

import hashlib

from tests.upstream.demo.conftest import Asker


async def test_refreshes_are_counted_under_a_hash(asker: Asker) -> None:
    for _ in range(2):
        await asker.session.post(asker.base + "/api/auth/refresh", data={"refresh_token": "abc"})
    key = hashlib.sha256(b"abc").hexdigest()[:8]
    assert (await asker.stats())["refreshes"] == {"total": 2, "by_token": {key: 2}}


async def test_requests_are_remembered_without_secrets(asker: Asker) -> None:
    headers = {"Authorization": "Bearer fk-secret", "chatgpt-account-id": "team-1"}
    await asker.session.get(asker.base + "/x/backend-api/me", headers=headers)
    (seen,) = (await asker.stats())["requests"]
    assert seen["path"] == "/x/backend-api/me"
    assert seen["has_authorization"] is True
    assert seen["headers"]["chatgpt-account-id"] == "team-1"
    assert "fk-secret" not in str(seen)


async def test_the_most_turns_at_once_are_told_by_account(asker: Asker) -> None:
    for text in ("one", "two"):
        await asker.ask(text)
    assert list((await asker.stats())["most_turns_open"].values()) == [1]


async def test_turns_can_be_looked_at_again(asker: Asker) -> None:
    await asker.ask("first question")
    await asker.ask("second question")
    assert (await asker.get("/demo/turns/1"))["messages"][0]["content"]["parts"] == [
        "second question"
    ]
    assert (await asker.get("/demo/turns/2"))["messages"][0]["content"]["parts"] == [
        "first question"
    ]
    await asker.get("/demo/turns/3", status=404)
    assert (await asker.stats())["turns"]["by_status"] == {"200": 2}
    assert (await asker.stats())["turns_open"] == 0


async def test_what_was_played_is_told_under_its_mark(asker: Asker) -> None:
    await asker.ask("no mark")
    await asker.ask("/mark first-1 draw a boat")
    await asker.ask("/mark second Hello /fault nodone")
    body = asker.body("/fault 404 /mark third Hello")
    async with asker.post("/backend-api/conversation", body) as response:
        assert response.status == 404
    assert await asker.get("/demo/plays") == [
        {"mark": "first-1", "fault": "", "scenario": "picture", "status": 200},
        {"mark": "second", "fault": "nodone", "scenario": "plain", "status": 200},
        {"mark": "third", "fault": "404", "scenario": "", "status": 404},
    ]
