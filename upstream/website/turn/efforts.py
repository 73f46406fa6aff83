"""Accounts that may not choose how much the model thinks (spec 6.6), remembered for a day."""

from service.ports import StateStore

_SECONDS = 86_400.0
_REFUSED = b"true"


class RefusedEfforts:
    """The accounts whose choice of effort was refused, shared by all processes."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    async def has(self, account: str) -> bool:
        """Tell whether the account's choice of effort was refused within the last day."""
        return await self._state.get(_key(account)) == _REFUSED

    async def note(self, account: str) -> None:
        """Remember that the account's choice of effort was refused."""
        await self._state.set(_key(account), _REFUSED, _SECONDS)


def _key(account: str) -> str:
    return f"no-effort:{account}"
