"""`python -m service keys …`: add, list and revoke gateway keys.

The credential behind a key is never a command-line argument, because every user of the machine can
read those and the shell stores them. A key itself is shown once, when it is made.
"""

import argparse
import getpass
import sys
import time

from msgspec import structs

from service.program.kept import open_key_file
from service.settings.config import Config
from service.vocabulary.credentials import Budgets, Credential, read_credential
from service.vocabulary.errors import AuthError, StorageError
from service.vocabulary.gateway_keys import KeyTerms, is_gateway_key
from storage.secrets.key_file import KeyFile

FAILED = 1
_COLUMNS = "{:<10}{:<20}{:<18}{:<12}{:<12}{:<20}{:<20}{}\n"
_HEADS = ("id", "name", "made", "a minute", "at once", "account", "models", "budgets")


def run(options: argparse.Namespace, config: Config) -> int:
    """Run the parsed command; return the exit status."""
    try:
        file = open_key_file(config)
        if options.verb == "add":
            _add(options, file)
        elif options.verb == "revoke":
            key = file.revoke(options.which)
            sys.stdout.write(f"revoked {key.id} ({key.name})\n")
        else:
            _list(file)
    except (StorageError, AuthError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


def _add(options: argparse.Namespace, file: KeyFile) -> None:
    terms = KeyTerms(
        name=options.name,
        requests_per_minute=options.requests_per_minute,
        concurrent_requests=options.concurrent_requests,
        models=tuple(options.model),
        shows_account=options.shows_account,
        budgets=Budgets(**{name: getattr(options, name) for name in Budgets.__struct_fields__}),
    )
    if options.account:
        key = file.add_for_account(terms, file.accounts.named(options.account))
    else:
        key = file.add(terms, _asked_credential())
    sys.stderr.write("This key is shown once and kept nowhere:\n")
    sys.stdout.write(f"{key}\n")


def _asked_credential() -> Credential:
    if sys.stdin.isatty():
        given = getpass.getpass("Refresh or access token, and its account id after a comma: ")
    else:
        given = sys.stdin.readline()
    credential = read_credential(None, given.strip(), None)
    if is_gateway_key(credential.token):
        raise ValueError("a gateway key cannot stand for a gateway key")
    return credential


def _list(file: KeyFile) -> None:
    sys.stdout.write(_COLUMNS.format(*_HEADS))
    names = {account.id: account.name for account in file.accounts.listing()}
    for key in file.listing():
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at))
        often, many = key.requests_per_minute or "any", key.concurrent_requests or "any"
        models = ", ".join(key.models) or "any"
        account_id = file.account_of(key)
        account = "a token" if account_id is None else names.get(account_id, "removed")
        shown = (key.id, key.name, made, often, many, account, models, _budgets(key.budgets))
        sys.stdout.write(_COLUMNS.format(*shown))


def _budgets(budgets: Budgets) -> str:
    """Return the budgets of a key in words: `100 requests per day, 5000 tokens per 5 hours`."""
    words = [
        f"{number} {name.replace('_', ' ')}"
        for name, number in structs.asdict(budgets).items()
        if number
    ]
    return ", ".join(words) or "any"
