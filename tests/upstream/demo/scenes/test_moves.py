"""Moves that are code."""

import pytest

from tests.upstream.demo.conftest import Asker


@pytest.mark.parametrize("encodings", [[], ["v1"]])
@pytest.mark.parametrize("question", ["browse for boats", "浏览网页", "file search"])
async def test_citations_point_at_their_markers(
    asker: Asker, question: str, encodings: list[str]
) -> None:
    stream = await asker.ask(question, supported_encodings=encodings)
    citations = stream.answers()[0]["metadata"]["citations"]
    assert citations
    for one in citations:
        cited = stream.text[one["start_ix"] : one["end_ix"]]
        assert cited.startswith("【")
        assert cited.endswith("】")
        assert f"{one['metadata']['extra']['cited_message_idx']}" in cited


async def test_a_citation_comes_after_its_marker(asker: Asker) -> None:
    stream = await asker.ask("browse for boats")
    counts = [
        (len(one["message"]["metadata"]["citations"]), one["message"]["content"]["parts"][0])
        for _, one in stream.events
        if one.get("message") and "citations" in one["message"]["metadata"]
    ]
    assert any(count == 0 and "【0†source】" in text for count, text in counts)
    assert counts[-1][0] == 2


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_references_grow_item_by_item(asker: Asker, encodings: list[str]) -> None:
    stream = await asker.ask("search for boats", supported_encodings=encodings)
    shown, hidden, footnote = stream.answers()[0]["metadata"]["content_references"]
    for one in (shown, hidden):
        assert stream.text[one["start_idx"] : one["end_idx"]] == one["matched_text"]
    assert len(shown["items"]) == 2
    assert shown["alt"].startswith("([example.org](https://example.org/rivers)")
    assert hidden["type"] == "hidden"
    assert footnote["start_idx"] == footnote["end_idx"] == len(stream.text)
    assert stream.text.count("\ue200") == 3


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


async def test_a_chart_is_a_pointer_in_the_aggregate_result(asker: Asker) -> None:
    stream = await asker.ask("plot a chart")
    (result,) = stream.by("tool", "python")
    assert result["content"]["text"] == "<<ImageDisplayed>>"
    (image,) = result["metadata"]["aggregate_result"]["messages"]
    assert image["image_url"].startswith("file-service://file-")
