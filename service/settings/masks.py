"""Masks secrets in settings, for `repr`, errors and `--check`."""

import re

from pydantic import SecretStr

MASK = "******"
_SECRETS = frozenset({"secret", "gpts_key", "admin_key"})
_SECRET_LISTS = frozenset({"old_secrets"})
_SECRET_VALUES = frozenset({"headers"})  # mappings whose keys may be shown, but not their values
_ADDRESSES = frozenset({"state", "blobs", "proxy", "base_url"})  # may contain a password
# Up to the last @, since an unquoted password may contain any character.
_USER_INFO = re.compile(r"(?<=://).*@", re.DOTALL)
_BEFORE_AT = re.compile(r".*@", re.DOTALL)
_QUERY = re.compile(r"(?i)([?&][a-z_]*(?:password|secret|token|key)[a-z_]*=)[^&#]+")
_SHOWN_CHARS = 80  # one line, enough to recognise a value


def masked(name: str, value: object) -> object:
    """Return the value of a setting with its secrets replaced.

    Args:
        name: the setting's last name: `secret`, not `tokens.secret`.
        value: the setting's value, or the one that was given for it.
    """
    result = value
    if value in ("", None, SecretStr("")):
        pass
    elif name in _SECRETS or isinstance(value, SecretStr):
        result = MASK
    elif isinstance(value, dict):
        hide = name in _SECRET_VALUES
        result = {key: MASK if hide else masked(str(key), value[key]) for key in value}
    elif isinstance(value, list | tuple):
        result = type(value)(masked(name, inner) for inner in value)
    elif isinstance(value, str):
        result = MASK if name in _SECRET_VALUES | _SECRET_LISTS else _masked_text(name, value)
    return result


def shown(setting: str, value: object) -> str:
    """Return a value as an error may quote it: one short line without secrets."""
    parts = re.split(r"[.\[]", setting)
    is_secret = not _SECRET_VALUES.isdisjoint(parts) or not (_SECRETS | _SECRET_LISTS).isdisjoint(
        parts
    )
    text = repr(MASK if is_secret else masked(parts[-1], value))
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _masked_text(name: str, text: str) -> str:
    pattern = _USER_INFO if "://" in text or name not in _ADDRESSES else _BEFORE_AT
    return _QUERY.sub(rf"\1{MASK}", pattern.sub(f"{MASK}@", text))
