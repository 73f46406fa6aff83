"""Calls that make the upstream work but are no turns; they take slots and are drained."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeVar

from service.ports import TokenExchange
from service.vocabulary.credentials import Caller, Credential, TokenKind
from service.vocabulary.errors import UpstreamRefusedError
from upstream.slots.queueing import AccountQueues
from upstream.slots.running import RunningWork, Stoppable

Answer = TypeVar("Answer")


async def renewing(
    tokens: TokenExchange,
    credential: Credential,
    caller: Caller,
    call: Callable[[Caller], Awaitable[Answer]],
) -> Answer:
    """Return the result of a call; if the upstream refuses the token, renew it and call again.

    Raises:
        AuthError: the token cannot be renewed.
        TokenServiceError: the token service has a passing fault.
        ServiceError: whatever the call raises.
    """
    try:
        return await call(caller)
    except UpstreamRefusedError as error:
        is_renewable = credential.kind is TokenKind.REFRESH
        if error.upstream_status != HTTPStatus.UNAUTHORIZED or not is_renewable:
            raise
        refused = error
    try:
        fresh = await tokens.renew(credential, caller)
        if fresh.access_token == caller.access_token:
            raise refused
    finally:
        del refused  # its traceback holds this frame, and so the request, until the collector comes
    return await call(fresh)


class AccountCalls:
    """Runs calls as turns run: for a caller, in one of the account's slots.

    Args:
        tokens: turns credentials into callers.
        queues: shared with the turns.
    """

    def __init__(self, tokens: TokenExchange, queues: AccountQueues) -> None:
        self._tokens = tokens
        self._queues = queues
        self._running = RunningWork[Stoppable]()

    async def caller(self, credential: Credential) -> Caller:
        """Return the caller of a credential.

        Raises:
            AuthError: the credential is known to be dead.
            TokenServiceError: the token service has a passing fault.
        """
        return await self._tokens.caller(credential)

    @asynccontextmanager
    async def slot(self, credential: Credential) -> AsyncGenerator[Caller, None]:
        """Hold a slot of the credential's account.

        Raises:
            AuthError: the credential is known to be dead.
            TokenServiceError: the token service has a passing fault.
            QueueFullError: too many wait already, or it took too long.
            ShutdownError: this gateway is being stopped.
        """
        with self._running.admitted():
            caller = await self.caller(credential)
            async with self._queues.slot(caller.account):
                yield caller

    async def renewing(
        self, credential: Credential, caller: Caller, call: Callable[[Caller], Awaitable[Answer]]
    ) -> Answer:
        """Return the result of a call, made again with a renewed token if need be; see `renewing`."""
        return await renewing(self._tokens, credential, caller, call)

    async def drain(self, seconds: float) -> None:
        """Refuse new calls, and wait up to `seconds` for those that run."""
        await self._running.drain(seconds)
