"""The chunked coding, whole and cut anywhere."""

import random

from tests.rows import each_row
from upstream.line.chunked import MAX_LINE_BYTES, ChunkedBody

BODY = b"5\r\nhello\r\n1;name=value\r\n,\r\n006 \r\n world\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n"


def decoded(pieces: list[bytes]) -> tuple[bytes, ChunkedBody]:
    """Feed pieces by one buffer, as reads come, which is written over after each."""
    body, buffer = ChunkedBody(), bytearray(max(map(len, pieces), default=0))
    data = []
    for piece in pieces:
        buffer[: len(piece)] = piece
        data.append(body.feed(memoryview(buffer)[: len(piece)]))
        buffer[:] = b"?" * len(buffer)
    return b"".join(data), body


@each_row("size", range(1, len(BODY) + 1))
def test_a_body_is_the_same_however_it_is_cut(size: int) -> None:
    pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    data, body = decoded(pieces)
    assert data == b"hello, world"
    assert body.is_complete
    assert body.is_over
    assert body.rest == b""


def test_random_chunks_cut_at_random_places_are_read_as_they_were_written() -> None:
    chance = random.Random(7)
    for _ in range(200):
        chunks = [chance.randbytes(chance.randrange(1, 400)) for _ in range(chance.randrange(9))]
        raw = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n"
        cuts = sorted(chance.randrange(len(raw) + 1) for _ in range(chance.randrange(9)))
        pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        data, body = decoded(pieces)
        assert (data, body.is_complete) == (b"".join(chunks), True)


@each_row("line", [b"%x", b"%X", b"0%x", b"%x ", b"%x;a=b"])
def test_one_chunk_of_a_read_is_its_data(line: bytes) -> None:
    for size in range(1, 1100):
        chunk = random.Random(size).randbytes(size)
        data, body = decoded([line % size + b"\r\n" + chunk + b"\r\n"] * 2)
        assert data == chunk * 2
        assert not body.is_over


@each_row("end", [b"\n\n", b"\r", b"\r\r", b"ab", b""])
@each_row("more", [-1, 0, 1])
def test_what_looks_like_one_chunk_is_read_as_if_it_came_byte_by_byte(
    end: bytes, more: int
) -> None:
    for size in (*range(1, 40), *range(240, 270), 1016, 1017, 1018):
        raw = b"%x\r\n" % size + b"\n" * (size + more) + end
        at_once, body = decoded([raw])
        by_byte, slow = decoded([bytes([byte]) for byte in raw])
        assert (body.is_broken, body.is_complete) == (slow.is_broken, slow.is_complete)
        assert body.is_broken or at_once == by_byte


def test_what_comes_after_the_end_is_kept_apart() -> None:
    data, body = decoded([b"1\r\na\r\n0\r\n\r\nHTTP/1.1", b" 200 OK"])
    assert (data, body.rest) == (b"a", b"HTTP/1.1 200 OK")


@each_row(
    "raw",
    [
        b"zz\r\nx\r\n",
        b"\r\nx\r\n",
        b"-1\r\nx\r\n",
        b"0x1\r\nx\r\n",
        b"1_0\r\nx\r\n",
        b"1\nx\n",
        b"1\r\nxy\r\n",
        b"1\r\nx\n",
        b"f" * 16 + b"\r\n",
        b"1;" + b"a" * MAX_LINE_BYTES,
        b"0\r\n" + b"a" * (MAX_LINE_BYTES + 1),
        b"0\r\n" + b"a: b\r\n" * (MAX_LINE_BYTES // 4 + 1),
    ],
)
@each_row("size", [1, 10_000_000])
def test_what_came_before_a_broken_coding_is_kept(raw: bytes, size: int) -> None:
    raw = b"2\r\nok\r\n" + raw
    data, body = decoded([raw[at : at + size] for at in range(0, len(raw), size)])
    assert body.is_broken
    assert body.is_over
    assert data.startswith(b"ok")
    assert len(data) <= 3
