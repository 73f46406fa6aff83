"""The tables of settings, made from the code: `make tables` writes them, a test compares.

Names, order, defaults and old names come from `service/`; what a setting means, in each language,
from `settings.yaml` beside this file.
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

FOLDER = Path(__file__).parent
MEANINGS = FOLDER / "settings.yaml"
PAGES = {"en": "settings.md", "zh": "settings.zh-CN.md"}
HEADS = {
    "en": "| setting | default | old name | meaning |",
    "zh": "| 设置 | 默认值 | 旧名 | 含义 |",
}
# The default of one setting is a table of its own.
MODELS = {"en": "[table](api.md#models-and-gpts)", "zh": "[见表](api.zh-CN.md#模型与-gpt)"}


def settings_table(language: str) -> str:
    """Return the table in Markdown.

    Raises:
        KeyError: a setting has no meaning in this language.
    """
    meanings = read_meanings()
    rows = (_row(name, language, meanings[name][language]) for name in SETTINGS)
    return "\n".join([HEADS[language], "| --- | --- | --- | --- |", *rows]) + "\n"


def read_meanings() -> dict[str, dict[str, str]]:
    """Return setting to language to what it means."""
    return dict(yaml.safe_load(MEANINGS.read_text("utf-8")))


def page(language: str) -> str:
    """Return the page of this language with its table made anew.

    Raises:
        ValueError: it does not have exactly one such table.
    """
    text = (FOLDER / PAGES[language]).read_text("utf-8")
    head = re.escape(HEADS[language])
    made, count = re.subn(rf"{head}\n(\|.*\n)+", lambda _: settings_table(language), text)
    if count != 1:
        raise ValueError(f"{PAGES[language]} has {count} tables of settings")
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
    """Return a value as somebody would write it in YAML."""
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    for each, file_name in PAGES.items():
        (FOLDER / file_name).write_text(page(each), "utf-8")
