"""The lock of each refresh token, for one holder among all processes.

It is a lock of the state store; the top of `exchange.py` says why. Usually it is released at the
end of its block. While the result of an exchange is in the memory of this process alone, it is not
released: it is kept for the next block of the same token here, and no other process gets it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from service.ports import StateStore
from service.vocabulary.errors import LockTimeoutError

SILENT_SECONDS = 15.0  # after which a holder that does not renew its lock counts as dead


class TokenLocks:
    """The locks of all tokens.

    Args:
        state: shared by all processes.
        is_only_here: tells whether a token's last result is in this process alone.
    """

    def __init__(self, state: StateStore, is_only_here: Callable[[str], bool]) -> None:
        self._state = state
        self._is_only_here = is_only_here
        self._mine: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._kept: dict[str, AsyncExitStack] = {}

    @asynccontextmanager
    async def hold(self, key: str, wait_seconds: float) -> AsyncIterator[None]:
        """Hold the lock of a token while the block runs.

        Raises:
            LockTimeoutError: the lock was not free within `wait_seconds`.
        """
        until = asyncio.get_running_loop().time() + wait_seconds
        mine = self._mine.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(wait_seconds):
                await mine.acquire()
        except TimeoutError:
            raise LockTimeoutError("This process exchanges the token already.") from None
        try:
            shared = self._kept.pop(key, None) or await self._taken(key, until)
            try:
                yield
            finally:
                if self._is_only_here(key):
                    self._kept[key] = shared
                else:
                    await shared.aclose()
        finally:
            mine.release()

    async def close(self) -> None:
        """Release the locks that were kept."""
        while self._kept:
            _, shared = self._kept.popitem()
            await shared.aclose()

    async def _taken(self, key: str, until: float) -> AsyncExitStack:
        left = until - asyncio.get_running_loop().time()
        shared = AsyncExitStack()
        lock = self._state.lock(f"token:{key}", SILENT_SECONDS, max(left, 0.0))
        await shared.enter_async_context(lock)
        return shared
