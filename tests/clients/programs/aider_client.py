"""aider: a question, streamed and whole, an edit of a file, and a cut, after which it asks again."""

import json
from pathlib import Path

from aider.main import main as aider
from asking import BASE, KEY, MODEL, PLAIN, passes

FILE = Path("boat.py")
EDIT = """Please /scene repeat

---
boat.py
```python
<<<<<<< SEARCH
wheels = 4
=======
sails = 2
>>>>>>> REPLACE
```
---"""
QUIET = (
    "--no-git --yes-always --no-check-update --analytics-disable --no-show-model-warnings --no-pretty "
    "--no-show-release-notes --no-fancy-input --no-detect-urls --no-suggest-shell-commands"
)
# It would fetch a list of prices otherwise, and takes one that is a day old at most.
PRICES = Path.home() / ".aider" / "caches" / "model_prices_and_context_window.json"


def coder(edit_format: str, *options: str):
    here = ("--model", f"openai/{MODEL}", "--openai-api-base", BASE, "--openai-api-key", KEY)
    return aider([*QUIET.split(), *here, "--edit-format", edit_format, *options], return_coder=True)


def asked(question: str, *options: str) -> str:
    return coder("ask", *options).run(question)


def stream() -> None:
    assert "42" in asked(PLAIN)


def whole() -> None:
    assert "42" in asked(PLAIN, "--no-stream")


def edit() -> None:
    FILE.write_text("wheels = 4\n", "utf-8")
    coder("diff", str(FILE)).run(EDIT)
    assert FILE.read_text("utf-8") == "sails = 2\n"


def cut() -> None:
    """It asks again for a minute, so one answer is cut."""
    asking = coder("ask")
    answer = asking.run("long 20 /fault once:cut 5")
    assert asking.io.num_error_outputs == 1
    assert len(answer.split()) > 15


if __name__ == "__main__":
    PRICES.parent.mkdir(parents=True, exist_ok=True)
    PRICES.write_text(json.dumps({"gpt-4o": {"mode": "chat"}}), "utf-8")
    passes({"chat: whole": whole, "chat: stream": stream, "chat: edit": edit, "chat: cut": cut})
