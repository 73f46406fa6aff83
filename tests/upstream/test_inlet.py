"""Bytes that are told of as they arrive, over a real connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from upstream.inlet import Inlet

LOOPBACK = IPv4Address("127.0.0.1")
Writing = Callable[[web.StreamResponse], Awaitable[None]]
AT_ONCE = 32 * 1024
FULL = 32 * 1024 * 1024  # more than all sockets hold


@asynccontextmanager
async def response_of(
    writing: Writing, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask a server whose answer is written like this."""
    serving, asking = tls or (None, True)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await writing(response)
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, str(LOOPBACK), 0, ssl_context=serving).start()
    url = f"http{'s' if tls else ''}://{LOOPBACK}:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=asking) as response:
        try:
            yield response
        finally:
            response.close()
    await runner.cleanup()


async def rest_of(inlet: Inlet) -> list[bytes]:
    chunks = []
    while (chunk := await inlet.read()) is not None:
        chunks.append(chunk)
    return chunks


async def slowly(response: web.StreamResponse) -> None:
    for byte in (b"a", b"b", b"c"):
        await response.write(byte)
        await asyncio.sleep(0.05)


async def test_without_a_taker_all_is_read() -> None:
    async with response_of(slowly) as response:
        assert b"".join(await rest_of(Inlet(response, AT_ONCE, None))) == b"abc"


async def test_a_taker_gets_what_comes_while_the_reader_waits() -> None:
    taken: list[bytes] = []

    def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return False

    async with response_of(slowly) as response:
        assert (
            b"".join([*await rest_of(Inlet(response, AT_ONCE, take))]) + b"".join(taken) == b"abc"
        )
    assert taken[-2:] == [b"b", b"c"]


async def test_a_reader_is_asked_to_look_after_what_was_left() -> None:
    left: list[bytes] = []

    def leave(chunk: bytes) -> bool:
        left.append(chunk)
        return True

    async with response_of(slowly) as response:
        chunks = await rest_of(Inlet(response, AT_ONCE, leave))
    assert chunks.count(b"") == len(left) >= 2
    assert b"".join(left) == b"abc"[-len(left) :]


async def test_what_was_left_at_the_very_end_is_not_forgotten() -> None:
    go = asyncio.Event()

    async def at_once(response: web.StreamResponse) -> None:
        await go.wait()
        await response.write_eof(b"all")

    async with response_of(at_once) as response:
        inlet = Inlet(response, AT_ONCE, lambda _chunk: True)
        reading = asyncio.create_task(rest_of(inlet))
        await asyncio.sleep(0.05)
        go.set()
        assert await reading == [b""]


async def test_a_busy_reader_is_not_passed_and_slows_the_sender() -> None:
    taken: list[bytes] = []
    written = 0

    def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return False

    async def much(response: web.StreamResponse) -> None:
        nonlocal written
        for _ in range(FULL // 65536):
            await response.write(b"x" * 65536)
            written += 65536

    async with response_of(much) as response:
        inlet = Inlet(response, AT_ONCE, take)
        await asyncio.sleep(0.5)  # the task that reads is at work
        assert written < FULL
        assert not taken
        size = sum(map(len, await rest_of(inlet)))
        assert size + sum(map(len, taken)) == FULL


async def test_text_before_a_broken_connection_is_read_first() -> None:
    async def broken(response: web.StreamResponse) -> None:
        await response.write(b"before")
        await asyncio.sleep(0.05)
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.abort()

    async with response_of(broken) as response:
        inlet = Inlet(response, AT_ONCE, lambda _chunk: False)
        await asyncio.sleep(0.2)  # both have come before anybody reads
        assert await inlet.read() == b"before"
        with pytest.raises(aiohttp.ClientPayloadError):
            await inlet.read()


async def test_an_error_from_here_ends_it_too() -> None:
    async with response_of(lambda _response: asyncio.sleep(1)) as response:
        inlet = Inlet(response, AT_ONCE, lambda _chunk: False)
        reading = asyncio.create_task(inlet.read())
        await asyncio.sleep(0.05)
        inlet.fail(OSError("of the test"))
        with pytest.raises(OSError, match="of the test"):
            await reading


async def test_a_connection_is_given_back_as_it_was() -> None:
    taken: list[bytes] = []

    def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return False

    async with response_of(slowly) as response:
        connection = response.connection
        assert connection is not None
        transport = connection.transport
        assert transport is not None
        before = transport.get_protocol()
        inlet = Inlet(response, AT_ONCE, take)
        assert transport.get_protocol() is not before
        await rest_of(inlet)
        assert transport.get_protocol() is before
        assert response.connection is None  # it is free for the next request


def test_it_holds_on_an_encrypted_connection_and_on_the_loop_that_is_served_with(
    tmp_path: Path,
) -> None:
    taken: list[bytes] = []

    def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return False

    async def ask() -> bytes:
        async with response_of(slowly, contexts(tmp_path)) as response:
            return b"".join(await rest_of(Inlet(response, AT_ONCE, take)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        read = runner.run(ask())
    assert read + b"".join(taken) == b"abc"
    assert taken


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server on loopback and its client need for TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    written = folder / "both.pem"
    written.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(written)
    return serving, ssl.create_default_context(cafile=written)
