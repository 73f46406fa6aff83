"""Turns that are sent past aiohttp's session, to a server that says exactly the bytes of the test."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import uvloop

from service.settings.config import UpstreamConfig
from tests.upstream.line.readers import BodyReading, read_body
from tests.upstream.line.test_tap import FULL, LOOPBACK, contexts
from upstream.http.bodies import read_start
from upstream.http.session import make_session
from upstream.line import direct
from upstream.line.answer_body import AnswerBody
from upstream.line.direct import MAX_HEAD_BYTES, DirectAnswer, DirectPoster
from upstream.line.tap import MAX_EARLY_BYTES, READ_BYTES
from upstream.line.tapped_session import UpstreamAnswer, tapped_session

HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "User-Agent": "test"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n"
CONFIG = UpstreamConfig()
LENGTH = re.compile(rb"Content-Length: (\d+)")
Answering = Callable[["Asked"], Awaitable[None]]


class Asked:
    """A request that has arrived; `number` counts those of all connections, from 1."""

    def __init__(self, raw: bytes, number: int, writer: asyncio.StreamWriter) -> None:
        self.raw = raw
        self.number = number
        self._writer = writer

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    def close(self) -> None:
        self._writer.close()


class Server:
    """Has each request answered, and keeps its connections."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.requests: list[bytes] = []
        self.connections = 0
        self.left = asyncio.Event()  # when a connection was closed
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = LENGTH.search(head)
                assert found
                self.requests.append(head + await reader.readexactly(int(found[1])))
                await self.answering(Asked(self.requests[-1], len(self.requests), writer))
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            self.left.set()
        finally:
            writer.transport.abort()

    async def stop(self) -> None:
        """End all that is served."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)
        await asyncio.sleep(0)  # in which the transports close


class Client:
    """Posts to the server, directly or as every other call goes."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, is_direct: bool) -> None:
        self.session = session
        self.url = f"{url}/backend-api/conversation?a=b%20c"
        self._streams = tapped_session(session, None)
        self._direct = DirectPoster(session) if is_direct else None

    async def post(self, data: bytes = b"{}") -> UpstreamAnswer:
        if self._direct is not None:
            return await self._direct.post(self.url, data, HEADERS)
        return await self._streams.post(self.url, data=data, headers=HEADERS, allow_redirects=False)

    async def read(self) -> BodyReading:
        return await read_body(AnswerBody(await self.post(), CONFIG))


@asynccontextmanager
async def serving(
    answering: Answering,
    *,
    is_direct: bool = True,
    is_kept: bool = True,
    folder: Path | None = None,
) -> AsyncIterator[tuple[Server, Client]]:
    """Run a server, with TLS if there is a folder for its certificate, and a client.

    Unless `is_kept`, the client closes each connection after one answer.
    """
    running = Server(answering)
    serves, asks = contexts(folder) if folder else (None, True)
    server = await asyncio.start_server(running.serve, str(LOOPBACK), 0, ssl=serves)
    port = server.sockets[0].getsockname()[1]
    connector = aiohttp.TCPConnector(limit=0, ssl=asks, force_close=not is_kept)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        url = f"http{'s' if folder else ''}://{LOOPBACK}:{port}"
        yield running, Client(session, url, is_direct=is_direct)
    server.close()
    await running.stop()


async def hello(asked: Asked) -> None:
    await asked.say(HEAD + BODY)


async def test_the_request_has_the_path_the_host_and_the_headers() -> None:
    async with serving(hello) as (server, client):
        reading = await client.read()
        assert (reading.data, reading.ended and reading.ended.how.name) == (
            b"hello, world",
            "CLEAN",
        )
        host = client.url.split("/")[2]
    assert server.requests == [
        b"POST /backend-api/conversation?a=b%%20c HTTP/1.1\r\nHost: %b\r\n"
        b"Accept: text/event-stream\r\nAccept-Encoding: identity\r\nUser-Agent: test\r\n"
        b"Content-Length: 2\r\n\r\n{}" % host.encode()
    ]


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb", "a\0b"])
async def test_a_header_with_a_line_end_in_it_is_never_sent(value: str) -> None:
    async with serving(hello) as (server, client):
        poster = DirectPoster(client.session)
        with pytest.raises(ValueError, match="line end"):
            await poster.post(client.url, b"{}", {"X-Token": value})
    assert (server.requests, server.connections) == ([], 0)


