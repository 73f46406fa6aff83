"""JSON that is kept as YAML beside a module, with `$names` that are filled in when it is sent.

`{id: $id, title: "GPT $id", n: $n}` becomes `{"id": "g-1", "title": "GPT g-1", "n": 2}`: a string
that is nothing but a name becomes its value. `{en: Hello, zh: 你好}` becomes one of the two texts,
as the name `is_chinese` says.
"""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

Names = Mapping[str, Any]


def load(module: str) -> Any:
    """Return the YAML that stands beside a module (its `__file__`) under the same name."""
    return msgspec.yaml.decode(Path(module).with_suffix(".yaml").read_bytes())


def fill(template: Any, names: Names) -> Any:
    """Return a template with all names filled in.

    Raises:
        KeyError: a name is not known.
    """
    match template:
        case str() if "$" in template:
            is_name = template[1:].isidentifier()
            return names[template[1:]] if is_name else string.Template(template).substitute(names)
        case {"en": english, "zh": chinese}:
            return fill(chinese if names["is_chinese"] else english, names)
        case dict():
            return {fill(key, names): fill(value, names) for key, value in template.items()}
        case list():
            return [fill(value, names) for value in template]
        case _:
            return template
