"""The `llm` command and library; run by test_programs.py in the environment of clients."""

import json
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["LLM_USER_PATH"])
LLM = str(Path(sys.executable).with_name("llm"))
MODELS = f"""
- model_id: demo
  model_name: gpt-4o
  api_base: {os.environ["OPENAI_BASE_URL"]}
  api_key_name: gateway
  vision: true
  can_stream: true
"""


def run(*arguments: str) -> str:
    done = subprocess.run(
        [LLM, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "extra-openai-models.yaml").write_text(MODELS)
    (FOLDER / "keys.json").write_text(json.dumps({"gateway": os.environ["OPENAI_API_KEY"]}))


def main() -> None:
    prepare()
    assert run("-m", "demo", "6*7").strip().endswith("42")
    assert run("-m", "demo", "--no-stream", "6*7", "-o", "temperature", "0").strip().endswith("42")
    assert run("-m", "demo", "-c", "6*8").strip().endswith("48")
    streamed = run("-m", "demo", "several messages")
    assert streamed == run("-m", "demo", "--no-stream", "several messages")
    assert '"input"' in run("logs", "list", "-n", "1", "--json") or run("logs", "-u", "-n", "1")
    failed = subprocess.run(
        [LLM, "-m", "demo", "/fault 413"], capture_output=True, text=True, timeout=60, check=False
    )
    assert failed.returncode == 1
    assert "maximum context length" in failed.stderr


if __name__ == "__main__":
    main()