PACKED = gzip.compress(b"hello, world")
ANSWERS = {
    "chunked": HEAD + BODY,
    "chunked, with trailers": HEAD + BODY[:-2] + b"X-After: all\r\n\r\n",
    "after others": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + HEAD + BODY,
    "of a length": b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world",
    "until the end": b"HTTP/1.0 200 OK\r\n\r\nhello, world",
    "packed": HEAD[:-2]
    + b"Content-Encoding: gzip\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PACKED), PACKED),
    "refused": b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\nRetry-After: 5\r\n\r\n" + BODY,
    "a page": HEAD.replace(b"event-stream", b"html") + BODY,
    "another place": b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    "broken chunk": HEAD + b"5\r\nhello\r\nzz\r\n",
    "half": HEAD + b"5\r\nhello\r\n7\r\n, wor",
    "half of a length": b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello",
    "no head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "both framings": HEAD[:-2] + b"Content-Length: 3\r\n\r\n" + BODY,
    "long head": HEAD[:-2] + b"X-Long: %b\r\n\r\n" % (b"x" * MAX_HEAD_BYTES) + BODY,
    "many fields": HEAD[:-2] + b"X-A: b\r\n" * 60 + b"\r\n" + BODY,
    "status of its own": b"HTTP/1.1 529 Busy\r\nContent-Length: 2\r\n\r\nno",
}


async def outcome(client: Client) -> object:
    """Return all that can be told of an answer."""
    try:
        answer = await client.post()
        if answer.status != 200:
            start = await read_start(answer, 1000)
            answer.close()
            return answer.status, answer.headers.get("Retry-After"), start
        reading = await read_body(AnswerBody(answer, CONFIG))
    except (aiohttp.ClientError, OSError):
        return "the connection broke"
    assert reading.ended is not None
    return answer.headers.get("Content-Type"), reading.data, reading.ended.how


