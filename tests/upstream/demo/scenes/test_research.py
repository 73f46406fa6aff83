"""Sources and where they point."""

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


async def test_a_file_search_names_the_attached_file(asker: Asker) -> None:
    body = asker.body("file search")
    body["messages"][0]["metadata"] = {"attachments": [{"id": "file-x", "name": "tax.pdf"}]}
    stream = await asker.ask("", messages=body["messages"])
    assert "【3:0†tax.pdf】" in stream.text
    assert stream.answers()[0]["metadata"]["citations"][0]["metadata"]["id"] == "file-x"
