"""The types of settings, with error messages that say what a value may be.

Every scalar of a settings file and of the environment arrives as a string, so each type here reads
strings as well as Python values. A `ValueError` says what the value may be;
`service/settings/problems.py` adds the setting's name and its value.
"""

import json
import math
import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr

# Path segments that mean the same to every server: unreserved characters of RFC 3986, 2.3.
_PREFIX = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")
_HOST = re.compile(r"[A-Za-z0-9_.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.!/*()'-]*)?", re.ASCII)
_GIZMO_ID = re.compile(r"g-[\w%.~-]+")
_STATE_SCHEMES = ("redis", "rediss", "unix")


def items(value: object) -> tuple[object, ...]:
    """Read a list: a list, a JSON array, or comma-separated text; empty items are dropped."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = json.loads(text) if text.startswith("[") else text.split(",")
        except json.JSONDecodeError:
            raise ValueError("must be a JSON list, or a list separated by commas") from None
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")  # noqa: TRY004 - pydantic only collects ValueError
    if any(isinstance(item, dict | list) for item in value):
        raise ValueError("must be a list of strings")
    stripped = (item.strip() if isinstance(item, str) else item for item in value)
    return tuple(item for item in stripped if item not in ("", None))


def mapping(value: object) -> dict[object, object]:
    """Read a mapping: a mapping or a JSON object."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except json.JSONDecodeError:
            value = None
    if not isinstance(value, dict):
        raise ValueError("must be a mapping (in the environment: a JSON object)")  # noqa: TRY004 - pydantic only collects ValueError
    return value


