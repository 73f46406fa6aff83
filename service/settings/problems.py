"""Describes problems of the settings, a line each: the name, the value, the allowed values."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.settings.masks import shown

# Pydantic's names for values of the wrong shape, in the terms of a settings file.
_SHAPES = {
    "missing": "must be given",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "string_type": "must be a string",
}


class ConfigError(Exception):
    """The settings cannot be used; `problems` has one line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def unknown(name: str, valid: Iterable[str]) -> str:
    """Return the line for an unknown name, with the most similar valid one."""
    return f"{name}: no such setting; the nearest is {nearest(name, valid)}"


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name that is most similar to this one.

    A setting in the wrong section is as common as a misspelt one, so a matching last part counts
    more than anything else.
    """
    names = sorted(valid)
    misplaced = [other for other in names if _last(other) == _last(name)]
    same_section = [other for other in names if _section(other) == _section(name)]
    for candidates, cutoff in ((misplaced, 0.0), (same_section, 0.6), (names, 0.75)):
        if close := difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff):
            return close[0]
    return max(names, key=lambda other: _likeness(_last(name), _last(other)))


def both_ways(setting: str, first: str, second: str) -> str:
    """Return the line for a setting that is given under two names."""
    return f"{setting}: given both as {first} and as {second}; keep one"


def wrong(setting: str, value: object, may_be: str, origin: str | None = None) -> str:
    """Return the line for an invalid value.

    Args:
        setting: its dotted name.
        value: the value that was given; secrets are masked here.
        may_be: `must be …`.
        origin: the name it was given by, if that is another one.
    """
    label = f"{setting} (given as {origin})" if origin and origin != setting else setting
    return f"{label}: {shown(setting, value)} is not valid, it {may_be}"


def from_validation(
    error: ValidationError, origins: Mapping[str, str], valid: Iterable[str]
) -> list[str]:
    """Return one line for each error that pydantic found.

    Args:
        error: the error that it raised.
        origins: dotted setting to the name it was given by, where that is another.
        valid: dotted names of all settings; `*` stands for a name that users choose.
    """
    names = tuple(valid)
    return [_line(details, origins, names) for details in error.errors()]


def _line(details: ErrorDetails, origins: Mapping[str, str], valid: Sequence[str]) -> str:
    setting = dotted(details["loc"])
    kind = details["type"]
    if kind == "extra_forbidden":
        row = dotted(details["loc"][:2])
        rows = [name.replace("*", row.partition(".")[2]) for name in valid if "*" in name]
        settings = [name for name in valid if "*" not in name]
        return unknown(setting, settings + [name for name in rows if name.startswith(f"{row}.")])
    if kind == "missing":
        return f"{setting}: {_SHAPES[kind]}"
    may_be = _SHAPES.get(kind) or details["msg"].removeprefix("Value error, ")
    return wrong(setting, details["input"], may_be, _origin(setting, origins))


def dotted(location: Iterable[int | str]) -> str:
    """Return the dotted name of a place in the settings: `upstream.api_prefixes[1]`."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part != "[key]":  # pydantic's mark for an error in a key, which precedes it
            name += f".{part}" if name else part
    return name


def _origin(setting: str, origins: Mapping[str, str]) -> str | None:
    given = [
        name for name in origins if setting == name or setting.startswith((f"{name}.", f"{name}["))
    ]
    return origins[max(given, key=len)] if given else None


def _section(name: str) -> str:
    return name.rpartition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