async def outcomes(raw: bytes, *, is_direct: bool, step: int) -> set[object]:
    """Return what comes of an answer, whole and in two pieces, wherever it is cut."""

    async def cut(asked: Asked) -> None:
        at = min((asked.number - 1) * step, len(raw))
        await asked.say(*filter(None, (raw[:at], raw[at:])))
        asked.close()

    async with serving(cut, is_direct=is_direct, is_kept=False) as (_, client):
        return {await outcome(client) for _ in range(len(raw) // step + 2)}


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_answer_is_what_aiohttp_makes_of_it_wherever_it_is_cut(name: str) -> None:
    raw = ANSWERS[name]
    ours = await outcomes(raw, is_direct=True, step=1 if len(raw) < 400 else 997)
    theirs = await outcomes(raw, is_direct=False, step=len(raw))
    assert ours == theirs
    assert len(ours) == 1


@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_a_connection_is_kept_for_the_next_turn(tmp_path: Path, is_encrypted: bool) -> None:
    async with serving(hello, folder=tmp_path if is_encrypted else None) as (server, client):
        for _ in range(3):
            assert (await client.read()).data == b"hello, world"
        async with client.session.post(client.url, data=b"{}") as response:
            assert await response.read() == b"hello, world"  # other calls share it
        assert (server.connections, len(server.requests)) == (1, 4)


@pytest.mark.parametrize(
    "raw",
    [
        HEAD[:-2] + b"Connection: close\r\n\r\n" + BODY,
        HEAD + BODY + b"HTTP/1.1 200 OK\r\n",
    ],
    ids=["that says so", "with more behind its end"],
)
async def test_a_connection_is_not_kept_after_an_answer(raw: bytes) -> None:
    async def answer(asked: Asked) -> None:
        await asked.say(raw)

    async with serving(answer) as (server, client):
        for _ in range(2):
            assert (await client.read()).data == b"hello, world"
        assert server.connections == 2


async def test_a_head_like_the_last_is_known_and_any_other_is_read() -> None:
    def dated(second: int, more: bytes = b"") -> bytes:
        date = b"Date: Mon, 30 Nov 2026 20:00:%02d GMT\r\n" % second
        return HEAD.replace(b"Transfer-", date + more + b"Transfer-")

    packed = dated(3, b"Content-Encoding: gzip\r\n")
    heads = [dated(1), dated(2), dated(3, b"X: 1\r\n"), dated(4), dated(5), packed, dated(6)]

    async def answering(asked: Asked) -> None:
        await asked.say(heads[asked.number - 1] + BODY)

    async with serving(answering) as (_, client):
        answers = []
        for _ in heads:
            answer = await client.post()
            assert isinstance(answer, DirectAnswer)
            answers.append(answer)
            answer.close()
    told = [(answer.headers.get("X"), answer.is_tapping) for answer in answers]
    plain = (None, True)
    assert told == [plain, plain, ("1", True), plain, plain, (None, False), plain]
    fields = [answer.headers for answer in answers]
    assert fields[0] is fields[1]  # parsed once
    assert fields[3] is fields[4] is fields[6]
    assert fields[0] is not fields[3]


async def test_a_connection_that_spoke_unasked_is_not_used() -> None:
    async def answer(asked: Asked) -> None:
        await asked.say(HEAD + BODY)
        await asyncio.sleep(0.02)
        await asked.say(HEAD + b"4\r\nevil\r\n0\r\n\r\n")

    async with serving(answer) as (server, client):
        for _ in range(2):
            assert (await client.read()).data == b"hello, world"
            await asyncio.sleep(0.1)
        assert server.connections == 2


async def closing(asked: Asked) -> None:
    """Answer once on each connection, and close it when asked again."""
    if asked.number == 1:
        await asked.say(HEAD + BODY)
    else:
        asked.close()


async def test_a_kept_connection_that_was_closed_costs_no_turn() -> None:
    async def answer(asked: Asked) -> None:
        await (closing(asked) if asked.number < 3 else hello(asked))

    async with serving(answer) as (server, client):
        for _ in range(2):
            assert (await client.read()).data == b"hello, world"
        assert (server.connections, len(server.requests)) == (2, 3)
        assert server.requests[1] == server.requests[2]


async def test_a_turn_is_sent_once_more_and_not_again() -> None:
    async with serving(closing) as (server, client):
        await client.read()
        for sent in (3, 4):  # over the kept connection and a new one, then over a new one alone
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await client.post()
            assert len(server.requests) == sent


async def test_a_turn_whose_answer_has_begun_is_not_sent_again() -> None:
    async def answer(asked: Asked) -> None:
        if asked.number == 2:
            await asked.say(HEAD[:10])
        await closing(asked)

    async with serving(answer) as (server, client):
        await client.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.post()
        assert len(server.requests) == 2


async def test_a_turn_that_was_long_on_its_way_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(direct, "STALE_SECONDS", 0.0)
    async with serving(closing) as (server, client):
        await client.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.post()
        assert len(server.requests) == 2


async def test_a_turn_that_is_given_up_before_its_head_closes_the_connection() -> None:
    async def never(_asked: Asked) -> None:
        await asyncio.sleep(0)

    async with serving(never) as (server, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.post()
        await asyncio.wait_for(server.left.wait(), 10)


async def test_a_request_that_is_still_on_its_way_keeps_no_connection() -> None:
    """The server answers after the head, and reads on when the answer has been read."""
    is_read, arrived = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + BODY)
        await is_read.wait()
        arrived.set_result(len(await reader.read()))
        writer.close()

    server = await asyncio.start_server(serve, str(LOOPBACK), 0)
    url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    async with make_session(CONFIG) as session:
        answer = await DirectPoster(session).post(url, b"x" * FULL, HEADERS)
        assert (await read_body(AnswerBody(answer, CONFIG))).data == b"hello, world"
        is_read.set()
        assert await asyncio.wait_for(arrived, 10) < FULL
    server.close()


async def test_without_a_reader_the_sender_has_to_wait() -> None:
    async def much(asked: Asked) -> None:
        await asked.say(HEAD, b"%x\r\n" % FULL, *[b"x" * 65536] * (FULL // 65536), b"\r\n0\r\n\r\n")

    async with serving(much) as (_, client):
        answer = await client.post()
        assert isinstance(answer, DirectAnswer)
        await asyncio.sleep(0.2)
        assert sum(map(len, answer._early)) <= MAX_EARLY_BYTES + READ_BYTES
        body, reading = AnswerBody(answer, CONFIG), BodyReading()
        body.start(reading)
        await reading.has_some.wait()
        body.pause()
        held = len(reading.data)
        await asyncio.sleep(0.1)
        assert len(reading.data) == held < FULL
        body.resume()
        await asyncio.wait_for(reading.is_over.wait(), 30)
        assert len(reading.data) == FULL
        body.close()


async def test_the_end_of_the_session_ends_what_is_under_way() -> None:
    async def half(asked: Asked) -> None:
        await asked.say(HEAD + BODY[:10])

    async with serving(half) as (_, client):
        body, reading = AnswerBody(await client.post(), CONFIG), BodyReading()
        body.start(reading)
        await client.session.close()
        await asyncio.wait_for(reading.is_over.wait(), 10)
        assert reading.ended is not None
        assert reading.ended.how.name == "CUT"
        body.close()


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_it_holds_on_the_loop_that_is_served_with(tmp_path: Path, is_encrypted: bool) -> None:
    async def ask() -> None:
        async with serving(hello, folder=tmp_path if is_encrypted else None) as (server, client):
            for _ in range(3):
                assert (await client.read()).data == b"hello, world"
            assert server.connections == 1

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask())
