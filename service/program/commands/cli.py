"""The command line: check the settings, run, sign in, manage keys, look at a captured stream."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from service.program.commands.options import parser
from service.settings.config import HIDDEN, Config, LoadedConfig, load_config
from service.settings.masks import masked
from service.settings.problems import ConfigError

BAD_SETTINGS = 2  # also argparse's exit status for a bad option
UNREADABLE = 1
SCRUBBED = ".scrubbed"  # appended to the name of the capture


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    options = parser().parse_args(arguments)
    if options.replay or options.scrub:
        return _of_capture(options)
    try:
        loaded = load_config(options.config)
    except ConfigError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return BAD_SETTINGS
    if options.check:
        sys.stdout.write(effective(loaded))
        return 0
    if options.command:
        return _command(options, loaded.config)
    from service.program import launch  # noqa: PLC0415 - `--check` must not need the whole program

    return launch.run(loaded)


def _command(options: argparse.Namespace, config: Config) -> int:
    # Imported here, since a start does not need it.
    from service.program.commands import (  # noqa: PLC0415
        account_commands,
        call_commands,
        key_commands,
        login_command,
    )

    runs = {
        "accounts": account_commands.run,
        "calls": call_commands.run,
        "keys": key_commands.run,
        "login": login_command.run,
    }
    return runs[options.command](options, config)


def _of_capture(options: argparse.Namespace) -> int:
    """Replay a captured stream, or write a scrubbed copy of it."""
    # Imported here, since `--check` and a start do not need it.
    from service.recordings.replay import replay  # noqa: PLC0415
    from service.recordings.report import as_json, as_text  # noqa: PLC0415
    from service.recordings.scrub import scrub  # noqa: PLC0415

    path: Path = options.replay or options.scrub
    try:
        capture = path.read_bytes()
        if options.scrub:
            copy = path.with_name(path.name + SCRUBBED)
            copy.write_bytes(scrub(capture))
            sys.stdout.write(f"{copy}\n")
        elif options.json:
            sys.stdout.buffer.write(as_json(replay(capture)))
        else:
            sys.stdout.write(as_text(replay(capture)))
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return UNREADABLE
    return 0


def effective(loaded: LoadedConfig) -> str:
    """Return all settings as YAML, with secrets masked, and the notes as comments."""
    config = loaded.config
    source = config.path or "no settings file: defaults and environment"
    lines = [f"# {source}", *(f"# {note}" for note in loaded.notes)]
    if config.gpts:
        lines.append(f"# GPTs: {', '.join(config.gpts)}")
    settings = _plain(config)
    return "\n".join(lines) + "\n" + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _plain(config: Config) -> dict[str, Any]:
    tree = config.model_dump(exclude=set(HIDDEN))
    return {name: _as_yaml(masked(name, value)) for name, value in tree.items()}


def _as_yaml(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_yaml(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_as_yaml(inner) for inner in value]
    if isinstance(value, SecretStr):
        return ""  # no text: `masked` has replaced all other values
    return int(value) if isinstance(value, float) and value.is_integer() else value
