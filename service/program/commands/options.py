"""The options of the command line; imports no command, so that each loads only what it needs."""

import argparse
import re
import time
from datetime import datetime
from pathlib import Path

from service.version import VERSION, how_it_runs
from service.vocabulary.events import Outcome
from service.vocabulary.gateway_keys import is_gateway_key
from service.vocabulary.ledger.budgets import Unit, Window, setting

_MAX_NAME_CHARS = 64
_MAX_NUMBER = 10**12  # of a limit
_MAX_SHOWN = 100_000  # calls
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_WINDOWS = {
    Window.FIVE_HOURS: "any 5 hours",
    Window.DAY: "a day of UTC",
    Window.WEEK: "a week from Monday",
    Window.MONTH: "a month of the calendar",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="python -m service", description="OpenAI API in, ChatGPT-web backend-api out."
    )
    whole.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="settings, YAML or JSON (default: config.yaml of the current directory, if any)",
    )
    whole.add_argument(
        "--check",
        action="store_true",
        help="print the effective settings with secrets masked, and exit: 0, or 2 if they are bad",
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")
    _add_login(commands)
    _add_accounts(commands)
    _add_keys(commands)
    _add_calls(commands)
    _add_captures(whole)
    whole.add_argument(
        "--version", action="version", version=f"backend-to-v1 {VERSION}, {how_it_runs()}"
    )
    return whole


def _add_captures(parser: argparse.ArgumentParser) -> None:
    capture = parser.add_mutually_exclusive_group()
    capture.add_argument(
        "--replay",
        metavar="FILE",
        type=Path,
        help="print what each stage makes of a captured stream (the bytes of a body, or a JSON "
        "value a line), and exit",
    )
    capture.add_argument(
        "--scrub",
        metavar="FILE",
        type=Path,
        help="write FILE.scrubbed, which replays alike and has no id, name, address, token or "
        "text of it, and exit",
    )
    parser.add_argument("--json", action="store_true", help="with --replay: as one JSON object")


def _add_login(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `login` command to the parser."""
    parser = commands.add_parser(
        "login",
        help="sign in with a ChatGPT plan, by Codex's login",
        description="Sign in with a ChatGPT plan, by Codex's login, and show a gateway key for "
        "it, once. The account is kept in server.keys_file; a running gateway takes it up at once.",
    )
    parser.add_argument(
        "--name", metavar="NAME", type=_name, help="what account and key are called in lists"
    )
    parser.add_argument(
        "--browser",
        action="store_true",
        help="sign in by a browser that comes back to this machine, or whose last address is "
        "pasted here, instead of by a code that is typed in anywhere",
    )


def _add_accounts(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `accounts` command to the parser."""
    parser = commands.add_parser(
        "accounts",
        help="accounts that signed in (login)",
        description="Accounts that signed in by the command login, kept in server.keys_file. "
        "A running gateway takes a change up at once.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="show all accounts, their addresses masked")
    show = verbs.add_parser(
        "show", help="show one account, its keys and how long its token is good"
    )
    show.add_argument("name", metavar="NAME")
    remove = verbs.add_parser(
        "remove",
        help="end the login of an account, and after asking its keys",
        description="Revoke the tokens of an account, and forget it. Whether its keys end, too, is "
        "asked; those that stay are good again once it has signed in again.",
    )
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--yes", action="store_true", help="end its keys without asking")
    remove.add_argument(
        "--keep-tokens", action="store_true", help="revoke nothing: forget the account here alone"
    )


def _add_keys(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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


def _add_calls(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `calls` command to the parser."""
    parser = commands.add_parser(
        "calls",
        help="the log of calls, the newest first",
        description="The log of calls, the newest first: who asked for what, how it ended, how "
        "long it took, and its tokens.",
    )
    parser.add_argument("--key", metavar="ID_OR_NAME", help="calls of one gateway key")
    parser.add_argument("--model", metavar="NAME", help="calls that asked for this model")
    parser.add_argument("--outcome", choices=[*Outcome], metavar="WORD", type=Outcome)
    parser.add_argument("--status", metavar="N", type=_positive, help="the HTTP status")
    for name, what in (("--since", "not before"), ("--until", "before")):
        parser.add_argument(
            name,
            metavar="TIME",
            type=_moment,
            help=f"{what} a time, as 2026-11-30 or 2026-11-30T12:00, or so long ago: 90m, 12h, 7d",
        )
    parser.add_argument(
        "--limit", metavar="N", type=_shown_calls, default=50, help="so many at most (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _describe_add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = verbs.add_parser(
        "add",
        help="make a key and show it, once",
        description="Make a key and show it, once. The refresh or access token that it stands for "
        "is asked for, or read from standard input: TOKEN or TOKEN,ACCOUNT_ID. With --account it "
        "stands for an account that signed in.",
    )
    add.add_argument("name", metavar="NAME", type=_name, help="what the key is called in lists")
    add.add_argument(
        "--account", metavar="NAME", default="", help="an account that signed in (accounts list)"
    )
    add.add_argument(
        "--shows-account",
        action="store_true",
        help="let who has the key see the limits of the account that it stands for",
    )
    _add_limits(add)


# Longer than the budget: one option after the other.
def _add_limits(add: argparse.ArgumentParser) -> None:
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
    for unit in Unit:
        for window, words in _WINDOWS.items():
            add.add_argument(
                f"--{setting(unit, window).replace('_', '-')}",
                metavar="N",
                type=_positive,
                default=0,
                help=f"{unit} in {words} (default: no limit)",
            )
    add.add_argument(
        "--model",
        metavar="NAME",
        action="append",
        default=[],
        help="a model that it may ask for, by the name that is asked for; "
        "may be repeated (default: any)",
    )


def _name(text: str) -> str:
    """Return the name of a key or an account, as given on the command line.

    Raises:
        ArgumentTypeError: it cannot be shown, or looks like a key.
    """
    name = text.strip()
    if not name or len(name) > _MAX_NAME_CHARS or not name.isprintable():
        message = f"must be 1 to {_MAX_NAME_CHARS} printable characters"
        raise argparse.ArgumentTypeError(message)
    if is_gateway_key(name):
        raise argparse.ArgumentTypeError("must not look like a key")
    return name


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= _MAX_NUMBER:
        raise argparse.ArgumentTypeError("must be a whole number of 1 or more")
    return int(text)


def _shown_calls(text: str) -> int:
    number = _positive(text)
    if number > _MAX_SHOWN:
        message = f"must be at most {_MAX_SHOWN}"
        raise argparse.ArgumentTypeError(message)
    return number


def _moment(text: str) -> int:
    """Return a time in milliseconds since 1970; one without a zone is local."""
    if ago := _AGO.fullmatch(text):
        return int((time.time() - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        message = "must be a time such as 2026-11-30T12:00, or so long ago: 90m, 12h, 7d"
        raise argparse.ArgumentTypeError(message) from None
