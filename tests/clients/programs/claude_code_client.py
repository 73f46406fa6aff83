"""Claude Code: a loop of Bash, Read and Edit in a folder, streamed; a cut, and a model that is none."""

import json
import os
import subprocess
from pathlib import Path

from asking import BASE, CUT, KEY, MODEL, PLAIN, passes

WORD = "tulip"
ANSWER = Path("answer.txt")
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "IS_SANDBOX": "1",  # so that it runs tools unasked as root, too
}


def run(question: str, model: str = MODEL, **variables: str) -> tuple[dict, list[dict]]:
    """Return its result, and the events of its streams."""
    told = {
        "ANTHROPIC_BASE_URL": BASE.removesuffix("/v1"),
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
    }
    command = ("claude", "-p", "--output-format", "stream-json", "--verbose")
    streamed = ("--include-partial-messages", "--dangerously-skip-permissions")
    done = subprocess.run(
        [*command, *streamed, question],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, **QUIET, **told, **variables},
        text=True,
        check=False,
        timeout=100,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    events = [line["event"] for line in lines if line["type"] == "stream_event"]
    return lines[-1], events


def stream() -> None:
    result, events = run(PLAIN)
    assert not result["is_error"], result
    assert "42" in result["result"]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "42" in "".join(delta.get("text", "") for delta in deltas)
    assert result["usage"]["input_tokens"] > 0


def loop() -> None:
    Path("secret.txt").write_text(f"the word is {WORD}\n", "utf-8")
    ANSWER.write_text("old text\n", "utf-8")
    here = str(ANSWER.resolve())
    steps = [
        {"name": "Bash", "arguments": {"command": "cat secret.txt", "description": "Reads"}},
        {"name": "Read", "arguments": {"file_path": here}},
        {
            "name": "Edit",
            "arguments": {"file_path": here, "old_string": "old text", "new_string": "WORD"},
        },
    ]
    result, _ = run(f"Do these steps, one after the other:\n---\n{json.dumps(steps)}\n---")
    assert not result["is_error"], result
    assert ANSWER.read_text("utf-8").strip() == WORD
    assert result["num_turns"] > len(steps)
    assert WORD in result["result"]


def cut() -> None:
    """It is told that the answer was cut: it says so to the user, or to the model, to have the rest."""
    result, _ = run(CUT)
    assert "cut off" in result["result"], result


def unknown_model() -> None:
    result, _ = run(PLAIN, "no-such-model")
    assert result["is_error"], result
    assert "issue with the selected model (no-such-model)" in result["result"]


def wrong_key() -> None:
    """It does not go on trying for minutes."""
    result, _ = run(PLAIN, ANTHROPIC_AUTH_TOKEN="sk-gw-wrong")
    assert result["is_error"], result
    assert "authenticate" in result["result"], result


if __name__ == "__main__":
    passes(
        {
            "messages: stream": stream,
            "messages: loop of Bash and Edit": loop,
            "messages: cut": cut,
            "messages: unknown model": unknown_model,
            "messages: wrong key": wrong_key,
        }
    )
