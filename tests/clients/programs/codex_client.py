"""Codex's command line: questions, tools of a server that it is given, a patch, a schema, and a cut."""

import json
import os
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

from asking import BASE, CUT, KEY, MODEL, PLAIN, REPORT, TRIP, WEATHER, passes

HOME = Path(os.environ["CODEX_HOME"])
SERVER = Path(__file__).with_name("weather_server.py")
# Nothing is sent elsewhere, nothing looked for there, and nothing asked again.
SETTINGS = f"""
model = "{MODEL}"
model_provider = "gateway"
check_for_update_on_startup = false
web_search = "disabled"

[analytics]
enabled = false

[feedback]
enabled = false

[features]
apps = false
plugins = false
remote_plugin = false

[model_providers.gateway]
name = "gateway"
base_url = "{BASE}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[mcp_servers.weather]
command = "{sys.executable}"
args = ["{SERVER}"]
required = true
startup_timeout_sec = 60
"""
# Of those that it knows, one searches for tools and one calls them by a program.
KNOWN, PROGRAMMING = "gpt-5.5", "gpt-6-sol"
CODE = """/scene patch

---
const found = ALL_TOOLS.find(({ name }) => name.includes("weather"));
text(JSON.stringify(await tools[found.name]({ city: "Paris" })));
---"""
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


def run(question: str, *options: str) -> tuple[int, list[dict]]:
    """Return how it ended, and the events that it told."""
    command = ("codex", "exec", "--json", "--skip-git-repo-check", "--ephemeral")
    freely = "--dangerously-bypass-approvals-and-sandbox"
    done = subprocess.run(
        [*command, freely, *options, question],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "CODEX_API_KEY": KEY},
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def items(question: str, *options: str) -> dict[str, dict]:
    """Return what it did, by kind."""
    status, events = run(question, *options)
    assert status == 0, events
    done = [event["item"] for event in events if event["type"] == "item.completed"]
    return {item["type"]: item for item in done}


def stream() -> None:
    assert "42" in items(PLAIN)["agent_message"]["text"]


def tools() -> None:
    did = items(WEATHER)
    call = did["mcp_tool_call"]
    assert (call["server"], call["tool"]) == ("weather", "get_weather")
    assert call["arguments"] == {"city": "Paris"}
    assert REPORT in did["agent_message"]["text"]


def tools_that_it_finds() -> None:
    """A model that it knows is told of tools only when it searches for them."""
    did = items("search the tools for the Weather", "-m", KNOWN)  # the demo searches for capitals
    assert did["mcp_tool_call"]["tool"] == "get_weather"
    assert REPORT in did["agent_message"]["text"]


def tools_by_a_program() -> None:
    assert REPORT in items(CODE, "-m", PROGRAMMING)["agent_message"]["text"]


def patch() -> None:
    (change,) = items("/scene patch", "-m", KNOWN)["file_change"]["changes"]
    assert change["kind"] == "add"
    assert Path("demo.txt").read_text("utf-8") == "Written by the demo.\n"


def picture() -> None:
    file = Path("pixel.png")
    file.write_bytes(b64decode(PICTURE))
    text = items("/scene plain What is in it?", f"--image={file}")["agent_message"]["text"]
    assert "You sent image/png" in text, text


def by_web_socket_first() -> None:
    """Its own provider, which asks by WebSocket until it is told that there is none."""
    own = ("-c", "model_provider=openai", "-c", f"openai_base_url={BASE}")
    assert REPORT in items(WEATHER, *own)["agent_message"]["text"]


def structured() -> None:
    schema = Path("schema.json")
    schema.write_text(json.dumps(SCHEMA), "utf-8")
    text = items(TRIP, "--output-schema", str(schema))["agent_message"]["text"]
    assert json.loads(text) == {"city": "Rome", "days": 3}


def cut() -> None:
    status, events = run(CUT)
    assert status == 1
    assert events[-1]["type"] == "turn.failed"
    assert "cut off" in events[-1]["error"]["message"]


if __name__ == "__main__":
    HOME.mkdir(exist_ok=True)
    (HOME / "config.toml").write_text(SETTINGS, "utf-8")
    passes(
        {
            "responses: stream": stream,
            "responses: tools": tools,
            "responses: tool search": tools_that_it_finds,
            "responses: code": tools_by_a_program,
            "responses: patch": patch,
            "responses: picture": picture,
            "responses: WebSocket first": by_web_socket_first,
            "responses: JSON": structured,
            "responses: cut": cut,
        }
    )
