"""`python -m service login`: sign an account in, store it, and show a gateway key for it, once."""

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack

from service.program.commands.key_commands import FAILED
from service.program.commands.sign_in import (
    KeptAccount,
    SignInPlace,
    first_model,
    keep_account,
    open_issuer,
    sign_in_place,
)
from service.settings.config import Config
from service.vocabulary.errors import ServiceError
from service.vocabulary.gateway_keys import Issuer
from upstream.login import browser
from upstream.login.device_code import DeviceLogin
from upstream.login.exchange import AuthorizationCode, redeem
from upstream.login.issuer import LoginError, LoginIssuer

INTERRUPTED = 130  # the shell's status for an interrupted program
_MAX_LINE_BYTES = 16 * 1024
_WARNING = (
    "Type it in only if you began this sign-in yourself: whoever else sends you such a code wants "
    "your account."
)


def run(options: argparse.Namespace, config: Config) -> int:
    """Sign in; return the exit status."""
    try:
        asyncio.run(_login(sign_in_place(config), options))
    except (LoginError, ServiceError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("\nNobody was signed in.\n")
        return INTERRUPTED
    return 0


async def _login(place: SignInPlace, options: argparse.Namespace) -> None:
    async with open_issuer(place) as (issuer, session):
        _say(_where(place, issuer))
        if options.browser:
            code = await _by_browser(issuer, place.config.codex.originator)
        else:
            code = await _by_device_code(issuer)
        signed_in = await redeem(issuer, code)
        kept = await keep_account(place, signed_in, options.name)
        model = await first_model(place, session, signed_in)
    _say(_told(place, kept, model))


def _where(place: SignInPlace, issuer: LoginIssuer) -> str:
    if place.issuer is Issuer.DEMO:
        return f"Signing in at the built-in demo ({issuer.origin}), which signs in anybody."
    return (
        f"Signing in at {issuer.origin}, with the public client id of Codex's command line. Its "
        "page says so; whether your terms with OpenAI allow it is yours to check."
    )


# --- by device code -------------------------------------------------------------------


async def _by_device_code(issuer: LoginIssuer) -> AuthorizationCode:
    login = DeviceLogin(issuer)
    code = await login.begin()
    _say(f"\nOpen {code.address} in any browser, and type in this code:\n")
    _say(f"    {code.user_code}\n")
    _say(_WARNING)
    progress = _Progress()
    try:
        return await login.wait(code, progress.waits)
    finally:
        progress.end()


class _Progress:
    """A line with the remaining time: updated in place at a terminal, else written once."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._is_begun = False

    def waits(self, seconds: float) -> None:
        """Show for how long the code is still valid."""
        if self._is_begun and not self._is_terminal:
            return
        self._is_begun = True
        minutes, rest = divmod(int(seconds), 60)
        line = f"Waiting for the code to be typed in; it is good for {minutes}:{rest:02} minutes"
        sys.stderr.write(f"\r{line} " if self._is_terminal else f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """End the line, so that the next output begins on a new one."""
        if self._is_begun and self._is_terminal:
            sys.stderr.write("\n")


# --- by browser -----------------------------------------------------------------------


async def _by_browser(issuer: LoginIssuer, originator: str) -> AuthorizationCode:
    login = browser.begin(issuer, originator)
    answer = _BrowserAnswer(login)
    _say(f"\nOpen this address in a browser, and sign in:\n\n    {login.address}\n")
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(browser.callback_server(login, answer.take))
        except OSError:
            _say(f"Port {browser.CALLBACK_PORT} of this machine is in use by another program.")
        _say(
            "If the browser is on another machine, its last page does not load: copy the address of "
            "that page, paste it here, and press Enter."
        )
        _read_lines(answer.take_pasted)
        return await answer.code()


class _BrowserAnswer:
    """The result of the browser's sign-in, received here or pasted; the first valid one counts."""

    def __init__(self, login: browser.BrowserLogin) -> None:
        self._login = login
        self._outcome: asyncio.Future[AuthorizationCode | LoginError]
        self._outcome = asyncio.get_running_loop().create_future()

    def take(self, outcome: AuthorizationCode | LoginError) -> None:
        """Take a code, or the reason why there is none."""
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def take_pasted(self, line: str) -> None:
        """Take a pasted address; one of another sign-in is reported, and the wait goes on."""
        try:
            self.take(browser.code_in(self._login, line))
        except browser.WrongCallbackError as error:
            _say(str(error))
        except LoginError as error:
            self.take(error)

    async def code(self) -> AuthorizationCode:
        """Wait for the code and return it.

        Raises:
            LoginError: there is none.
        """
        try:
            async with asyncio.timeout(browser.LIFE_SECONDS):
                outcome = await self._outcome
        except TimeoutError:
            raise LoginError("Nobody signed in within 15 minutes: run this again.") from None
        if isinstance(outcome, LoginError):
            raise outcome
        return outcome


def _read_lines(take: Callable[[str], None]) -> None:
    """Pass each line of standard input to `take`, for as long as there are lines."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        text = b""
        while (more := os.read(0, 4096)) and len(text) < _MAX_LINE_BYTES:
            *lines, text = (text + more).split(b"\n")
            for line in filter(None, map(bytes.strip, lines)):
                if loop.is_closed():
                    return
                loop.call_soon_threadsafe(take, line.decode("utf-8", "replace"))

    # A daemon thread, since its read never returns at a terminal without input.
    threading.Thread(target=read, daemon=True).start()


# --- the result --------------------------------------------------------------------------


def _told(place: SignInPlace, kept: KeptAccount, model: str | None) -> str:
    account = kept.account
    plan = account.plan or "unknown"
    lines = [f'\nSigned in: {account.masked_email}, plan {plan}, as "{account.name}".']
    if kept.earlier_keys:
        lines.append(f"Its earlier keys go on working: {', '.join(kept.earlier_keys)}.")
    lines += [
        "This key stands for it now. It is shown once, and kept nowhere:",
        f"\n    {kept.key}\n",
    ]
    lines += ["Try it:", f"\n    {_curl(place.api, kept.key, model)}\n"]
    return "\n".join(lines)


def _curl(api: str, key: str, model: str | None) -> str:
    bearer = f"-H 'Authorization: Bearer {key}'"
    if model is None:
        return f"curl {api}/models {bearer}"
    message = {"role": "user", "content": "Hello"}
    body = json.dumps({"model": model, "stream": True, "messages": [message]})
    return (
        f"curl -N {api}/chat/completions {bearer} -H 'Content-Type: application/json' -d '{body}'"
    )


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()
