"""Merges model rows of the settings into the default table; each public name has one owner."""

import difflib
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from service.vocabulary.errors import NotFoundError

_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MAX_SHOWN_CHARS = 100
_CLOSEST = 3
_DATED = re.compile(rf"(.+)-(?:20[0-9]{{2}}-{_MONTH}-{_DAY}|{_MONTH}{_DAY})")
# Suffixes of a slug that do not make it another model: a date, or `latest`.
_VARIANT = re.compile(r"(?:-(?:\d{4,8}|\d{4}-\d\d-\d\d|preview|latest))+$")


class ModelRow(Struct, frozen=True):
    """A public name, its slug, and its aliases; None means the aliases of the default row."""

    slug: str
    aliases: tuple[str, ...] | None


def undated(name: str) -> str | None:
    """Return a name without its date, as of `gpt-4o-2024-08-06` or `gpt-4-0613`; None if undated."""
    found = _DATED.fullmatch(name)
    return found[1] if found else None


def is_other_model(asked: str, answered: str) -> bool:
    """Tell whether the model that answered is of another family than the one asked for."""
    is_open = asked in ("auto", answered) or "gizmo" in asked
    return not is_open and _VARIANT.sub("", asked) != _VARIANT.sub("", answered)


def unknown_model(name: str, known: Iterable[str]) -> NotFoundError:
    """Return the error for an unknown name; it suggests the closest known ones."""
    shown = _CONTROL.sub("?", name[: _MAX_SHOWN_CHARS + 1])
    if len(name) > _MAX_SHOWN_CHARS:
        shown = f"{shown[:_MAX_SHOWN_CHARS]}…"
    closest = difflib.get_close_matches(shown, dict.fromkeys(known), n=_CLOSEST, cutoff=0.0)
    message = f"The model `{shown}` does not exist or you do not have access to it."
    if closest:
        message += f" The closest known names are: {', '.join(closest)}."
    return NotFoundError(message, code="model_not_found", param="model")


def laid_over(
    defaults: Mapping[str, ModelRow],
    explicit: Mapping[str, ModelRow],
    replaced: Mapping[str, str],
    reserved: Iterable[str],
) -> dict[str, ModelRow]:
    """Return the merged table, public name to row; each name occurs once.

    Args:
        defaults: the default table.
        explicit: the rows of the settings; default rows lose the names used here.
        replaced: default public name to the explicit one that replaces it.
        reserved: other names that were given explicitly: those of GPTs.
    """
    taken = set(reserved).union(*(_names(name, row) for name, row in explicit.items()))
    table: dict[str, ModelRow] = {}
    for name, row in defaults.items():
        place = replaced.get(name, name)
        if place in explicit:
            table[place] = _completed(explicit[place], row, taken)
        elif left := [other for other in _names(name, row) if other not in taken]:
            table[left[0]] = ModelRow(row.slug, tuple(left[1:]))
    for name, row in explicit.items():
        table.setdefault(name, ModelRow(row.slug, row.aliases or ()))
    return table


def used_twice(
    explicit: Mapping[str, ModelRow], origins: Mapping[str, str], gpts: Iterable[str]
) -> list[str]:
    """Return one line for each name that the settings give to two models.

    Args:
        explicit: the rows of the settings.
        origins: public name to the setting that gave the row.
        gpts: the names of GPTs.
    """
    owners: dict[str, str] = {}
    problems = []
    rows = [
        (origins.get(name, f"models.{name}"), _names(name, row)) for name, row in explicit.items()
    ]
    rows += [(f"gpts.{name}", [name]) for name in gpts]
    for owner, names in rows:
        for name in names:
            if name in owners:
                problems.append(f"{owner}: the model name {name} is also used by {owners[name]}")
            owners.setdefault(name, owner)
    return problems


def _names(name: str, row: ModelRow) -> list[str]:
    return list(dict.fromkeys((name, *(row.aliases or ()))))


def _completed(row: ModelRow, default: ModelRow, taken: set[str]) -> ModelRow:
    if row.aliases is not None:
        return ModelRow(row.slug, tuple(alias for alias in row.aliases))
    return ModelRow(row.slug, tuple(name for name in default.aliases or () if name not in taken))
