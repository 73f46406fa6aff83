import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from service.ports import StateStore
from service.turns import kept_values
from service.turns.kept_responses import KeptResponse, KeptResponses
from service.turns.kept_values import KeepLimits, KeptValues
from service.vocabulary.wire import to_json
from storage.state.store import open_state


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    yield store
    await store.close()


def response(text: str = "Hello") -> dict[str, Any]:
    return {"id": "resp_1", "output": [{"type": "message", "id": "msg_1", "text": text}]}


LIMITS = KeepLimits(60, 10**9, 10**9)
KEPT = KeptResponse(response(), [{"role": "user", "content": "Hi"}], "conv", "msg")


async def test_what_is_kept_is_found_by_its_owner_only(state: StateStore) -> None:
    kept = KeptResponses(KeptValues(state, LIMITS))
    await kept.keep("me", KEPT)
    assert await kept.find("me", "resp_1") == KEPT
    assert await kept.find("you", "resp_1") is None
    assert await kept.find("me", "resp_2") is None


async def test_it_is_kept_as_long_as_is_said(state: StateStore) -> None:
    await KeptResponses(KeptValues(state, KeepLimits(-1, 10**9, 10**9))).keep("me", KEPT)
    assert await KeptResponses(KeptValues(state, LIMITS)).find("me", "resp_1") is None


async def test_what_is_deleted_is_gone(state: StateStore) -> None:
    kept = KeptResponses(KeptValues(state, LIMITS))
    await kept.keep("me", KEPT)
    assert not await kept.delete("you", "resp_1")
    assert await kept.delete("me", "resp_1")
    assert not await kept.delete("me", "resp_1")
    assert await kept.find("me", "resp_1") is None


async def test_half_an_emoji_survives(state: StateStore) -> None:
    kept = KeptResponses(KeptValues(state, LIMITS))
    await kept.keep("me", KeptResponse(response("\ud83d")))
    found = await kept.find("me", "resp_1")
    assert found is not None
    assert found.response["output"][0]["text"] == "\ud83d"


async def test_input_over_the_limit_is_left_out(
    state: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_values, "MAX_KEPT_BYTES", 1_000)
    kept = KeptResponses(KeptValues(state, LIMITS))
    await kept.keep("me", KeptResponse(response(), [{"content": "x" * 1_000}], "conv", "msg"))
    assert await kept.find("me", "resp_1") == KeptResponse(response(), None, "conv", "msg")


async def test_a_response_over_the_limit_is_not_kept(
    state: StateStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_values, "MAX_KEPT_BYTES", 1_000)
    caplog.set_level(logging.WARNING)
    kept = KeptResponses(KeptValues(state, LIMITS))
    await kept.keep("me", KeptResponse(response("x" * 1_000)))
    assert await kept.find("me", "resp_1") is None
    assert "resp_1" in caplog.text


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"response": 1}'])
async def test_what_is_no_response_is_none(state: StateStore, value: bytes) -> None:
    await state.set("response:me:resp_1", value)
    assert await KeptResponses(KeptValues(state, LIMITS)).find("me", "resp_1") is None


@pytest.mark.parametrize("response_id", ["", "\ud83d", "a b", "x" * 129, "resp_1\n", "é"])
async def test_what_cannot_be_an_id_is_no_response(state: StateStore, response_id: str) -> None:
    kept = KeptResponses(KeptValues(state, LIMITS))
    assert await kept.find("me", response_id) is None
    assert not await kept.delete("me", response_id)


async def test_the_oldest_go_of_one_owner_and_of_all(state: StateStore) -> None:
    size = len(to_json(structs.asdict(KEPT)))
    kept = KeptResponses(KeptValues(state, KeepLimits(60, size * 3, size * 5)))
    for owner, number in (("me", 4), ("you", 1), ("them", 3)):
        for index in range(number):
            named = structs.replace(KEPT, response={**response(), "id": f"resp_{index}"})
            await kept.keep(owner, named)
    found = {
        (owner, index)
        for owner in ("me", "you", "them")
        for index in range(4)
        if await kept.find(owner, f"resp_{index}")
    }
    assert found == {("me", 3), ("you", 0), ("them", 0), ("them", 1), ("them", 2)}


async def test_a_response_over_all_that_is_kept_is_not_kept_and_drives_none_out(
    state: StateStore,
) -> None:
    kept = KeptResponses(KeptValues(state, KeepLimits(60, 300, 1000)))
    assert await kept.keep("me", KEPT)
    assert not await kept.keep("me", KeptResponse({**response("x" * 500), "id": "resp_2"}))
    assert await kept.find("me", "resp_1")
    assert await kept.find("me", "resp_2") is None


@pytest.mark.parametrize(
    ("status", "is_unfinished"),
    [("queued", True), ("in_progress", True), ("completed", False), ("failed", False)],
)
def test_what_is_unfinished_says_so(status: str, is_unfinished: bool) -> None:
    assert KeptResponse({"status": status}).is_unfinished is is_unfinished
    assert not KeptResponse(response()).is_unfinished  # an earlier version kept only ended ones