def _text(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def flag(value: object) -> bool:
    """Read true or false: a boolean or a word such as `yes`."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return word in _TRUE


def _range(low: float, high: float | None) -> str:
    return f"from {low} to {high}" if high is not None else f"of {low} or more"


def _whole(low: int, high: int | None = None) -> BeforeValidator:
    def read(value: object) -> int:
        message = f"must be a whole number {_range(low, high)}"
        try:
            number = int(str(value).strip())
        except ValueError:
            raise ValueError(message) from None
        if number < low or (high is not None and number > high):
            raise ValueError(message)
        return number

    return BeforeValidator(read)


def _seconds(*, may_be_zero: bool) -> BeforeValidator:
    words = "0 or more" if may_be_zero else "more than 0"

    def read(value: object) -> float:
        try:
            number = float(str(value).strip())
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0 or (number == 0 and not may_be_zero):
            message = f"must be a number of seconds, {words}"
            raise ValueError(message)
        return number

    return BeforeValidator(read)


def _word(*choices: str, change: Callable[[str], str] = str.lower) -> BeforeValidator:
    def read(value: object) -> str:
        word = change(str(value).strip())
        if word not in choices:
            message = f"must be {' or '.join([', '.join(choices[:-1]), choices[-1]])}"
            raise ValueError(message.replace(" be  or ", " be "))
        return word

    return BeforeValidator(read)


def is_address(text: str, schemes: tuple[str, ...]) -> bool:
    """Tell whether the text is a URL with one of the schemes and a host."""
    try:
        parts = urlsplit(text)
        is_port_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    has_blank = any(character.isspace() for character in text)
    return parts.scheme in schemes and bool(parts.hostname) and is_port_valid and not has_blank


def _web_address(value: object) -> str:
    text = str(value).strip().rstrip("/")
    if not is_address(text, ("http", "https")) or "#" in text:
        raise ValueError("must be an address that starts with http:// or https://")
    return text


def _base_address(*words: str) -> BeforeValidator:
    """Return the type of a base address: a URL or one of these words; `""` is empty text."""
    named = " or ".join(word or "empty" for word in words)

    def read(value: object) -> str:
        text = str(value).strip()
        if text in words:
            return text
        try:
            address = _web_address(text)
        except ValueError as error:
            message = f"{error}, or {named}"
            raise ValueError(message) from None
        if "?" in address:
            message = f"must be an address without a query, or {named}"
            raise ValueError(message)
        return address

    return BeforeValidator(read)


def _optional_address(value: object) -> str:
    text = str(value).strip()
    return _web_address(text) if text else ""


def _proxy(value: object) -> str:
    text = str(value).strip()
    if text and not is_address(text, ("http", "https", "socks5")):
        raise ValueError("must be empty, or start with http://, https:// or socks5://")
    return text


def _prefix(value: object) -> str:
    text = str(value).strip().strip("/")
    is_path = bool(_PREFIX.fullmatch(text)) and not {".", ".."} & set(text.split("/"))
    if text and not is_path:
        raise ValueError("must be letters, digits, '-', '.', '_' and '~', with '/' between parts")
    return text


def _clock(value: object) -> str:
    found = _CLOCK.fullmatch(str(value).strip())
    if not found:
        raise ValueError("must be a time of day as HH:MM, 00:00 to 23:59")
    return f"{int(found[1]):02}:{found[2]}"


def _network(value: object) -> str:
    try:
        return str(ip_network(str(value).strip(), strict=False))
    except ValueError:
        raise ValueError("must be an IP address or a network such as 10.0.0.0/8") from None


def _origin(value: object) -> str:
    text = str(value).strip().rstrip("/")
    has_path = "/" in text.partition("://")[2]
    if text != "*" and (has_path or not is_address(text, ("http", "https"))):
        raise ValueError("must be *, or an origin such as https://chat.example.org")
    return text


def _host(value: object) -> str:
    text = str(value).strip().lower()
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name such as files.example.org")
    return text


def _filled(value: object) -> str:
    text = str(value).strip()
    if not text:
        raise ValueError("must not be empty")
    return text


def _state(value: object) -> str:
    text = str(value).strip()
    scheme, _, rest = text.partition(":")
    is_sqlite = scheme == "sqlite" and bool(rest)
    is_socket = scheme == "unix" and rest.startswith("//") and len(rest) > len("//")
    if not (is_sqlite or is_socket or is_address(text, _STATE_SCHEMES)):
        raise ValueError("must be sqlite:<path>, redis://…, rediss://… or unix://…")
    return text


def _blobs(value: object) -> str:
    text = str(value).strip()
    scheme, _, rest = text.partition(":")
    if not (scheme == "file" and rest) and not _BUCKET.fullmatch(text):
        raise ValueError("must be file:<directory> or s3://<bucket>/<prefix>")
    return text


def _gizmo_id(value: object) -> str:
    text = str(value).strip()
    if not _GIZMO_ID.fullmatch(text):
        raise ValueError("must be the id of a GPT, such as g-YyyyMT9XH-chatgpt-classic")
    return text


def _optional_secret(value: object) -> object:
    return None if value == "" else value


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[str, BeforeValidator(_filled)]
Flag = Annotated[bool, BeforeValidator(flag)]
Port = Annotated[int, _whole(0, 65535)]
Count = Annotated[int, _whole(0)]
PositiveCount = Annotated[int, _whole(1)]
LogBytes = Annotated[int, _whole(16 * 1024 * 1024)]  # with less, the file's own needs fill it
Seconds = Annotated[float, _seconds(may_be_zero=False)]
SecondsOrZero = Annotated[float, _seconds(may_be_zero=True)]
ClockTime = Annotated[str, BeforeValidator(_clock)]
LogLevel = Annotated[str, _word("DEBUG", "INFO", "WARNING", "ERROR", change=str.upper)]
LogFormat = Annotated[str, _word("text", "json")]
Provider = Annotated[Literal["oaifree", "openai", "codex"], _word("oaifree", "openai", "codex")]
GizmoId = Annotated[str, BeforeValidator(_gizmo_id)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_optional_secret)]
Secret = Annotated[SecretStr, BeforeValidator(_stripped)]
Encoding = Annotated[str, _word("v1")]
TurnPath = Annotated[
    str,
    _word(
        "backend-api/conversation",
        "backend-api/f/conversation",
        change=lambda text: text.strip("/"),
    ),
]
Address = Annotated[str, BeforeValidator(_web_address)]
OptionalAddress = Annotated[str, BeforeValidator(_optional_address)]
BaseAddress = Annotated[str, _base_address("demo", "none")]
CodexAddress = Annotated[str, _base_address("demo", "")]
ProxyAddress = Annotated[str, BeforeValidator(_proxy)]
Prefix = Annotated[str, BeforeValidator(_prefix)]
Host = Annotated[str, BeforeValidator(_host)]
Network = Annotated[str, BeforeValidator(_network)]
Origin = Annotated[str, BeforeValidator(_origin)]
StateAddress = Annotated[str, BeforeValidator(_state)]
BlobsAddress = Annotated[str, BeforeValidator(_blobs)]

Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(items)]
Names = Annotated[tuple[Name, ...], BeforeValidator(items)]
Prefixes = Annotated[tuple[Prefix, ...], BeforeValidator(items)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(items)]
Encodings = Annotated[tuple[Encoding, ...], BeforeValidator(items)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(items)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(items)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(items)]
Headers = Annotated[dict[Name, Text], BeforeValidator(mapping)]
ClaudeModels = Annotated[
    dict[Annotated[str, _word("opus", "sonnet", "haiku", "default")], Name],
    BeforeValidator(mapping),
]
HostRewrite = Annotated[dict[Host, Host], BeforeValidator(mapping)]
