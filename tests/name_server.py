"""A name server on a port of loopback that knows some names and ignores all others."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

_HEADER_BYTES = 12
_A = 1


class NameServer(asyncio.DatagramProtocol):
    """`asked` lists every name that was looked up; names that `known` maps to "" do not exist."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self.asked: list[str] = []
        self._transport: Any = None
        self.port = 0

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which c-ares asks this server."""
        return {"nameservers": ["127.0.0.1"], "udp_port": self.port}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        labels, at = [], _HEADER_BYTES
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode().lower())
            at += 1 + data[at]
        question, kind = data[_HEADER_BYTES : at + 5], int.from_bytes(data[at + 1 : at + 3], "big")
        name = ".".join(labels)
        self.asked.append(name)
        if name not in self.known:
            return
        address = self.known[name]
        answer = b""
        if address and kind == _A:
            ip = socket.inet_aton(address)
            answer = b"\xc0\x0c\x00\x01\x00\x01" + (60).to_bytes(4, "big") + b"\x00\x04" + ip
        flags = b"\x81\x80" if address else b"\x81\x83"
        counts = b"\x00\x01" + (b"\x00\x01" if answer else b"\x00\x00") + bytes(4)
        self._transport.sendto(data[:2] + flags + counts + question + answer, addr)


@asynccontextmanager
async def name_server(**known: str) -> AsyncIterator[NameServer]:
    """Run a name server; `_` in a name stands for a dot."""
    loop = asyncio.get_running_loop()
    names = {name.replace("_", "."): address for name, address in known.items()}
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(names), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
