"""Maps the names of Anthropic's models to models of an upstream (anthropic-wire 7.1, A9.13)."""

from collections.abc import Mapping, Sequence

# The defaults, by family.
CLAUDE_MODELS = {"opus": "gpt-4o", "sonnet": "gpt-4o", "haiku": "gpt-4o-mini"}
_FAMILIES = {"opus": "opus", "fable": "opus", "haiku": "haiku"}


_SMALL = "mini"
_NO_TEXT = "gpt-image"  # the prefix of models that only draw


def stand_in(name: str, models: Mapping[str, str], listed: Sequence[str] = ()) -> str:
    """Return the model that a name of the Messages dialect stands for.

    A `claude-…` name stands for the model of its family; dates, `[1m]` and `anthropic/` are
    ignored:

        claude-opus-4-5-20251101, claude-fable-1 -> opus    claude-3-5-haiku-latest -> haiku
        claude-sonnet-4-5[1m], any other         -> sonnet  gpt-4o                  -> gpt-4o

    Args:
        name: the name asked for.
        models: the model for each family, and the `default`.
        listed: the models of an account in order, where the website's are not available.
    """
    plain = name.removeprefix("anthropic/").removesuffix("[1m]")
    if not plain.lower().startswith("claude"):
        return plain
    family = next((one for word, one in _FAMILIES.items() if word in plain.lower()), "sonnet")
    if given := models.get(family) or models.get("default"):
        return given
    able = [one for one in listed if not one.startswith(_NO_TEXT)]
    small = [one for one in able if _SMALL in one] if family == "haiku" else []
    return next(iter([*small, *able]), CLAUDE_MODELS[family])
