"""What of a setting may be shown: in `repr`, in errors and by `--check`."""

import re

from pydantic import SecretStr

MASK = "******"
_SECRET_NAMES = frozenset({"secret", "gpts_key"})
_SECRET_VALUES = frozenset({"headers"})  # the names may be seen
_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")
_QUERY = re.compile(r"(?i)([?&][a-z_]*(?:password|secret|token|key)[a-z_]*=)[^&#]+")


def masked(name: str, value: object) -> object:
    """Return the value of a setting with what is secret in it replaced.

    Args:
        name: the setting's last name: `secret`, not `tokens.secret`.
        value: what the setting holds, or what was given for it.
    """
    if value in ("", None, SecretStr("")):
        shown = value
    elif name in _SECRET_NAMES or isinstance(value, SecretStr):
        shown = MASK
    elif isinstance(value, dict):
        hide = name in _SECRET_VALUES
        shown = {key: MASK if hide else masked(str(key), value[key]) for key in value}
    elif isinstance(value, list | tuple):
        shown = type(value)(masked(name, inner) for inner in value)
    elif isinstance(value, str):
        shown = MASK if name in _SECRET_VALUES else masked_text(value)
    else:
        shown = value
    return shown


def masked_text(text: str) -> str:
    """Return the text without the user and password of addresses in it."""
    return _QUERY.sub(rf"\1{MASK}", _USER_INFO.sub(f"{MASK}@", text))
