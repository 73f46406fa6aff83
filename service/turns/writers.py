"""Which responses are being written, in whichever process, and which of them have to stop.

Whoever writes a response in the background holds its lock. The lock of a process that died is free,
so a response that is unfinished and whose lock is free will never be finished. Another process
cannot reach the writer itself: it leaves a note, which the writer looks for.

The kernel frees a dead writer's lock at once. In Redis it is free for whoever has waited for it and
has seen no sign of life meanwhile, so one has to wait to know (`storage/state/redis_lock.py`).
"""

from contextlib import AbstractAsyncContextManager
from enum import Enum

from service.turns.kept_values import KeptValues
from service.vocabulary.errors import LockTimeoutError

NOTE = "stop"  # the kind of the notes among the kept values
NOTE_SECONDS = 600.0  # longer than a writer needs to see it
_LOCK_SECONDS = 10.0  # after which a dead writer's lock is free, where the kernel does not free it
_WAIT_SECONDS = 5.0
_DEATH_SECONDS = 1.5 * _LOCK_SECONDS


class Stop(Enum):
    """How a response has to stop."""

    CANCEL = b"cancel"
    DELETE = b"delete"


class Writers:
    """The writers of the responses of all owners."""

    def __init__(self, values: KeptValues) -> None:
        self._values = values

    def writing(self, owner: str, response_id: str) -> AbstractAsyncContextManager[None]:
        """Hold the lock of a response that is written.

        Raises:
            LockTimeoutError: it could not be had.
        """
        return self._values.lock(NOTE, owner, response_id, _LOCK_SECONDS, _WAIT_SECONDS)

    def outliving(self, owner: str, response_id: str) -> AbstractAsyncContextManager[None]:
        """Hold the same lock once its holder has ended, or has given no sign of life.

        Raises:
            LockTimeoutError: the holder lives.
        """
        return self._values.lock(NOTE, owner, response_id, _LOCK_SECONDS, _DEATH_SECONDS)

    async def is_held(self, owner: str, response_id: str) -> bool:
        """Tell whether the lock is held now; call it only for a response that the owner has."""
        try:
            async with self._values.lock(NOTE, owner, response_id, _LOCK_SECONDS, 0.0):
                return False
        except LockTimeoutError:
            return True

    async def ask(self, owner: str, response_id: str, stop: Stop) -> None:
        """Leave the writer a note; call it only for a response that the owner has."""
        await self._values.keep(NOTE, owner, response_id, stop.value, NOTE_SECONDS)

    async def asked(self, owner: str, response_id: str) -> Stop | None:
        """Return the note that was left, or None."""
        note = await self._values.find(NOTE, owner, response_id)
        return next((stop for stop in Stop if stop.value == note), None)
