"""Accounts that may not say how much is to be thought (spec 6.6): they are not asked again for a day."""

from service.ports import StateStore

_SECONDS = 86_400.0
_REFUSED = b"true"


class RefusedEfforts:
    """What is known of it, shared by all processes."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    async def has(self, account: str) -> bool:
        """Return whether this account's word of effort was refused."""
        return await self._state.get(_key(account)) == _REFUSED

    async def note(self, account: str) -> None:
        """Remember that it was."""
        await self._state.set(_key(account), _REFUSED, _SECONDS)


def _key(account: str) -> str:
    return f"no-effort:{account}"
