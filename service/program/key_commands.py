"""`python -m service keys …`: add, list and revoke gateway keys.

The credential behind a key is never a command-line argument, because every user of the machine can
read those and the shell stores them. A key itself is shown once, when it is made.
"""

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from typing import Protocol

from service.settings.config import Config
from service.vocabulary.credentials import Credential, read_credential
from service.vocabulary.errors import AuthError, StorageError
from service.vocabulary.gateway_keys import GatewayKey, KeyTerms, is_gateway_key

FAILED = 1
_MAX_NAME_CHARS = 64
_COLUMNS = "{:<10}{:<20}{:<18}{:<12}{:<12}{}\n"
_HEADS = ("id", "name", "made", "a minute", "at once", "models")


class KeyStore(Protocol):
    """The part of the key file used here; see `storage/secrets/key_file.py`."""

    def add(self, terms: KeyTerms, credential: Credential) -> str:
        """Make a key and return it."""

    def listing(self) -> list[GatewayKey]:
        """Return all keys, the oldest first."""

    def revoke(self, which: str) -> GatewayKey:
        """Remove the key of this id or name."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `keys` command to the parser."""
    parser = commands.add_parser(
        "keys",
        help="keys of the gateway's own (server.keys_file)",
        description="Keys of the gateway's own, kept in server.keys_file. "
        "A running gateway takes a change up at once.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _describe_add(verbs)
    verbs.add_parser("list", help="show all keys, without what is secret of them")
    revoke = verbs.add_parser("revoke", help="end a key")
    revoke.add_argument("which", metavar="ID_OR_NAME")


def _describe_add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = verbs.add_parser(
        "add",
        help="make a key and show it, once",
        description="Make a key and show it, once. The refresh or access token that it stands for "
        "is asked for, or read from standard input: TOKEN or TOKEN,ACCOUNT_ID.",
    )
    add.add_argument("name", metavar="NAME", type=_name, help="what the key is called in lists")
    add.add_argument(
        "--requests-per-minute",
        metavar="N",
        type=_positive,
        default=0,
        help="in any 60 seconds (default: no limit)",
    )
    add.add_argument(
        "--concurrent-requests",
        metavar="N",
        type=_positive,
        default=0,
        help="at once (default: no limit)",
    )
    add.add_argument(
        "--model",
        metavar="NAME",
        action="append",
        default=[],
        help="a model that it may ask for, by the name that is asked for; "
        "may be repeated (default: any)",
    )


def run(options: argparse.Namespace, config: Config, open_store: Callable[[], KeyStore]) -> int:
    """Run the parsed command; return the exit status.

    Args:
        options: the parsed arguments.
        config: the settings.
        open_store: opens the file of keys.
    """
    if not config.server.keys_file:
        sys.stderr.write("server.keys_file: must be set to keep gateway keys\n")
        return FAILED
    try:
        store = open_store()
        if options.verb == "add":
            _add(options, store)
        elif options.verb == "revoke":
            key = store.revoke(options.which)
            sys.stdout.write(f"revoked {key.id} ({key.name})\n")
        else:
            _list(store)
    except (StorageError, AuthError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


def _add(options: argparse.Namespace, store: KeyStore) -> None:
    terms = KeyTerms(
        name=options.name,
        requests_per_minute=options.requests_per_minute,
        concurrent_requests=options.concurrent_requests,
        models=tuple(options.model),
    )
    if sys.stdin.isatty():
        given = getpass.getpass("Refresh or access token, and its account id after a comma: ")
    else:
        given = sys.stdin.readline()
    credential = read_credential(None, given.strip(), None)
    if is_gateway_key(credential.token):
        raise ValueError("a gateway key cannot stand for a gateway key")
    key = store.add(terms, credential)
    sys.stderr.write("This key is shown once and kept nowhere:\n")
    sys.stdout.write(f"{key}\n")


def _list(store: KeyStore) -> None:
    sys.stdout.write(_COLUMNS.format(*_HEADS))
    for key in store.listing():
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at))
        often, many = key.requests_per_minute or "any", key.concurrent_requests or "any"
        models = ", ".join(key.models) or "any"
        sys.stdout.write(_COLUMNS.format(key.id, key.name, made, often, many, models))


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > _MAX_NAME_CHARS or not name.isprintable():
        message = f"must be 1 to {_MAX_NAME_CHARS} printable characters"
        raise argparse.ArgumentTypeError(message)
    if is_gateway_key(name):
        raise argparse.ArgumentTypeError("must not look like a key")
    return name


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of 1 or more")
    return int(text)
