"""What of a model decides how a turn with it is written (codex 5)."""

from msgspec import Struct

# From the least to the most; `ultra` is a word of clients for the last (codex 2.3).
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_ALIASES = {"ultra": "max"}
EFFORT_WORDS = frozenset({*_EFFORTS, *_ALIASES})


class CodexModel(Struct, frozen=True):
    """A model of the catalogue; without `efforts` it takes any word."""

    slug: str
    efforts: tuple[str, ...] = ()
    has_summaries: bool = True
    is_lite: bool = False


def nearest_effort(asked: str, known: tuple[str, ...]) -> str:
    """Return the word that a model knows for one that is asked of it.

    Of two that are as near it is the lower, and `none` only if that was asked.
    """
    asked = _ALIASES.get(asked, asked)
    if asked in known or not known or asked not in _EFFORTS:
        return asked
    place = _EFFORTS.index(asked)
    able = [_EFFORTS.index(word) for word in known if word in _EFFORTS and word != "none"]
    if not able:
        return asked
    return _EFFORTS[min(able, key=lambda other: (abs(other - place), other))]
