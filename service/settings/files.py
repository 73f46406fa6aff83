"""Reads settings files into plain mappings, without knowledge of any setting.

A file is JSON when it starts with `{` and parses as such (JSON allows tabs and surrogate pairs,
which YAML 1.1 parsers treat differently), else YAML. Scalars stay the strings that were written,
for the setting's type to read: YAML 1.1 would read `12:30` as 750, and some passwords as numbers.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from service.settings.problems import ConfigError

DEFAULT_GPTS = "gpts.yaml"
SEED_GPTS = "gpts.json"


class _Loader(yaml.SafeLoader):
    """A YAML loader that keeps scalars as strings, except null, and refuses duplicate keys."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(
                key_node, yaml.ScalarNode
            ):
                continue
            if key_node.value in seen:
                problem = f"the key {key_node.value} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


# PyYAML anchors patterns at the start only, so each pattern has its own end.
_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file; empty for an empty file.

    Entries without a value are left out, so that a section whose settings are all commented out
    counts as absent.

    Raises:
        ConfigError: it cannot be read, is neither format, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: the file is not UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    tree = _parse(path, text)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError([f"{path}: must be a mapping of settings, not a {type(tree).__name__}"])
    try:
        return _without_nulls(tree)
    except RecursionError:
        raise ConfigError([f"{path}: a mapping holds itself"]) from None


def find_gpts(settings: Path | None, named: object, *, is_seed: bool) -> Path | None:
    """Return the file of GPTs: the one that is named, else the first that lists any.

    Naming the default file counts as naming none, because the shipped settings do so. The seed
    keeps its GPTs in `gpts.json` beside its `config.json`; an empty `gpts.yaml` as shipped with
    this version may stand there as well.

    Raises:
        ConfigError: a file that was looked at cannot be read.
    """
    folder = settings.parent if settings else Path()
    if named is not None and named != DEFAULT_GPTS:
        return folder / str(named).strip()
    is_json = is_seed or (settings is not None and settings.suffix == ".json")
    names = (SEED_GPTS, DEFAULT_GPTS) if is_json else (DEFAULT_GPTS, SEED_GPTS)
    return next((folder / name for name in names if _has_entries(folder / name)), None)


def _has_entries(path: Path) -> bool:
    return path.is_file() and bool(read_mapping(path))


def _parse(path: Path, text: str) -> object:
    json_error = None
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_unique)
        except json.JSONDecodeError as error:
            json_error = f"line {error.lineno}: {error.msg}"
        except _DuplicateKeyError as error:
            raise ConfigError([f"{path}: {error}"]) from None
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with fewer types
    except (yaml.YAMLError, RecursionError) as error:
        reason = json_error if json_error and path.suffix == ".json" else _reason(error)
        raise ConfigError([f"{path}: {reason}"]) from None


class _DuplicateKeyError(ValueError):
    """A JSON object names a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            message = f"the key {key} is given twice"
            raise _DuplicateKeyError(message)
        result[key] = value
    return result


def _reason(error: Exception) -> str:
    """Return the reason on one line, without quoting the file, which may hold secrets."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "is neither YAML nor JSON"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def _without_nulls(tree: dict[Any, Any]) -> dict[str, Any]:
    return {
        str(key): _without_nulls(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }
