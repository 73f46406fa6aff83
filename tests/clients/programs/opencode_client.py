"""opencode: its server, asked in both dialects, with a tool of a server that it is given."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from asking import BASE, CUT, KEY, MODEL, PLAIN, REPORT, WEATHER, Feature, passes

SERVER = Path(__file__).with_name("weather_server.py")
CONFIG = Path.home() / ".config" / "opencode"
HERE = {"baseURL": BASE, "apiKey": KEY}
KNOWN = {MODEL: {"name": MODEL, "tool_call": True, "limit": {"context": 100_000, "output": 4000}}}
SETTINGS = {
    "autoupdate": False,
    "share": "disabled",
    "small_model": f"chat/{MODEL}",
    "provider": {
        "chat": {"npm": "@ai-sdk/openai-compatible", "options": HERE, "models": KNOWN},
        "responses": {"npm": "@ai-sdk/openai", "options": HERE, "models": KNOWN},
    },
    "mcp": {"weather": {"type": "local", "command": [sys.executable, str(SERVER)]}},
}


class Server:
    """opencode's own, for the time of a block."""

    def __enter__(self) -> "Server":
        command = ("opencode", "serve", "--port", "0")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        listening = (re.search(r"listening on (http://\S+)", line) for line in self.process.stdout)
        self.address = next(found[1] for found in listening if found)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def post(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 - loopback
            return json.loads(response.read())

    def ask(self, dialect: str, question: str) -> tuple[str, str]:
        """Return text and error of the answer in a session of its own."""
        session = self.post("/session", {})["id"]
        model = {"providerID": dialect, "modelID": MODEL}
        parts = [{"type": "text", "text": question}]
        said = self.post(f"/session/{session}/message", {"model": model, "parts": parts})
        text = "".join(part["text"] for part in said["parts"] if part["type"] == "text")
        return text, json.dumps(said["info"].get("error", ""))


def speaking(dialect: str, server: Server) -> dict[str, Feature]:
    def stream() -> None:
        text, error = server.ask(dialect, PLAIN)
        assert "42" in text, error

    def tools() -> None:
        text, error = server.ask(dialect, WEATHER)
        assert f"Paris: {REPORT}" in text, error

    def cut() -> None:
        text, error = server.ask(dialect, CUT)
        assert text
        assert "cut off" in error

    return {f"{dialect}: stream": stream, f"{dialect}: tools": tools, f"{dialect}: cut": cut}


def prepare() -> None:
    CONFIG.mkdir(parents=True)
    (CONFIG / "opencode.json").write_text(json.dumps(SETTINGS), "utf-8")
    # It would fetch a package for plugins, unless it finds it there.
    (CONFIG / "node_modules").mkdir()
    installed = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
    (CONFIG / "package-lock.json").write_text(json.dumps(installed), "utf-8")


if __name__ == "__main__":
    prepare()
    with Server() as server:
        passes(speaking("chat", server) | speaking("responses", server))
