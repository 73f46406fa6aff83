"""Settings from the environment: variables in, a tree of settings out (spec 3).

`GATEWAY_UPSTREAM__BASE_URL` is `upstream.base_url`. A secret may also be read from a file, named by
`GATEWAY_GPTS_KEY_FILE`. One entry of a mapping may be given by itself:
`GATEWAY_UPSTREAM__HEADERS__X-Key`. The seed's three names are read as well; an empty one counts as
absent, since its compose file sets them all.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from service.settings.problems import unknown
from service.settings.tree import Reading

PREFIX = "GATEWAY_"
SEED_NAMES = {
    "PROCESS_WORKERS": "server.workers",
    "PROCESS_THREADS": "server.threads",
    "KEY_FOR_GPTS_INFO": "gpts_key",
}
# The variables that Kubernetes sets in every container for a service called `gateway`.
_INJECTED = re.compile(
    r"GATEWAY_(SERVICE_(HOST|PORT\w*)=.*|PORT(_\d+_(TCP|UDP))?=(tcp|udp)://.*|PORT_\d+_(TCP|UDP)_\w+=.*)"
)
_SECRETS = (
    *("tokens.secret", "tokens.old_secrets", "gpts_key", "server.admin_key"),
    *("storage.state", "upstream.proxy", "upstream.headers"),
)
_MAPPINGS = ("models", "upstream.headers", "files.host_rewrite")


def read_environment(environ: Mapping[str, str], settings: Iterable[str]) -> Reading:
    """Return the settings that environment variables give.

    Args:
        environ: variable to value.
        settings: the dotted names of all settings.
    """
    settings_of = {PREFIX + name.replace(".", "__").upper(): name for name in settings}
    result = Reading()
    for variable, value in sorted(environ.items()):
        if variable in SEED_NAMES and value.strip():
            setting = SEED_NAMES[variable]
            result.notes.append(f"read `{variable}` as `{setting}`")
            result.give(setting.split("."), variable, value.strip())
        elif variable.upper().startswith(PREFIX) and not _INJECTED.fullmatch(f"{variable}={value}"):
            _read(result, settings_of, variable, value)
    return result


def _read(result: Reading, settings_of: dict[str, str], variable: str, value: str) -> None:
    name = variable.upper()
    secret = settings_of.get(name.removesuffix("_FILE"))
    entry = _entry(settings_of, variable)
    if name in settings_of:
        result.give(settings_of[name].split("."), variable, value)
    elif secret in _SECRETS:
        _read_secret(result, secret, variable, Path(value))
    elif entry:
        result.give(entry, variable, value)
    else:
        result.problems.append(unknown(variable, settings_of))


def _read_secret(result: Reading, setting: str, variable: str, path: Path) -> None:
    try:
        content = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        result.problems.append(f"{setting} (given as {variable}): cannot read the file {path}")
        return
    result.give(setting.split("."), variable, content)


def _entry(settings_of: dict[str, str], variable: str) -> tuple[str, ...] | None:
    """Return the place of a mapping's entry in the tree; its key keeps upper and lower case."""
    for name, setting in settings_of.items():
        if setting in _MAPPINGS and variable.upper().startswith(f"{name}__"):
            return (*setting.split("."), variable[len(name) + len("__") :])
    return None
