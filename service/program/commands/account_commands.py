"""`python -m service accounts …`: list, show and remove the accounts that signed in.

Addresses are shown masked, tokens not at all.
"""

import argparse
import asyncio
import sys
import time

from service.program.commands.key_commands import FAILED
from service.program.commands.sign_in import SignInPlace, keys_of, open_issuer, sign_in_place
from service.program.kept import open_key_file, open_tokens
from service.settings.config import Config
from service.vocabulary.errors import ServiceError
from service.vocabulary.gateway_keys import StoredAccount
from storage.secrets.key_file import KeyFile
from upstream.login.accounts import LoginAccounts
from upstream.login.issuer import LoginError
from upstream.tokens.cache import Known, TokenCache

_COLUMNS = "{:<20}{:<28}{:<12}{:<10}{:<18}{}\n"
_HEADS = ("name", "address", "plan", "at", "signed in", "keys")
_LINE = "{:<24}{}\n"
_HERE_ONLY = "--keep-tokens removes it here alone"


def run(options: argparse.Namespace, config: Config) -> int:
    """Run the parsed command; return the exit status."""
    try:
        file = open_key_file(config)
        if options.verb == "list":
            _list(file)
        elif options.verb == "show":
            _show(config, file, file.accounts.named(options.name))
        else:
            _remove(options, config, file)
    except (LoginError, ServiceError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


def _list(file: KeyFile) -> None:
    sys.stdout.write(_COLUMNS.format(*_HEADS))
    for one in file.accounts.listing():
        names = ", ".join(keys_of(file, one)) or "none"
        shown = (one.name, one.masked_email, one.plan or "unknown", one.issuer)
        sys.stdout.write(_COLUMNS.format(*shown, _moment(one.created_at), names))


def _show(config: Config, file: KeyFile, account: StoredAccount) -> None:
    known = asyncio.run(_known(config, account))
    lines = {
        "name": account.name,
        "address": account.masked_email,
        "plan": account.plan or "unknown",
        "signed in at": account.issuer,
        "signed in": _moment(account.created_at),
        "keys": ", ".join(keys_of(file, account)) or "none",
    }
    if known.exchanged:
        lines["access token good until"] = _moment(known.exchanged.expires_at)
    if known.refused and known.refused.stands(time.time()):
        lines["state"] = "its login has ended: sign in again (login)"
    sys.stdout.writelines(_LINE.format(name, value) for name, value in lines.items())


def _remove(options: argparse.Namespace, config: Config, file: KeyFile) -> None:
    account = file.accounts.named(options.name)
    names = keys_of(file, account)
    asyncio.run(_end(config, file, account, keeps_tokens=options.keep_tokens))
    sys.stdout.write(f"removed {account.name} ({account.masked_email})\n")
    if names and (options.yes or _is_agreed(names)):
        for name in names:
            key = file.revoke(name)
            sys.stdout.write(f"revoked {key.id} ({key.name})\n")


def _is_agreed(names: tuple[str, ...]) -> bool:
    sys.stdout.write(f"Revoke its keys, too ({', '.join(names)})? [y/N] ")
    sys.stdout.flush()
    answer = sys.stdin.readline().strip().lower()
    if not sys.stdin.isatty():
        sys.stdout.write("\n")
    return answer in ("y", "yes")


async def _end(
    config: Config, file: KeyFile, account: StoredAccount, *, keeps_tokens: bool
) -> None:
    """Remove an account, and end its login unless its tokens are kept.

    Raises:
        LoginError: the login could not be ended, and nothing was removed.
    """
    async with open_tokens(config) as tokens:
        if not keeps_tokens:
            try:
                await _revoke(sign_in_place(config), file, tokens, account)
            except LoginError as error:
                message = f"{error} Nothing was removed; {_HERE_ONLY}."
                raise LoginError(message) from error
        await LoginAccounts(file.accounts, tokens, account.issuer).remove(account)


async def _revoke(
    place: SignInPlace, file: KeyFile, tokens: TokenCache, account: StoredAccount
) -> None:
    async with open_issuer(place) as (issuer, _):
        await LoginAccounts(file.accounts, tokens, place.issuer).end(account, issuer)


async def _known(config: Config, account: StoredAccount) -> Known:
    async with open_tokens(config) as tokens:
        return await tokens.read(account.token_key)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
