"""The tables of settings and endings, made from the code and written by `make tables`.

Names, order, defaults, old names and endings come from `service/`. Their meanings, in each
language, come from `settings.yaml` and `endings.yaml` beside this file. A test compares the pages.
"""

import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from service.settings.config import SETTINGS, Config
from service.settings.environment import SEED_NAMES as SEED_VARIABLES
from service.settings.seed_names import SEED_SETTINGS
from service.vocabulary.endings import TABLE, Ending
from service.vocabulary.events import Outcome

FOLDER = Path(__file__).parent
MEANINGS = FOLDER / "settings.yaml"
ENDINGS = FOLDER / "endings.yaml"
PAGES = {"en": "settings.md", "zh": "settings.zh-CN.md"}
ENDING_PAGES = {"en": "api.md", "zh": "api.zh-CN.md"}
HEADS = {
    "en": "| setting | default | old name | meaning |",
    "zh": "| 设置 | 默认值 | 旧名 | 含义 |",
}
ENDING_HEADS = {
    "en": "| what happened | stream | whole reply | outcome in log and metrics |",
    "zh": "| 发生了什么 | 流式 | 非流式 | 日志和指标中的 outcome |",
}
# The default of one setting is a table of its own.
MODELS = {"en": "[table](api.md#models-and-gpts)", "zh": "[见表](api.zh-CN.md#模型与-gpt)"}


def settings_table(language: str) -> str:
    """Return the table of settings in Markdown.

    Raises:
        KeyError: a setting has no meaning in this language.
    """
    meanings = read_meanings()
    rows = (_row(name, language, meanings[name][language]) for name in SETTINGS)
    return "\n".join([HEADS[language], "| --- | --- | --- | --- |", *rows]) + "\n"


def read_meanings() -> dict[str, dict[str, str]]:
    """Return the meanings: `{"server.port": {"en": "…", "zh": "…"}, …}`."""
    return dict(yaml.safe_load(MEANINGS.read_text("utf-8")))


def page(language: str) -> str:
    """Return the page of settings in this language with a new table.

    Raises:
        ValueError: the page does not have exactly one such table.
    """
    return _with_table(PAGES[language], HEADS[language], settings_table(language))


def endings_page(language: str) -> str:
    """Return the page of the API in this language with a new table of endings.

    Raises:
        ValueError: the page does not have exactly one such table.
    """
    return _with_table(ENDING_PAGES[language], ENDING_HEADS[language], endings_table(language))


def _with_table(file_name: str, head: str, table: str) -> str:
    text = (FOLDER / file_name).read_text("utf-8")
    made, count = re.subn(rf"{re.escape(head)}\n(\|.*\n)+", lambda _: table, text)
    if count != 1:
        raise ValueError(f"{file_name} has {count} tables that begin {head}")
    return made


def _row(name: str, language: str, meaning: str) -> str:
    value = reduce(getattr, name.split("."), Config())
    default = MODELS[language] if name == "models" else f"`{_shown(value)}`"
    old = ", ".join(f"`{one}`" for one in _old_names(name))
    return f"| `{name}` | {default} | {old}{' ' if old else ''}| {meaning} |"


def _old_names(setting: str) -> Iterator[str]:
    for names in (SEED_SETTINGS, SEED_VARIABLES):
        yield from (old for old, new in names.items() if new == setting)


def _shown(value: Any) -> str:
    """Return a value as it is written in YAML."""
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


# --- endings ----------------------------------------------------------------------------


def endings_table(language: str) -> str:
    """Return the table of how turns end in Markdown, one row for each outcome.

    Raises:
        KeyError: an outcome has no meaning in this language.
    """
    words = read_endings()
    rows = (_ending_row(outcome, language, words) for outcome in Outcome)
    return "\n".join([ENDING_HEADS[language], "| --- | --- | --- | --- |", *rows]) + "\n"


def read_endings() -> dict[str, Any]:
    """Return the content of `endings.yaml`."""
    return dict(yaml.safe_load(ENDINGS.read_text("utf-8")))


def _ending_row(outcome: Outcome, language: str, words: dict[str, Any]) -> str:
    endings = [row for row in TABLE if row.outcome is outcome]
    filled = {
        "reasons": _listed([_reason(row) for row in endings], words, "", language),
        "codes": _listed([_code(row) for row in endings], words, "code", language),
        "statuses": _listed([_status(row) for row in endings], words, "status", language),
    }
    told = words["told"][endings[0].told]
    stream, whole = (told[where][language].format(**filled) for where in ("stream", "whole"))
    return f"| {words['meanings'][outcome][language]} | {stream} | {whole} | `{outcome}` |"


def _listed(values: list[str], words: dict[str, Any], kind: str, language: str) -> str:
    """Return the values joined, each once; '' stands for the upstream's own value."""
    shown = [value for value in dict.fromkeys(values) if value]
    if kind and "" in values:
        shown.append(words["fitting"][kind][language])
    return str(words["or"][language]).join(shown)


def _reason(row: Ending) -> str:
    return f"`{row.finish_reason}`" if row.finish_reason else ""


def _code(row: Ending) -> str:
    return f"`{row.error.code}`" if row.error else ""


def _status(row: Ending) -> str:
    return f"{row.error.status} {_code(row)}" if row.error else ""


if __name__ == "__main__":
    for each, file_name in PAGES.items():
        (FOLDER / file_name).write_text(page(each), "utf-8")
    for each, file_name in ENDING_PAGES.items():
        (FOLDER / file_name).write_text(endings_page(each), "utf-8")
