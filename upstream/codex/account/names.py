"""What an account is kept under: its own credential, or what all its credentials share (spec 4).

An account id that a token merely names is anybody's to name. What several credentials share is
theirs only once the back end has accepted each for the account that its own token names.
"""

from collections.abc import Callable

from service.vocabulary.credentials import Caller, account_in, fingerprint


class AccountNames:
    """Names accounts.

    Args:
        is_accepted: whether the back end has accepted the credential of this account lately.
    """

    def __init__(self, is_accepted: Callable[[str], bool]) -> None:
        self._is_accepted = is_accepted

    def of(self, caller: Caller) -> str:
        """Return the name that counts for a caller now."""
        return shared_name(caller) if self._is_accepted(caller.account) else caller.account

    def all_of(self, caller: Caller) -> tuple[str, ...]:
        """Return all names that something of a caller's has to be found under, now and later."""
        return tuple(dict.fromkeys((caller.account, shared_name(caller))))


def shared_name(caller: Caller) -> str:
    """Return the name of the account in the access token, else the credential's own name.

    All credentials whose tokens name the same account share it.
    """
    named = account_in(caller.access_token).account_id
    if not named or named != caller.account_id:
        return caller.account
    return fingerprint(f"codex account {named}")  # a token has no such space in it
