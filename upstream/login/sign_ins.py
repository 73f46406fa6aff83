"""Sign-ins by device code that the operator begins in the console; implements `SignIns`.

The process that began a sign-in waits for it. All processes read how far it has come:

    sign-in:<id>    the sign-in as JSON, sealed, in the state store
"""

import asyncio
import logging
import time
from collections.abc import Callable
from secrets import token_hex

import msgspec
from msgspec import structs

from service.admin.ports import SignIn, SignInState
from service.ports import StateStore
from service.vocabulary.errors import (
    QueueFullError,
    RequestError,
    ServiceError,
    StorageError,
    UpstreamError,
)
from service.vocabulary.gateway_keys import StoredAccount
from upstream.login.accounts import LoginAccounts, TakenNameError
from upstream.login.device_code import LIFE_SECONDS, DeviceCode, DeviceLogin
from upstream.login.exchange import redeem
from upstream.login.issuer import LoginError, LoginIssuer
from upstream.tokens.cache import Cipher

MAX_WAITING = 10  # in one process
KEPT_SECONDS = 600.0  # after its end, so that the page that began it learns how it ended
_OVER = "The code was not typed in within 15 minutes and is no longer good: sign in again."
_STOPPED = "The gateway was stopped while it waited: sign in again."

_log = logging.getLogger(__name__)


class DeviceSignIns:
    """The sign-ins of one process; `run` waits for them in the background.

    Args:
        issuer: signs in.
        accounts: keep who signed in.
        state: what processes share.
        cipher: seals what is written there.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        issuer: LoginIssuer,
        accounts: LoginAccounts,
        state: StateStore,
        cipher: Cipher,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._login = DeviceLogin(issuer)
        self._accounts = accounts
        self._state = state
        self._cipher = cipher
        self._clock = clock
        self._begun: asyncio.Queue[tuple[SignIn, DeviceCode, str | None]] = asyncio.Queue()
        self._open = 0  # begun here and not over
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str | None) -> SignIn:
        """Begin a sign-in; see the port."""
        if self._open >= MAX_WAITING:
            message = f"Rate limit: {MAX_WAITING} sign-ins are waiting already; end one of them."
            raise QueueFullError(message)
        self._open += 1
        try:
            sign_in, code = await self._begin(name)
        except BaseException:
            self._open -= 1
            raise
        self._begun.put_nowait((sign_in, code, name))
        return sign_in

    async def _begin(self, name: str | None) -> tuple[SignIn, DeviceCode]:
        try:
            if name is not None:
                await self._accounts.check_name(name)
            code = await self._login.begin()
        except TakenNameError as error:
            raise RequestError(f"name: {error}.", param="name") from error
        except LoginError as error:
            raise UpstreamError(str(error)) from error
        expires_at = self._clock() + LIFE_SECONDS
        sign_in = SignIn(token_hex(8), code.user_code, code.address, expires_at)
        if not await self._write(sign_in):
            raise StorageError("The state store does not answer; try again later.")
        return sign_in, code

    async def find(self, sign_in_id: str) -> SignIn | None:
        """Return a sign-in as it is now; see the port."""
        sealed = await self._state.get(_key(sign_in_id))
        value = self._cipher.decrypt(sealed) if sealed is not None else None
        if value is None:
            return None
        sign_in = msgspec.json.decode(value, type=SignIn)
        if sign_in.state is SignInState.WAITING and sign_in.expires_at <= self._clock():
            return structs.replace(sign_in, state=SignInState.FAILED, problem=_OVER)
        return sign_in

    async def end(self, sign_in_id: str) -> None:
        """End a sign-in that is waiting; see the port."""
        sign_in = await self.find(sign_in_id)
        if sign_in is not None and sign_in.state is SignInState.WAITING:
            await self._write(structs.replace(sign_in, state=SignInState.ENDED))
        if (task := self._tasks.get(sign_in_id)) is not None:
            task.cancel()

    async def is_over(self, account: StoredAccount) -> bool:
        """Tell whether an account's login is known to have ended."""
        refused = (await self._accounts.known(account)).refused
        return refused is not None and refused.stands(self._clock())

    async def remove(self, account: StoredAccount, *, keeps_tokens: bool) -> None:
        """Remove an account; see the port."""
        if not keeps_tokens:
            try:
                await self._accounts.end(account, self._issuer)
            except LoginError as error:
                message = f"{error} Nothing was removed; with keep_tokens it is removed here alone."
                raise UpstreamError(message) from error
        await self._accounts.remove(account)

    # --- in the background --------------------------------------------------------------

    async def run(self) -> None:
        """Wait for all sign-ins, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                begun = await self._begun.get()
                self._tasks[begun[0].id] = group.create_task(self._finish(*begun))

    async def _finish(self, sign_in: SignIn, code: DeviceCode, name: str | None) -> None:
        """Wait for a sign-in, and write how it ended."""
        try:
            end = await self._end_of(sign_in, code, name)
        except asyncio.CancelledError:
            await self._settle(_failed(sign_in, _STOPPED))
            raise
        except (LoginError, ServiceError, TakenNameError) as error:
            end = _failed(sign_in, str(error))
        finally:
            self._open -= 1
            self._tasks.pop(sign_in.id, None)
        await self._settle(end)

    async def _end_of(self, sign_in: SignIn, code: DeviceCode, name: str | None) -> SignIn:
        """Return the sign-in once it is over.

        Raises:
            LoginError: it ended without a sign-in.
            TakenNameError: another account has taken the name meanwhile.
            ServiceError: the account could not be stored.
        """
        found = await self._login.wait(code, lambda _: None)
        if await self._is_ended(sign_in):
            return structs.replace(sign_in, state=SignInState.ENDED)
        account = await self._accounts.keep(await redeem(self._issuer, found), name)
        _log.info("account %s signed in", account.id)
        return structs.replace(sign_in, state=SignInState.SIGNED_IN, account=account.id)

    async def _settle(self, end: SignIn) -> None:
        if not await self._is_ended(end):
            await self._write(end)

    async def _is_ended(self, sign_in: SignIn) -> bool:
        """Tell whether the operator has ended it, perhaps by another process."""
        now = await self.find(sign_in.id)
        return now is not None and now.state is SignInState.ENDED

    async def _write(self, sign_in: SignIn) -> bool:
        sealed = self._cipher.encrypt(msgspec.json.encode(sign_in))
        return await self._state.set(_key(sign_in.id), sealed, LIFE_SECONDS + KEPT_SECONDS)


def _failed(sign_in: SignIn, problem: str) -> SignIn:
    return structs.replace(sign_in, state=SignInState.FAILED, problem=problem)


def _key(sign_in_id: str) -> str:
    return f"sign-in:{sign_in_id}"
