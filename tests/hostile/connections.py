"""Bytes that are not quite HTTP, and bytes that two servers may read as two requests."""

from collections.abc import Mapping

from tests.hostile.case import Section, Wire
from tests.hostile_requests import CHUNKS, ENCODINGS, HEADS, LENGTHS

HOST = b"Host: x\r\n"


def _wires(
    inputs: Mapping[str, bytes], why: str, let: Mapping[str, tuple[int, ...]]
) -> tuple[Wire, ...]:
    """Return requests that are refused, but for those that are let through."""
    assert let.keys() <= inputs.keys()
    return tuple(Wire(name, data, let.get(name, (400,)), why) for name, data in inputs.items())


NOT_HTTP = Section(
    "Bytes that are no request",
    "Each on a connection of its own. Errors are JSON, quote none of the bytes, and close it.",
    (
        Wire("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32) + b"\r\n\r\n", why="this server speaks no TLS of its own"),
        Wire("garbage", bytes(range(128, 256)) + b"\r\n\r\n", why="it is not HTTP"),
        Wire("a gibberish line", b"hello\r\n\r\n", why="it is not HTTP"),
        Wire("SSH", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", why="it is not HTTP"),
        Wire("a header of 100 KB", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 100_000 + b"\r\n\r\n", why="a header has up to 16 KiB"),
        Wire("an address of 100 KB", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", why="an address has up to 8 KiB"),
        Wire("ten thousand headers", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: x\r\n" * 10_000 + b"\r\n", why="there are up to 128"),
        Wire("a header with a zero byte", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", why="a header holds none"),
        Wire("a name of a header with a blank", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X y: z\r\n\r\n", why="a name holds none"),
        Wire("a zero byte in the address", b"GET /healthz\0 HTTP/1.1\r\n" + HOST + b"\r\n", why="an address holds none"),
        Wire("a blank in the address", b"GET /health z HTTP/1.1\r\n" + HOST + b"\r\n", why="an address holds none"),
        Wire("a port that is none", b"GET http://x:y/healthz HTTP/1.1\r\n" + HOST + b"\r\n", why="it is no address"),
        Wire("a method in small letters", b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n", why="methods are in capitals"),
        Wire("a version that is a word", b"GET /healthz HTTP/one\r\n" + HOST + b"\r\n", why="it is not HTTP"),
        Wire("a request for another server", b"GET http://169.254.169.254/latest HTTP/1.1\r\n" + HOST + b"\r\n", (404,), "this is no proxy: only the path counts"),
    ),
)  # fmt: skip
SMUGGLED = Section(
    "Two requests in one",
    "Each stands for a POST of `/outer`, which is not here, and carries a GET of `/smuggled` where "
    "one of two readings finds a request of its own. It is refused, or answered as the one request "
    "that it is. `tests/test_smuggling.py` sends the same through the nginx that ships.",
    (
        *_wires(
            LENGTHS,
            "a body has one length",
            {
                "an underscore in place of the dash": (404,),
                "a length that Connection names": (404,),
            },
        ),
        *_wires(
            ENCODINGS,
            "a body has one encoding, `chunked`, written in one way",
            {"TE with an underscore": (404,)},
        ),
        *_wires(CHUNKS, "a chunk has one size and one end", {}),
        *_wires(
            HEADS,
            "a head has one reading",
            {
                "a host with a blank": (404,),
                "HTTP/2.0 in the old form": (404,),
                "CONNECT": (404,),
                "GET with a body": (404,),
                "HEAD with a body": (404,),
                "an upgrade with a body": (404,),
                "a WebSocket with a body": (404,),
                "an expectation with a body": (404,),
                "an unknown expectation": (417,),
            },
        ),
    ),
)
