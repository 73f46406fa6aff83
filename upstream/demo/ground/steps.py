"""Calls that a question asks for one after the other, so that an agent can be seen to run a loop.

    Do these steps:
    ---
    [{"name": "Bash", "arguments": {"command": "cat secret.txt"}},
     {"name": "Write", "arguments": {"file_path": "answer.txt", "content": "WORD"}}]
    ---

`WORD` stands for the last word of what the first call returned.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

_STEPS = re.compile(r"\bthese steps\b[^\n]*\n---\n(.*?)\n---", re.IGNORECASE | re.DOTALL)
_WORD = "WORD"
_WORDS = re.compile(r"[\w.-]+")


def has_steps(text: str) -> bool:
    """Tell whether a question asks for steps."""
    return _STEPS.search(text) is not None


def next_step(text: str, results: Sequence[str]) -> dict[str, Any] | None:
    """Return the call that is due after so many results, or None after the last one.

    It has a `name` and `arguments`.
    """
    found = _STEPS.search(text)
    steps: list[dict[str, Any]] = json.loads(found[1]) if found else []
    if len(results) >= len(steps):
        return None
    shown = json.dumps(steps[len(results)]).replace(_WORD, last_word(results))
    due: dict[str, Any] = json.loads(shown)
    return due


def last_word(results: Sequence[str]) -> str:
    """Return the last word of what the first call returned."""
    words = _WORDS.findall(results[0]) if results else []
    return words[-1] if words else "nothing"
