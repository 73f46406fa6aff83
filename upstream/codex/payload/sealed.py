"""Reasoning that only the back end can read, in an envelope that names its account (spec 14.2).

    codex-sealed:1f3a…c2:gAAAAAB…

What one account was given is of no use to another, and is never sent for it. Text without an
envelope is sent as it is; the back end refuses what it cannot read.
"""

from hashlib import sha256

_OPENING = "codex-sealed:"
_HASH_CHARS = 16


def seal(content: str, account: str) -> str:
    """Put the back end's encrypted reasoning into an envelope that names the account; empty stays empty."""
    return f"{_OPENING}{_name_of(account)}:{content}" if content else ""


def unseal(text: str, account: str) -> str:
    """Take reasoning out of its envelope; empty if it is another account's. Without an envelope it stays as it is."""
    if not text.startswith(_OPENING):
        return text
    name, _, content = text.removeprefix(_OPENING).partition(":")
    return content if name == _name_of(account) else ""


def _name_of(account: str) -> str:
    return sha256(f"sealed for {account}".encode()).hexdigest()[:_HASH_CHARS]
