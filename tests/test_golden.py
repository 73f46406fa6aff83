"""Every picture and file scenario of the demo in every profile, against known good answers.

`make golden` writes `tests/golden/*.json` anew; review the difference like code.
"""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Answer, Gateway

FOLDER = Path(__file__).parent / "golden"
IS_WRITING = os.environ.get("WRITE_GOLDEN") == "true"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCENARIOS: dict[str, str | list[Any]] = {
    "picture": "draw two boats of 64x64",
    "picture_native": "draw a cat natively of 64x64",
    "picture_preview": "draw a cat with preview of 64x64",
    "picture_later": "draw a cat later of 64x64",
    "picture_refused": "draw something forbidden",
    "chart": "plot a chart",
    "file": "make report.csv",
    "file_expired": "make expired.csv",
    "file_retry": "make retry.csv",
    "picture_sent": [
        {"type": "text", "text": "What is in it?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ],
    "file_sent": [
        {"type": "text", "text": "里面写了什么"},
        {"type": "file", "file": {"filename": "notes.txt", "file_data": "Qm9hdHMgZmxvYXQu"}},
    ],
}
PROFILES: dict[str, tuple[str, dict[str, bool]]] = {
    "web": ("web", {}),
    "raw": ("raw", {}),
    "bot": ("bot", {}),
    "bot_markdown": ("bot", {"markdown_image_output": True}),
    "bot_plain": ("bot", {"plain_image_url_output": True}),
    "bot_plain_and_markdown": (
        "bot",
        {"plain_image_url_output": True, "markdown_image_output": True},
    ),
    "bot_references": ("bot", {"bing_reference_output": True}),
    "bot_plugin": ("bot", {"plugin_output": True}),
}
NEVER_ALIKE = {
    *("id", "created", "usage", "conversation_id", "message_id", "system_fingerprint"),
}
LINK = re.compile(r"http://127\.0\.0\.1:\d+/")
NAME = re.compile(r"\b[0-9a-f]{32}\b")
FILE_ID = re.compile(r"\bfile-\w+")


def normal(value: Any) -> Any:
    """Return a value without the parts that differ between two runs."""
    if isinstance(value, dict):
        return {key: normal(one) for key, one in value.items() if key not in NEVER_ALIKE}
    if isinstance(value, list):
        return [normal(one) for one in value]
    if isinstance(value, str):
        return FILE_ID.sub("FILE_ID", NAME.sub("NAME", LINK.sub("http://gateway/", value)))
    return value


def streamed(answer: Answer) -> dict[str, Any]:
    """Return the text of a stream in one piece, and its last chunk without the text."""
    *_, last, done = answer.events
    assert done == "[DONE]"
    return {"content": answer.text, "finish_chunk": last}


async def played(gateway: Gateway, scenario: str, profile: str) -> dict[str, Any]:
    asked: Any = {
        "token": f"fk-{scenario.replace('_', '-')}",  # of its own: an account has a few turns at once
        "messages": [{"role": "user", "content": SCENARIOS[scenario]}],
        "render_profile": profile,
    }
    whole, stream = await asyncio.gather(gateway.chat(**asked), gateway.chat(**asked, stream=True))
    assert whole.status == 200, whole.body
    told = {"whole": normal(whole.json), "streamed": normal(streamed(stream))}
    assert told["streamed"]["content"] == told["whole"]["choices"][0]["message"]["content"]
    return told


@pytest.mark.parametrize("name", PROFILES)
async def test_pictures_and_files_are_told_as_before(
    demo: str, start_gateway: StartGateway, name: str
) -> None:
    profile, switches = PROFILES[name]
    gateway = await start_gateway(demo, bot_mode=switches)
    answers = await asyncio.gather(*(played(gateway, each, profile) for each in SCENARIOS))
    told = dict(zip(SCENARIOS, answers, strict=True))
    path = FOLDER / f"{name}.json"
    if IS_WRITING:
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert told == json.loads(path.read_text("utf-8"))


def test_there_is_nothing_else_in_the_folder() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(PROFILES)
