"""What rows may name."""

import pytest

from tests.upstream.demo.conftest import Asker


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_a_long_answer_has_the_length_asked_for(asker: Asker, encodings: list[str]) -> None:
    stream = await asker.ask("long 150", supported_encodings=encodings)
    assert len(stream.text.split()) == 150
    assert len((await asker.ask("写一篇长文 200字")).text) > 200


@pytest.mark.parametrize(
    "text", ["Draw a cat.", "one\n\ntwo", "/fault voice:cut\n<text>", "画一只猫"]
)
async def test_a_text_is_repeated_word_for_word(asker: Asker, text: str) -> None:
    told = f"Repeat this word for word, and say no more.\n\n<<<\n{text}\n>>>"
    stream = await asker.ask(told)
    assert stream.text == text


async def test_a_file_search_names_the_attached_file(asker: Asker) -> None:
    body = asker.body("file search")
    body["messages"][0]["metadata"] = {"attachments": [{"id": "file-x", "name": "tax.pdf"}]}
    stream = await asker.ask("", messages=body["messages"])
    assert "【3:0†tax.pdf】" in stream.text
    assert stream.answers()[0]["metadata"]["citations"][0]["metadata"]["id"] == "file-x"
