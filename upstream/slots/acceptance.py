"""Which credentials the upstream has accepted lately; implements `Acceptance`.

A made-up token costs its inventor nothing, so nothing may be kept for one. What the upstream has
answered shows that it takes a credential, and is noted by token and account id together: an
account id that is merely claimed is nobody's. Only where nothing has shown it in the last hour is
the upstream asked. The answer of one process counts for all, by the state store.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from weakref import WeakValueDictionary

from service.ports import StateStore
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import UnconfirmedError, UpstreamError, UpstreamRefusedError
from upstream.slots.calls import AccountCalls

ACCEPTED_SECONDS = 3600.0
RETRY_AFTER_SECONDS = 5.0
MAX_REMEMBERED = 10_000  # accepted credentials, so made-up ones drive none of them out
_ABOUT_THE_CALLER = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class UpstreamAcceptance:
    """Knows who was accepted, and asks about the others.

    Args:
        calls: makes callers of credentials, and renews refused tokens.
        ask: any cheap call that the upstream answers only for a good token.
        state: what processes share.
        clock: seconds of any beginning that no set clock moves.
    """

    def __init__(
        self,
        calls: AccountCalls,
        ask: Callable[[Caller], Awaitable[object]],
        state: StateStore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._ask = ask
        self._state = state
        self._clock = clock
        self._accepted: dict[str, float] = {}  # by account, when it was accepted last
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def note(self, caller: Caller) -> None:
        """Remember that the upstream has just answered this caller."""
        self._accepted.pop(caller.account, None)
        self._accepted[caller.account] = self._clock()  # at the end: the first is the oldest
        if len(self._accepted) > MAX_REMEMBERED:
            del self._accepted[next(iter(self._accepted))]

    async def confirm(self, credential: Credential) -> None:
        """Pass once the upstream has accepted the credential within the last hour; see the port."""
        account = credential.account
        key = f"accepted:{account}"
        async with self._asking.setdefault(account, asyncio.Lock()):
            if self.is_known(account) or await self._state.get(key):
                return
            self.note(await self._asked(credential))
            await self._state.set(key, b"true", ACCEPTED_SECONDS)

    def is_known(self, account: str) -> bool:
        """Tell whether the upstream has accepted this account here within the last hour."""
        accepted_at = self._accepted.get(account)
        return accepted_at is not None and self._clock() - accepted_at < ACCEPTED_SECONDS

    async def _asked(self, credential: Credential) -> Caller:
        caller = await self._calls.caller(credential)
        try:
            await self._calls.renewing(credential, caller, self._ask)
        except UpstreamRefusedError as error:
            if error.status in _ABOUT_THE_CALLER:
                raise
            raise _unconfirmed() from error
        except UpstreamError as error:
            raise _unconfirmed() from error
        return caller


def _unconfirmed() -> UnconfirmedError:
    message = (
        "The upstream cannot be asked now whether it accepts this key, and before that nothing "
        "is stored for it; please try again shortly."
    )
    return UnconfirmedError(message, retry_after_seconds=RETRY_AFTER_SECONDS)
