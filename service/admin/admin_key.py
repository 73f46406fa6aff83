"""The operator's key, `server.admin_key`, and how often a wrong one may be tried (spec 17).

Wrong keys take places in the state store, ten a minute over all processes; a place expires by
itself. The right key takes none, so wrong ones cannot lock the operator out. Each process also counts by
itself, which is all that holds while the store does not answer.
"""

import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable
from secrets import token_hex

from service.ports import Lease, StateStore
from service.vocabulary.errors import WRONG_KEY, AuthError, KeyLimitError

MAX_WRONG = 10  # a minute
MINUTE_SECONDS = 60.0
_PLACES = "wrong admin keys"
_WRONG = f"{WRONG_KEY} This is not the key that server.admin_key holds."
_TOO_MANY = (
    f"Rate limit: {MAX_WRONG} wrong admin keys were sent within a minute; please try again shortly."
)


class AdminKey:
    """Tells the operator's key from wrong ones.

    Args:
        key: the operator's, not empty.
        state: the store that processes share.
        clock: monotonic seconds.
    """

    def __init__(
        self, key: str, state: StateStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._digest = _digest(key)
        self._state = state
        self._clock = clock
        self._wrong: deque[float] = deque()  # when this process refused one, in the last minute

    async def check(self, sent: str) -> None:
        """Check that this is the key; the comparison takes the same time for every other text.

        Raises:
            AuthError: it is not.
            KeyLimitError: it is not, and too many were wrong within a minute.
        """
        if not hmac.compare_digest(self._digest, _digest(sent)):
            await self._count()
            raise AuthError(_WRONG)

    async def _count(self) -> None:
        """Count a wrong key; one that is refused by the limit is not counted.

        Raises:
            KeyLimitError: the limit is reached.
        """
        now = self._clock()
        while self._wrong and self._wrong[0] <= now - MINUTE_SECONDS:
            self._wrong.popleft()
        if len(self._wrong) >= MAX_WRONG:
            seconds = self._wrong[0] + MINUTE_SECONDS - now
            raise KeyLimitError(_TOO_MANY, retry_after_seconds=max(seconds, 1.0))
        self._wrong.append(now)
        lease = Lease(_PLACES, token_hex(8))
        if not await self._state.acquire(lease, MAX_WRONG, MINUTE_SECONDS):
            await self._state.release([lease])  # else it would stay in the queue
            self._wrong.remove(now)
            raise KeyLimitError(_TOO_MANY, retry_after_seconds=MINUTE_SECONDS / MAX_WRONG)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
