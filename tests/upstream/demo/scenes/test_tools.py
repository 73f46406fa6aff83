"""Tools in the stream."""

import json

from tests.upstream.demo.conftest import Asker


async def test_code_runs_and_shows_its_result(asker: Asker) -> None:
    stream = await asker.ask("run code for 3*4")
    (call,) = [one for one in stream.messages.values() if one["recipient"] == "python"]
    assert call["content"]["language"] == "python3"
    assert "print(3*4)" in call["content"]["text"]
    (result,) = stream.by("tool", "python")
    assert result["content"] == {"content_type": "execution_output", "text": "12\n"}
    assert result["metadata"]["aggregate_result"]["status"] == "success"


async def test_a_chart_is_a_pointer_in_the_aggregate_result(asker: Asker) -> None:
    stream = await asker.ask("plot a chart")
    (result,) = stream.by("tool", "python")
    assert result["content"]["text"] == "<<ImageDisplayed>>"
    (image,) = result["metadata"]["aggregate_result"]["messages"]
    assert image["image_url"].startswith("file-service://file-")


async def test_a_file_is_linked_twice(asker: Asker) -> None:
    text = (await asker.ask("make report.csv")).text
    assert "[Download report.csv](sandbox:/mnt/data/report.csv)" in text
    assert text.count("sandbox:/mnt/data/report.csv") == 2


async def test_a_canvas_document_is_json(asker: Asker) -> None:
    stream = await asker.ask("canvas")
    (call,) = [
        one for one in stream.messages.values() if one["recipient"] == "canmore.create_textdoc"
    ]
    assert json.loads(call["content"]["text"])["name"] == "Demo document"
    assert stream.by("tool")[0]["metadata"]["canvas"]["version"] == 1


async def test_consent_ends_the_turn_without_words(asker: Asker) -> None:
    stream = await asker.ask("call an action")
    wanted = stream.by("tool")[0]["metadata"]["jit_plugin_data"]["from_server"]
    assert wanted["type"] == "confirm_action"
    assert not stream.answers()
    assert stream.is_done


async def test_a_tool_may_fail(asker: Asker) -> None:
    stream = await asker.ask("system error")
    content = stream.by("tool")[0]["content"]
    assert content["name"] == "ChatGPTAgentToolRateLimitException"
    assert stream.text
