"""Bytes that are read at the moment they arrive, over a real connection."""

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

from upstream.http.body_reader import BodyReader, ReadBuffer

LOOPBACK = IPv4Address("127.0.0.1")
Writing = Callable[[web.StreamResponse], Awaitable[None]]
AT_ONCE = 32 * 1024
FULL = 32 * 1024 * 1024  # more than all sockets hold


@asynccontextmanager
async def response_of(
    writing: Writing,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    at_once: int = AT_ONCE,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Request an answer from a server that writes exactly these bytes."""
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
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=asking, read_bufsize=at_once) as response,
    ):
        try:
            yield response
        finally:
            response.close()
    await runner.cleanup()


class Taker:
    """Takes all bytes or leaves all; `taken` is what it got while the task was not reading."""

    def __init__(self, *, leaves: bool = False) -> None:
        self.seen: list[bytes] = []
        self._leaves = leaves

    def __call__(self, chunk: bytes) -> bytes:
        self.seen.append(chunk)
        return chunk if self._leaves else b""

    @property
    def all(self) -> bytes:
        return b"".join(self.seen)


def reader_of(response: aiohttp.ClientResponse, take: Taker) -> BodyReader:
    return BodyReader(response, AT_ONCE, ReadBuffer(AT_ONCE), take)


async def rest_of(reader: BodyReader) -> bytes:
    chunks = []
    while chunk := await reader.read():
        chunks.append(chunk)
    return b"".join(chunks)


async def slowly(response: web.StreamResponse) -> None:
    for byte in (b"a", b"b", b"c"):
        await response.write(byte)
        await asyncio.sleep(0.05)


async def much(response: web.StreamResponse) -> None:
    for _ in range(FULL // 65536):
        await response.write(b"x" * 65536)


async def test_what_is_left_is_read_in_order() -> None:
    take = Taker(leaves=True)
    async with response_of(slowly) as response:
        assert await rest_of(reader_of(response, take)) == b"abc"
    assert take.all == b"abc"


async def test_what_is_taken_is_not_read() -> None:
    take = Taker()
    async with response_of(slowly) as response:
        assert await rest_of(reader_of(response, take)) == b""
    assert take.all == b"abc"


async def test_what_was_left_at_the_very_end_is_not_forgotten() -> None:
    go = asyncio.Event()

    async def at_once(response: web.StreamResponse) -> None:
        await go.wait()
        await response.write_eof(b"all")

    async with response_of(at_once) as response:
        reading = asyncio.create_task(rest_of(reader_of(response, Taker(leaves=True))))
        await asyncio.sleep(0.05)
        go.set()
        assert await reading == b"all"


@pytest.mark.whole
@pytest.mark.parametrize("at_once", [1_000, AT_ONCE, 4 * AT_ONCE])
async def test_more_than_is_read_at_once_comes_to_its_end(at_once: int) -> None:
    """Reading lets aiohttp parse more of what it holds back, and no callback tells of it."""
    take = Taker()
    async with response_of(much, at_once=at_once) as response:
        reader = BodyReader(response, at_once, ReadBuffer(4 * AT_ONCE), take)
        assert await asyncio.wait_for(rest_of(reader), 30) == b""
    assert sum(map(len, take.seen)) == FULL


@pytest.mark.whole
@pytest.mark.parametrize("pause", [0.0, 0.3])
async def test_a_reader_that_stalls_and_goes_on_gets_all(pause: float) -> None:
    take = Taker(leaves=True)
    size = 0
    async with response_of(much) as response:
        reader = reader_of(response, take)
        while chunk := await asyncio.wait_for(reader.read(), 10):
            if size < FULL // 2 <= size + len(chunk):
                await asyncio.sleep(pause)
            size += len(chunk)
    assert size == FULL


@pytest.mark.whole
async def test_a_busy_reader_is_not_passed_and_slows_the_sender() -> None:
    written = 0

    async def counted(response: web.StreamResponse) -> None:
        nonlocal written
        for _ in range(FULL // 65536):
            await response.write(b"x" * 65536)
            written += 65536

    take = Taker()
    async with response_of(counted) as response:
        reader = reader_of(response, take)
        await asyncio.sleep(0.5)  # the reading task is busy
        assert written < FULL
        assert not take.seen
        assert await rest_of(reader) == b""
    assert len(take.all) == FULL


async def test_text_before_a_broken_connection_is_read_first() -> None:
    async def broken(response: web.StreamResponse) -> None:
        await response.write(b"before")
        await asyncio.sleep(0.05)
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.abort()

    async with response_of(broken) as response:
        reader = reader_of(response, Taker(leaves=True))
        await asyncio.sleep(0.2)  # both arrive before they are read
        assert await reader.read() == b"before"
        with pytest.raises(aiohttp.ClientPayloadError):
            await reader.read()


async def test_an_error_from_here_ends_it_too() -> None:
    async with response_of(lambda _response: asyncio.sleep(1)) as response:
        reader = reader_of(response, Taker())
        reading = asyncio.create_task(reader.read())
        await asyncio.sleep(0.05)
        reader.fail(OSError("of the test"))
        with pytest.raises(OSError, match="of the test"):
            await reading


async def test_what_a_taker_raises_is_raised_where_the_body_is_read() -> None:
    def broken(_chunk: bytes) -> bytes:
        raise ZeroDivisionError

    async with response_of(slowly) as response:
        reader = BodyReader(response, AT_ONCE, ReadBuffer(AT_ONCE), broken)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(reader.read(), 5)


async def test_a_connection_is_given_back_as_it_was() -> None:
    async with response_of(slowly) as response:
        connection = response.connection
        assert connection is not None
        transport = connection.transport
        assert transport is not None
        before = transport.get_protocol()
        reader = reader_of(response, Taker())
        assert transport.get_protocol() is not before
        await rest_of(reader)
        assert transport.get_protocol() is before
        assert response.connection is None  # it is free for the next request


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_it_holds_on_the_loop_that_is_served_with(tmp_path: Path, is_encrypted: bool) -> None:
    take = Taker()

    async def ask() -> bytes:
        tls = contexts(tmp_path) if is_encrypted else None
        async with response_of(much, tls) as response:
            return await rest_of(reader_of(response, take))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask()) == b""
    assert sum(map(len, take.seen)) == FULL
    assert max(map(len, take.seen)) <= AT_ONCE


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts of a server on loopback and its client."""
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
