"""Pictures in the stream."""

from tests.upstream.demo.conftest import Asker


async def test_dalle_shows_its_order_then_the_picture_then_a_hidden_note(asker: Asker) -> None:
    stream = await asker.ask("draw 2 pictures\nprompt: a red boat\nsize:64x64")
    (call,) = [one for one in stream.messages.values() if one["recipient"] == "dalle.text2im"]
    assert '"n":2' in call["content"]["text"]
    shown, note = stream.by("tool", "dalle.text2im")
    assert len(shown["content"]["parts"]) == 2
    part = shown["content"]["parts"][0]
    assert part["metadata"]["dalle"]["prompt"] == "A demo picture of: a red boat"
    assert (part["width"], part["height"]) == (64, 64)
    assert "HIDDEN" in note["content"]["parts"][0]
    assert stream.typed("server_ste_metadata")[0]["metadata"]["turn_use_case"] == "image gen"


async def test_a_native_status_is_replaced_by_a_bare_string(asker: Asker) -> None:
    body = asker.body("natively draw a boat 64x64", supported_encodings=["v1"])
    async with asker.post("/backend-api/conversation", body) as response:
        raw = await response.read()
    assert b'{"p":"/message/status","o":"replace","v":"finished_successfully"}' in raw


async def test_a_preview_is_replaced_by_a_better_picture(asker: Asker) -> None:
    stream = await asker.ask("draw a boat with preview 128x128", supported_encodings=["v1"])
    shown = stream.by("tool")[0]
    assert shown["status"] == "finished_successfully"
    part = shown["content"]["parts"][0]
    assert part["metadata"]["generation"]["height"] == part["height"] == 128
    v0 = await asker.ask("draw a boat with preview 128x128")
    pointers = {
        one["message"]["content"]["parts"][0]["asset_pointer"]
        for _, one in v0.events
        if one.get("message") and one["message"]["content"]["content_type"] == "multimodal_text"
    }
    assert len(pointers) == 2


async def test_a_refusal_draws_nothing(asker: Asker) -> None:
    stream = await asker.ask("draw something forbidden")
    assert not stream.by("tool")
    assert stream.answers()[0]["end_turn"] is True
    assert stream.typed("title_generation")[0]["title"] == "Request Denied"
