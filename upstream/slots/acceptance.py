"""Which credentials the upstream has accepted lately; implements `Acceptance`.

A made-up token costs nothing, so nothing may be stored for one. An answer of the upstream shows
that it accepts a credential. This is remembered for token and account id together, since a caller
may claim any account id. Only a credential that was not answered within the last hour is checked by
a call of its own. One process's result counts for all, by way of the state store.
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
MAX_REMEMBERED = 10_000  # accepted credentials; made-up ones are not remembered
_ABOUT_THE_CALLER = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class UpstreamAcceptance:
    """Remembers accepted credentials and checks the others.

    Args:
        calls: turns credentials into callers, and renews refused tokens.
        ask: any cheap call that the upstream answers only for a valid token.
        state: shared by all processes.
        clock: monotonic seconds.
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
        self._accepted: dict[str, float] = {}  # account -> when it was last accepted
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def note(self, caller: Caller) -> None:
        """Remember that the upstream has just answered this caller."""
        self._accepted.pop(caller.account, None)
        self._accepted[caller.account] = self._clock()  # the newest is last, the oldest first
        if len(self._accepted) > MAX_REMEMBERED:
            del self._accepted[next(iter(self._accepted))]

    async def confirm(self, credential: Credential) -> None:
        """Raise unless the upstream accepted the credential within the last hour; see the port."""
        account = credential.account
        key = f"accepted:{account}"
        async with self._asking.setdefault(account, asyncio.Lock()):
            if self.is_known(account) or await self._state.get(key):
                return
            self.note(await self._ask_upstream(credential))
            await self._state.set(key, b"true", ACCEPTED_SECONDS)

    def is_known(self, account: str) -> bool:
        """Tell whether this process has seen the account accepted within the last hour."""
        accepted_at = self._accepted.get(account)
        return accepted_at is not None and self._clock() - accepted_at < ACCEPTED_SECONDS

    async def _ask_upstream(self, credential: Credential) -> Caller:
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
