"""A network with nothing but loopback, so that programs of others reach nothing else.

The kernel counts what they try to reach all the same, names that are looked up included. Linux has
such networks, for root or where everybody may have namespaces of their own.
"""

import fcntl
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from msgspec import Struct

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
AS_ROOT, AS_ANYBODY = ("--net",), ("--user", "--map-root-user", "--net")


class Network(Struct, frozen=True):
    """A network, by a process that holds it; without one it is that of this process."""

    pid: int | None = None

    @property
    def entering(self) -> tuple[str, ...]:
        """The command that runs another one in it."""
        if self.pid is None:
            return ()
        kinds = ("--user", "--preserve-credentials") if _flags() == AS_ANYBODY else ()
        return ("nsenter", "--target", str(self.pid), *kinds, "--net", "--")

    @property
    def strayed(self) -> int:
        """How often programs in it tried to reach something beyond loopback."""
        ipv6 = dict(line.split() for line in self._table("snmp6").splitlines())
        return self.strayed_by_ipv4 + int(ipv6.get("Ip6OutNoRoutes", 0))

    @property
    def strayed_by_ipv4(self) -> int:
        """Likewise, with names that were looked up and without addresses of IPv6."""
        rows = re.findall(r"^Ip: (.+)$", self._table("snmp"), re.MULTILINE)
        return int(dict(zip(*map(str.split, rows), strict=True))["OutNoRoutes"]) if rows else 0

    def _table(self, name: str) -> str:
        """What the kernel counts in it; nothing where all others are counted as well."""
        return "" if self.pid is None else Path(f"/proc/{self.pid}/net/{name}").read_text("ascii")


@cache
def _flags() -> tuple[str, ...]:
    """How a program gets a network of its own; empty where none may have one."""
    for flags in (AS_ROOT, AS_ANYBODY):
        command = ["unshare", *flags, "--", "nsenter", "--version"]
        if (
            shutil.which("unshare")
            and not subprocess.run(command, check=False, capture_output=True).returncode
        ):
            return flags
    return ()


@contextmanager
def network() -> Iterator[Network]:
    """Make a network for the block, or take this one where none may be made."""
    if not _flags():
        yield Network()
        return
    with subprocess.Popen(
        ["unshare", *_flags(), "--", sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        yield Network(holder.pid)  # the end of its input ends it


def _hold() -> None:
    """Raise loopback, and stay until the input ends."""
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    sys.stdout.write("up\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _hold()
