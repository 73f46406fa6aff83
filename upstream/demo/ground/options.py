"""What can be chosen when the demo upstream starts."""

from typing import Literal

import msgspec
from aiohttp import web


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the demo behaves; the defaults are for people, tests make it faster."""

    access_seconds: float = 864_000
    """Life of the access tokens it issues."""
    rotate: bool = False
    """Whether a token answer carries a new refresh token and the old one dies."""
    delay_seconds: float = 0.02
    """Pause before each piece of an answer, so that streaming can be seen."""
    generation: Literal["v0", "v1", "ask"] = "ask"
    """`ask`: delta encoding (v1) only for turns whose `supported_encodings` has it."""
    is_crlf: bool = False
    """Whether the lines of a stream end in CRLF; recordings show both."""
    later_seconds: float = 2.0
    """When a picture that comes later appears in its stored conversation."""
    codex_account: str = "demo"
    """The name of the Codex account that logins sign in to; its words choose plan and faults."""
    codex_outcome: str = "ok"
    """How logins end: `ok`, `denied`, `expired`, `off` or `never`."""
    codex_interval: str = "1"
    """Seconds between two questions of a login by device code, as text."""


OPTIONS: web.AppKey[DemoOptions] = web.AppKey("OPTIONS", DemoOptions)
