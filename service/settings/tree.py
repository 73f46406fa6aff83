"""Trees of settings: nested mappings with string keys, not validated yet."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from service.settings.problems import both_ways, dotted


class Reading:
    """The settings of one source.

    Attributes:
        tree: the settings, by the names of this version.
        origins: dotted setting to the name it was given by, where that is another.
        notes: one sentence for each old name that was read.
        problems: one line for each thing that is wrong.
    """

    def __init__(self, tree: dict[str, Any] | None = None) -> None:
        self.tree: dict[str, Any] = tree or {}
        self.origins: dict[str, str] = {}
        self.notes: list[str] = []
        self.problems: list[str] = []

    def give(self, parts: Sequence[str], origin: str, value: object) -> None:
        """Set a setting by its name's parts, unless it is set already."""
        setting = dotted(parts)
        branch = self.tree
        for part in parts[:-1]:
            child = branch.setdefault(part, {})
            if not isinstance(child, dict):
                if dotted(parts[:-1]) in self.origins:
                    self.problems.append(both_ways(setting, self._name_of(parts), origin))
                return  # otherwise the file has a scalar here, and validation reports it
            branch = child
        if parts[-1] in branch:
            self.problems.append(both_ways(setting, self._name_of(parts), origin))
            return
        branch[parts[-1]] = value
        self.origins[setting] = origin

    def _name_of(self, parts: Sequence[str]) -> str:
        wholes = (dotted(parts[:end]) for end in range(len(parts), 0, -1))
        return next((self.origins[name] for name in wholes if name in self.origins), dotted(parts))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the base with the other tree merged over it.

    Where only the other has a mapping, the base's value stays, so that validation reports it.
    """
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if not isinstance(value, dict) or key not in base:
            result[key] = value
        elif isinstance(below, dict):
            result[key] = merged(below, value)
    return result


def setting_names(section: type[BaseModel], hidden: frozenset[str]) -> Iterator[str]:
    """Yield the dotted names of a model's settings, without the hidden fields."""
    for name, field in section.model_fields.items():
        if name in hidden:
            continue
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (f"{name}.{inner}" for inner in setting_names(kind, frozenset()))
        else:
            yield name
