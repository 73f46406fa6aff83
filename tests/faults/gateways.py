"""The gateways of the matrix: few, each before an upstream of its own kind, shared by all cases."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults.upstream import FaultyUpstream
from tests.gateway import Gateway, running_gateway

# One turn at a time for each account: a slot that is not given back holds the next case up.
PATIENT: dict[str, Any] = {"retries": 1, "streams_per_account": 1, "connect_seconds": 5}
HASTY = PATIENT | {"first_event_seconds": 3.0, "idle_seconds": 1.5, "turn_seconds": 5.0}

UNREACHABLE = ("refused", "no name", "no TLS", "unknown certificate", "closes in TLS")
"""Those before an upstream that answers nobody."""


@asynccontextmanager
async def gateways(
    upstream: FaultyUpstream, folder: Path, *, is_direct: bool = True, **settings: Any
) -> AsyncIterator[dict[str, Gateway]]:
    """Run all of them; `settings` are sections that all have, `is_direct` how turns are sent."""
    async with AsyncExitStack() as stack:
        names = {
            "patient": (upstream.url, PATIENT, {"head_seconds": 60}),
            "hasty": (upstream.url, HASTY, {"head_seconds": 0.2}),
            # What comes later is not waited for any longer than this.
            "brief": (upstream.url, PATIENT | {"idle_seconds": 0.5}, {"head_seconds": 60}),
            "refused": (f"http://127.0.0.1:{await _closed_port()}", PATIENT, {}),
            "no name": ("http://upstream.invalid", PATIENT, {}),
            "no TLS": (upstream.url.replace("http:", "https:"), PATIENT, {}),
        }
        for name, address in (
            ("unknown certificate", await stack.enter_async_context(_with_tls(folder))),
            ("closes in TLS", await stack.enter_async_context(_that_closes())),
        ):
            names[name] = (address, PATIENT, {})
        found = {}
        for name, (address, how, stream) in names.items():
            (place := folder / name.replace(" ", "-")).mkdir()
            codex = {"base_url": f"{address}/backend-api/codex"}
            tokens = {"codex_url": f"{address}/oauth/token"}
            reached = how | {"direct": is_direct}
            running = running_gateway(
                address,
                place,
                upstream=reached,
                stream=stream,
                codex=codex,
                tokens=tokens,
                **settings,
            )
            found[name] = await stack.enter_async_context(running)
        yield found


async def _closed_port() -> int:
    """Return a port of loopback on which nobody listens."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@asynccontextmanager
async def _that_closes() -> AsyncIterator[str]:
    """Run a server that closes each connection at its first byte."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def _with_tls(folder: Path) -> AsyncIterator[str]:
    """Run a server with a certificate that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream.invalid")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    both = folder / "certificate.pem"
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
    )
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
