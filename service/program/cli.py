"""The command line: check the settings, run, manage gateway keys, look at a captured stream."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from service.program import key_commands
from service.settings.config import HIDDEN, Config, LoadedConfig, load_config
from service.settings.masks import masked
from service.settings.problems import ConfigError
from service.version import VERSION

BAD_SETTINGS = 2  # also argparse's exit status for a bad option
UNREADABLE = 1
SCRUBBED = ".scrubbed"  # appended to the name of the capture


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    options = _parser().parse_args(arguments)
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
    if options.command == "keys":
        return key_commands.run(options, loaded.config, lambda: _key_store(loaded.config))
    from service.program import launch  # noqa: PLC0415 - `--check` must not need the whole program

    return launch.run(loaded)


def _key_store(config: Config) -> key_commands.KeyStore:
    from service.program import assembly  # noqa: PLC0415 - as above

    return assembly.open_key_file(config)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service", description="OpenAI API in, ChatGPT-web backend-api out."
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="settings, YAML or JSON (default: config.yaml of the current directory, if any)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="print the effective settings with secrets masked, and exit: 0, or 2 if they are bad",
    )
    key_commands.add_parser(parser.add_subparsers(dest="command", metavar="COMMAND"))
    _add_captures(parser)
    parser.add_argument("--version", action="version", version=f"backend-to-v1 {VERSION}")
    return parser


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
