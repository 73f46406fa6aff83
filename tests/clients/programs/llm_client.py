"""The `llm` command and library."""

import json
import os
from pathlib import Path

from asking import BASE, CUT, KEY, MODEL, passes
from click.testing import CliRunner, Result
from llm.cli import cli

FOLDER = Path(os.environ["LLM_USER_PATH"])
MODELS = f"""
- model_id: demo
  model_name: {MODEL}
  api_base: {BASE}
  api_key_name: gateway
  vision: true
  can_stream: true
"""


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def run(*arguments: str) -> str:
    done = asked(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def failure(question: str, *options: str) -> str:
    done = asked("-m", "demo", question, *options)
    assert done.exit_code == 1, done.output
    return done.stderr


def prepare() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "extra-openai-models.yaml").write_text(MODELS)
    (FOLDER / "keys.json").write_text(json.dumps({"gateway": KEY}))


def whole() -> None:
    assert run("-m", "demo", "--no-stream", "6*7", "-o", "temperature", "0").strip().endswith("42")


def stream() -> None:
    assert run("-m", "demo", "6*7").strip().endswith("42")
    assert run("-m", "demo", "-c", "6*8").strip().endswith("48")
    streamed = run("-m", "demo", "several messages")
    assert streamed == run("-m", "demo", "--no-stream", "several messages")


def errors() -> None:
    assert "maximum context length" in failure("/fault 413")


def cut() -> None:
    assert "cut off" in failure(CUT)
    assert "cut off" in failure(CUT, "--no-stream")


if __name__ == "__main__":
    prepare()
    passes({"chat: whole": whole, "chat: stream": stream, "chat: errors": errors, "chat: cut": cut})
