"""Thinking before speaking."""

import pytest

from tests.upstream.demo.conftest import Asker


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_thoughts_recap_and_channels(asker: Asker, encodings: list[str]) -> None:
    stream = await asker.ask("think about boats", supported_encodings=encodings)
    kinds = [(one["content"]["content_type"], one["channel"]) for one in stream.by("assistant")]
    assert kinds == [
        ("model_editable_context", None),
        ("thoughts", None),
        ("text", "analysis"),
        ("text", "commentary"),
        ("reasoning_recap", None),
        ("text", None),
    ]
    first, second = stream.by("assistant")[1]["content"]["thoughts"]
    assert first["content"] == "The user wants to see how I think."
    assert (second["summary"], second["content"]) == ("Only a summary here", "")
    assert first["finished"] is True


async def test_o1_thinks_in_tool_messages(asker: Asker) -> None:
    stream = await asker.ask("boats?", model="o1-preview")
    steps = stream.by("tool")
    assert [one["metadata"]["finished_text"] for one in steps] == [
        "Reading the question",
        "Preparing the answer",
    ]
    assert "boats?" in stream.text
