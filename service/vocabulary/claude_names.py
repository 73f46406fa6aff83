"""Names of Anthropic's models, and what they stand for here (anthropic-wire 7.1, A9.13)."""

from collections.abc import Mapping

# What they stand for where no setting says so, by family.
CLAUDE_MODELS = {"opus": "gpt-4o", "sonnet": "gpt-4o", "haiku": "gpt-4o-mini"}
_FAMILIES = {"opus": "opus", "fable": "opus", "haiku": "haiku"}


def stand_in(name: str, models: Mapping[str, str]) -> str:
    """Return the model that a name of the Messages dialect stands for.

    A `claude-…` name stands for that of its family; dates, `[1m]` and `anthropic/` do not count:

        claude-opus-4-5-20251101, claude-fable-1 -> opus    claude-3-5-haiku-latest -> haiku
        claude-sonnet-4-5[1m], any other         -> sonnet  gpt-4o                  -> gpt-4o

    Args:
        name: as asked for.
        models: by family, or by `default`, what it stands for.
    """
    plain = name.removeprefix("anthropic/").removesuffix("[1m]")
    if not plain.lower().startswith("claude"):
        return plain
    family = next((one for word, one in _FAMILIES.items() if word in plain.lower()), "sonnet")
    return models.get(family) or models.get("default") or CLAUDE_MODELS[family]
