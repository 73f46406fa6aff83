"""What is read of an upstream's answer, whether aiohttp's session asked for it or not."""

from typing import Protocol

import aiohttp
from aiohttp.connector import Connection
from multidict import MultiMapping


class UpstreamAnswer(Protocol):
    """An answer whose head has come; `aiohttp.ClientResponse` is one."""

    status: int
    content: aiohttp.StreamReader

    @property
    def headers(self) -> MultiMapping[str]:
        """The fields of the head."""

    @property
    def connection(self) -> Connection | None:
        """The connection, None when it was given back."""

    def close(self) -> None:
        """Close the connection, unless it was given back."""
