"""Text alone."""

import pytest

from tests.upstream.demo.conftest import Asker


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_a_long_answer_has_the_length_asked_for(asker: Asker, encodings: list[str]) -> None:
    stream = await asker.ask("long 150", supported_encodings=encodings)
    assert len(stream.text.split()) == 150
    assert len((await asker.ask("写一篇长文 200字")).text) > 200


async def test_several_messages_in_one_turn(asker: Asker) -> None:
    stream = await asker.ask("several messages")
    assert [one["end_turn"] for one in stream.answers()] == [False, False, True]


async def test_two_answers_alternate_and_the_loser_ends_first(asker: Asker) -> None:
    stream = await asker.ask("two answers")
    order = [
        one["message"]["id"]
        for _, one in stream.events
        if one.get("message") and one["message"]["metadata"].get("num_variants_in_stream")
    ]
    winner, loser = (one["id"] for one in stream.answers())
    assert order[:4] == [winner, winner, loser, winner]
    assert order[-2:] == [loser, winner]


async def test_an_older_channel_is_addressed_again(asker: Asker) -> None:
    stream = await asker.ask("two answers", supported_encodings=["v1"])
    channels = [one["c"] for name, one in stream.events if name == "delta" and "c" in one]
    assert channels.count(min(channels[-4:])) > 2


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_emoji_are_cut_in_half(asker: Asker, encodings: list[str]) -> None:
    body = asker.body("emoji", supported_encodings=encodings)
    async with asker.post("/backend-api/conversation", body) as response:
        raw = await response.read()
    assert (b'\\ud83d"' in raw) == bool(encodings)
    assert "👩‍🚀" in (await asker.ask("emoji", supported_encodings=encodings)).text


async def test_endings(asker: Asker) -> None:
    limited = (await asker.ask("token limit")).answers()[0]
    assert limited["metadata"]["finish_details"] == {"type": "max_tokens"}
    assert limited["status"] == "finished_partial_completion"
    blocked = await asker.ask("moderation")
    assert blocked.typed("moderation")[0]["moderation_response"]["blocked"] is True
    assert blocked.answers()[0]["status"] == "in_progress"
    old = await asker.ask("old moderation")
    (trailer,) = [one for _, one in old.events if one.get("is_completion")]
    assert "type" not in trailer
    assert trailer["moderation_response"]["blocked"] is True


async def test_hidden_words_are_hidden_in_three_ways(asker: Asker) -> None:
    stream = await asker.ask("hidden messages")
    assert str(stream.messages).count("HIDDEN") == 3
    assert "HIDDEN" not in stream.text


async def test_words_may_be_rewritten(asker: Asker) -> None:
    stream = await asker.ask("/scene rewrite")
    assert stream.text == "Demo: the answer is yes, after all."
    assert "answer is no." in str(stream.events)


@pytest.mark.parametrize(
    "text", ["Draw a cat.", "one\n\ntwo", "/fault voice:cut\n<text>", "画一只猫"]
)
async def test_a_text_is_repeated_word_for_word(asker: Asker, text: str) -> None:
    told = f"Repeat this word for word, and say no more.\n\n<<<\n{text}\n>>>"
    stream = await asker.ask(told)
    assert stream.text == text
