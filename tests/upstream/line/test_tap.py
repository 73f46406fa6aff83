"""Bodies that are read past aiohttp, over real connections."""

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

from tests.rows import each_row
from tests.upstream.line.readers import TapReading
from upstream.line.tap import MAX_EARLY_BYTES, head_in
from upstream.line.tapped_session import READ_BYTES, TappedResponse, tapped_session

LOOPBACK = IPv4Address("127.0.0.1")
Writing = Callable[[web.StreamResponse], Awaitable[None]]
FULL = 32 * 1024 * 1024  # more than all sockets hold


@asynccontextmanager
async def response_of(
    writing: Writing,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    headers: dict[str, str] | None = None,
    status: int = 200,
) -> AsyncIterator[TappedResponse]:
    """Request an answer from a server that writes exactly these bytes."""
    serving, asking = tls or (None, True)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        await writing(response)
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, str(LOOPBACK), 0, ssl_context=serving).start()
    url = f"http{'s' if tls else ''}://{LOOPBACK}:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as session:
        streams = tapped_session(session, None)
        async with streams.get(url, ssl=asking) as response:
            assert isinstance(response, TappedResponse)
            try:
                yield response
            finally:
                response.close()
    await runner.cleanup()


async def read(response: TappedResponse) -> TapReading:
    assert response.tap is not None
    reading = TapReading()
    response.tap.attach(reading.on_bytes, reading.on_end)
    await asyncio.wait_for(reading.is_over.wait(), 30)
    return reading


async def slowly(response: web.StreamResponse) -> None:
    for byte in (b"a", b"b", b"c"):
        await response.write(byte)
        await asyncio.sleep(0.05)


async def much(response: web.StreamResponse) -> None:
    for _ in range(FULL // 65536):
        await response.write(b"x" * 65536)


async def test_each_read_comes_when_it_arrives() -> None:
    async with response_of(slowly) as response:
        reading = await read(response)
    assert reading.pieces == [b"a", b"b", b"c"]
    assert reading.is_clean


async def test_a_body_that_was_there_before_its_reader_comes_whole() -> None:
    async def at_once(response: web.StreamResponse) -> None:
        await response.write_eof(b"all")

    async with response_of(at_once) as response:
        await asyncio.sleep(0.05)
        reading = await read(response)
        assert (reading.data, reading.is_clean) == (b"all", True)


@pytest.mark.whole
async def test_without_a_reader_the_sender_has_to_wait() -> None:
    written = 0

    async def counted(response: web.StreamResponse) -> None:
        nonlocal written
        for _ in range(FULL // 65536):
            await response.write(b"x" * 65536)
            written += 65536

    async with response_of(counted) as response:
        assert response.tap is not None
        await asyncio.sleep(0.3)
        assert written < FULL
        early = sum(map(len, response.tap._early))
        assert early <= MAX_EARLY_BYTES + READ_BYTES
        reading = await read(response)
    assert (len(reading.data), reading.is_clean) == (FULL, True)


@pytest.mark.whole
async def test_a_reader_that_pauses_slows_the_sender_and_gets_all() -> None:
    async with response_of(much) as response:
        tap, reading = response.tap, TapReading()
        assert tap is not None
        tap.attach(reading.on_bytes, reading.on_end)
        await reading.has_some.wait()
        tap.pause()
        size = len(reading.data)
        await asyncio.sleep(0.3)
        assert len(reading.data) == size < FULL
        tap.resume()
        await asyncio.wait_for(reading.is_over.wait(), 30)
    assert (len(reading.data), reading.is_clean) == (FULL, True)


async def test_text_before_a_broken_connection_comes_first() -> None:
    async def broken(response: web.StreamResponse) -> None:
        await response.write(b"before")
        await asyncio.sleep(0.05)
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.abort()

    async with response_of(broken) as response:
        await asyncio.sleep(0.2)  # both arrive before there is a reader
        reading = await read(response)
        assert (reading.data, reading.is_clean) == (b"before", False)


async def test_a_broken_coding_is_a_cut_and_closes_the_connection() -> None:
    async def broken(response: web.StreamResponse) -> None:
        await response.write(b"before")
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.write(b"zz\r\n")
        await asyncio.sleep(1)

    async with response_of(broken) as response:
        reading = await read(response)
        assert (reading.data, reading.is_clean) == (b"before", False)
        await asyncio.sleep(0.05)
        assert response.connection is None or response.connection.transport is None


async def test_the_connection_is_given_back_at_the_end_and_used_again() -> None:
    async with response_of(slowly) as response:
        connection = response.connection
        assert connection is not None
        transport = connection.transport
        assert transport is not None
        assert transport.get_protocol() is response.tap
        await read(response)
        assert transport.get_protocol() is connection.protocol or response.connection is None
        assert response.connection is None  # it is free for the next request
        assert not transport.is_closing()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "3"}, 200),
        ({"Content-Type": "text/html; charset=utf-8"}, 200),
        ({"Content-Encoding": "identity"}, 200),
        ({}, 500),
    ],
)
async def test_other_bodies_are_left_to_aiohttp(headers: dict[str, str], status: int) -> None:
    async with response_of(slowly, headers=headers, status=status) as response:
        assert response.tap is not None
        assert not response.tap.is_tapping
        assert await response.read() == b"abc"


async def test_a_body_that_is_left_to_aiohttp_is_paused_by_aiohttp_alone() -> None:
    async with response_of(much, headers={"Content-Type": "text/html"}) as response:
        assert response.tap is not None
        await asyncio.sleep(0.3)  # unread, so that the connection stands still
        assert not response.content.is_eof()
        assert len(await response.read()) == FULL


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_it_holds_on_the_loop_that_is_served_with(tmp_path: Path, is_encrypted: bool) -> None:
    async def ask() -> TapReading:
        tls = contexts(tmp_path) if is_encrypted else None
        async with response_of(much, tls) as response:
            return await read(response)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        reading = runner.run(ask())
    assert (len(reading.data), reading.is_clean) == (FULL, True)
    assert max(map(len, reading.pieces)) <= MAX_EARLY_BYTES + READ_BYTES


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


EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


@each_row(
    ("data", "start", "size"),
    [
        (HEAD + b"x\r\n\r\n", 0, len(HEAD)),
        (EARLY + EARLY + HEAD, 2 * len(EARLY), len(HEAD)),
        (EARLY + HEAD[:-1], len(EARLY), 0),
        (EARLY[:-1], 0, 0),
        (b"HTTP/1.1 101 Switching\r\n\r\n" + HEAD, 0, 26),  # nothing in HTTP follows
        (b"", 0, 0),
    ],
)
def test_the_head_of_an_answer_is_found_behind_informational_ones(
    data: bytes, start: int, size: int
) -> None:
    assert head_in(data) == (start, size)


async def test_as_many_heads_as_may_come_before_the_answer_are_passed_over() -> None:
    heads = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3_000

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(heads + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"5\r\nhello\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, str(LOOPBACK))
    url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/"
    async with server, aiohttp.ClientSession() as session:
        streams = tapped_session(session, None)
        response = await streams.get(url)
        assert isinstance(response, TappedResponse)
        reading = await read(response)
        response.close()
    assert (reading.data, reading.is_clean) == (b"hello", True)
