"""Answers that continue elsewhere."""

from typing import Any

import pytest

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import BEARER, Stream, read

RESUME = "/backend-api/f/conversation/resume"
TURN = "/backend-api/f/conversation"


async def resume(asker: Asker, first: Stream, offset: int) -> tuple[int, Any]:
    (token,) = first.typed("resume_conversation_token")
    body = {"conversation_id": token["conversation_id"], "offset": offset}
    headers = {**BEARER, "X-Conduit-Token": token["token"]}
    async with asker.session.post(asker.base + RESUME, json=body, headers=headers) as response:
        return response.status, await response.read()


async def hand_off(asker: Asker, text: str, encodings: list[str]) -> tuple[Stream, bytes]:
    body = asker.body(text, supported_encodings=encodings)
    async with asker.post(TURN, body) as response:
        raw = await response.read()
    return read(raw), raw


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_a_replay_from_zero_has_everything(asker: Asker, encodings: list[str]) -> None:
    first, _ = await hand_off(asker, "Tell me about boats /fault handoff", encodings)
    assert first.typed("stream_handoff")[0]["options"][1] == {"type": "resume_sse_endpoint"}
    assert first.is_done
    assert not first.text
    status, raw = await resume(asker, first, 0)
    again = read(raw)
    assert status == 200
    assert again.is_v1 == bool(encodings)
    assert "Tell me about boats" in again.text
    assert (await asker.stats())["resumes"] == 1


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_a_replay_continues_where_it_broke(asker: Asker, encodings: list[str]) -> None:
    first, raw = await hand_off(asker, "Tell me about boats /fault handoff", encodings)
    _, rest = await resume(asker, first, len(first.events))
    assert b"delta_encoding" not in rest
    joined = read(raw.replace(b"data: [DONE]\n\n", b"") + rest)
    assert "Tell me about boats" in joined.text
    assert len(joined.typed("stream_handoff")) == 1


async def test_an_answer_may_only_be_stored(asker: Asker) -> None:
    first, _ = await hand_off(asker, "Tell me about boats /fault handoff410", [])
    status, raw = await resume(asker, first, 0)
    assert (status, b"persisted_final_available" in raw) == (410, True)
    conversation_id = first.typed("stream_handoff")[0]["conversation_id"]
    stored = await asker.get(f"/backend-api/conversation/{conversation_id}")
    last = stored["mapping"][stored["current_node"]]["message"]
    assert "Tell me about boats" in last["content"]["parts"][0]


async def test_the_token_must_fit(asker: Asker) -> None:
    first, _ = await hand_off(asker, "boats /fault handoff", [])
    first.typed("resume_conversation_token")[0]["token"] = "other"
    assert (await resume(asker, first, 0))[0] == 403
