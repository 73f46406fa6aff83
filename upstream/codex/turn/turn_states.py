"""What the back end wants to see again with the results of calls (`x-codex-turn-state`, codex 2.2).

It is given back only with results of calls that the very response made which it came with, and may
come through another process of this gateway.
"""

from collections.abc import Collection, Mapping
from hashlib import sha256

from service.ports import StateStore
from service.vocabulary.credentials import Caller

HEADER = "x-codex-turn-state"
KEPT_SECONDS = 3600.0
MAX_CHARS = 4096
MAX_CALLS = 16  # of one response


class TurnStates:
    """Remembers these states.

    Args:
        state: what processes share.
    """

    def __init__(self, state: StateStore) -> None:
        self._state = state

    async def headers(self, caller: Caller, call_ids: Collection[str]) -> dict[str, str]:
        """Return the header of a turn that brings results of these calls, if there is one."""
        if not call_ids:
            return {}
        found = {await self._state.get(_key(caller, call)) for call in list(call_ids)[:MAX_CALLS]}
        state = found.pop() if len(found) == 1 else None
        return {HEADER: state.decode()} if state else {}

    async def keep(
        self, caller: Caller, headers: Mapping[str, str], call_ids: Collection[str]
    ) -> None:
        """Remember what a response came with that made these calls."""
        state = headers.get(HEADER, "")
        if not state or len(state) > MAX_CHARS or not (state.isascii() and state.isprintable()):
            return
        for call_id in list(call_ids)[:MAX_CALLS]:
            await self._state.set(_key(caller, call_id), state.encode(), KEPT_SECONDS)


def _key(caller: Caller, call_id: str) -> str:
    name = sha256(f"{caller.account},{call_id}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"codex-turn:{name}"
