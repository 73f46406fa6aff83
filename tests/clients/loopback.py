"""A network with nothing but loopback, so that a program of others reaches nothing else.

    python loopback.py ARGUMENTS…     run this Python in a network of its own, where it may have one

The kernel counts what a program there tried to reach elsewhere, names that it looked up included.
Linux has such networks, for root or where everybody may have namespaces of their own.
"""

import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
UNROUTED = re.compile(r"^Ip6OutNoRoutes\s+(\d+)", re.MULTILINE)


@cache
def unshare() -> tuple[str, ...]:
    """The command that gives a program a network of its own; empty where none may have one."""
    for flags in (("--net",), ("--user", "--map-root-user", "--net")):
        command = ("unshare", *flags, "--")
        if shutil.which("nsenter") and not subprocess.run([*command, "true"], check=False).returncode:
            return command
    return ()


def entering(pid: int) -> tuple[str, ...]:
    """The command that runs another program in the network of a process."""
    kinds = ("--user", "--preserve-credentials") if "--user" in unshare() else ()
    return ("nsenter", "--target", str(pid), *kinds, "--net", "--")


def strayed(pid: int) -> int:
    """How often programs in the network of a process tried to reach something beyond loopback."""
    names, counts = re.findall(r"^Ip: (.+)$", Path(f"/proc/{pid}/net/snmp").read_text(), re.MULTILINE)
    ipv4 = dict(zip(names.split(), counts.split(), strict=True))["OutNoRoutes"]
    ipv6 = UNROUTED.search(Path(f"/proc/{pid}/net/snmp6").read_text())
    return int(ipv4) + int(ipv6[1] if ipv6 else 0)


def _raise_loopback() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def main() -> None:
    """Become the command, once the network is there and its loopback is up."""
    first, *command = sys.argv[1:]
    if first == "--inside":
        _raise_loopback()
        os.execv(sys.executable, [sys.executable, *command])
    inside = (sys.executable, __file__, "--inside") if unshare() else (sys.executable,)
    os.execvp((*unshare(), *inside)[0], [*unshare(), *inside, first, *command])


if __name__ == "__main__":
    main()
