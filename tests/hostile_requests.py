"""Requests that a proxy and the server behind it may read differently, as bytes.

Each asks for `/outer` and carries `/smuggled` where one of two readings would find a second
request. Sources: RFC 9112, 2.2, 5, 6, 7 and 11.2, and reports about servers since 2019.
"""

INNER = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
_TE = b"Transfer-Encoding: chunked\r\n"


def _post(headers: bytes, body: bytes, line: bytes = b"POST /outer HTTP/1.1") -> bytes:
    return line + b"\r\nHost: x\r\n" + headers + b"\r\n" + body


def _counted(headers: bytes, body: bytes) -> bytes:
    """Return a request whose Content-Length covers all of its body."""
    return _post(b"Content-Length: %d\r\n" % len(body) + headers, body)


_CHUNKS_AND_MORE = b"0\r\n\r\n" + INNER
_ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)

# Two ways to find the end of the body.
LENGTHS = {
    "CL.TE": _counted(_TE, _CHUNKS_AND_MORE),
    "TE.CL": _post(_TE + b"Content-Length: 4\r\n", _ONE_CHUNK),
    "CL.TE, HTTP/1.0": _counted(_TE, _CHUNKS_AND_MORE).replace(
        b"HTTP/1.1\r\nHost", b"HTTP/1.0\r\nHost", 1
    ),
    "two lengths, the first longer": _post(
        b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(INNER), INNER
    ),
    "two lengths, the last longer": _post(
        b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(INNER), INNER
    ),
    "a list of lengths": _post(b"Content-Length: 0, %d\r\n" % len(INNER), INNER),
    "a length with a sign": _post(b"Content-Length: +%d\r\n" % len(INNER), INNER),
    "a negative length": _post(b"Content-Length: -1\r\n", INNER),
    "a hexadecimal length": _post(b"Content-Length: 0x23\r\n", INNER),
    "an octal length": _post(b"Content-Length: 0o43\r\n", INNER),
    "a length with an underscore": _post(b"Content-Length: 3_5\r\n", INNER),
    "a length in other digits": _post("Content-Length: ３５\r\n".encode(), INNER),
    "a length with a zero byte": _post(b"Content-Length: 0\x0035\r\n", INNER),
    "a length over 64 bits": _post(b"Content-Length: 18446744073709551651\r\n", INNER),
    "an empty length": _post(b"Content-Length: \r\n", INNER),
    "a length with a blank inside": _post(b"Content-Length: 3 5\r\n", INNER),
    "a blank before the colon": _post(b"Content-Length : %d\r\n" % len(INNER), INNER),
    "an underscore in place of the dash": _counted(b"Content_Length: 0\r\n", INNER),
    "a length that Connection names": _counted(b"Connection: Content-Length\r\n", INNER),
}

# Encodings that one reads as chunked and another does not.
ENCODINGS = {
    name: _counted(b"%s\r\n" % header, _CHUNKS_AND_MORE)
    for name, header in {
        "TE xchunked": b"Transfer-Encoding: xchunked",
        "TE with a blank before the colon": b"Transfer-Encoding : chunked",
        "TE after a tab": b"Transfer-Encoding:\tchunked",
        "TE after a vertical tab": b"Transfer-Encoding: \x0bchunked",
        "TE with a zero byte": b"Transfer-Encoding: chunked\x00",
        "TE in capitals": b"TRANSFER-ENCODING: CHUNKED",
        "TE in quotes": b'Transfer-Encoding: "chunked"',
        "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "TE twice, chunked last": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "TE twice chunked": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "TE chunked, identity": b"Transfer-Encoding: chunked, identity",
        "TE identity, chunked": b"Transfer-Encoding: identity, chunked",
        "TE chunked;q": b"Transfer-Encoding: chunked;q=0.5",
        "TE gzip": b"Transfer-Encoding: gzip",
        "TE gzip, chunked": b"Transfer-Encoding: gzip, chunked",
        "TE empty": b"Transfer-Encoding:",
        "TE folded": b"Transfer-Encoding:\r\n chunked",
        "TE as a fold of another header": b"X: y\r\n Transfer-Encoding: chunked",
        "TE after a bare LF": b"X: y\nTransfer-Encoding: chunked",
        "TE after a bare CR": b"X: y\rTransfer-Encoding: chunked",
        "TE whose name is cut by a LF": b"Transfer-Encoding\n: chunked",
        "TE with an underscore": b"Transfer_Encoding: chunked",
        "TE with a byte before it": b"\xefTransfer-Encoding: chunked",
        "TE that Connection names": b"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
    }.items()
}

# Chunks whose end two readers see in different places.
CHUNKS = {
    name: _post(_TE, body)
    for name, body in {
        "an extension with a bare LF": b"2;\nxx\r\n%x\r\nxx\r\n0\r\n\r\n%s" % (5, INNER),
        "a size that a bare LF ends": b"2\nab\r\n0\r\n\r\n",
        "a chunk that a bare LF ends": b"2\r\nab\n0\r\n\r\n",
        "a chunk without an end": b"2\r\nab0\r\n\r\n" + INNER,
        "a chunk longer than its size": b"2\r\nabcd\r\n0\r\n\r\n" + INNER,
        "a size with a prefix": b"0x2\r\nab\r\n0\r\n\r\n" + INNER,
        "a size with a sign": b"+2\r\nab\r\n0\r\n\r\n" + INNER,
        "a negative size": b"-2\r\nab\r\n0\r\n\r\n" + INNER,
        "a size with an underscore": b"0_2\r\nab\r\n0\r\n\r\n" + INNER,
        "a size over 64 bits": b"10000000000000002\r\nab\r\n0\r\n\r\n" + INNER,
        "a size with a blank before it": b" 2\r\nab\r\n0\r\n\r\n" + INNER,
        "no size": b"\r\nab\r\n0\r\n\r\n" + INNER,
        "a size of other letters": b"zz\r\nab\r\n0\r\n\r\n" + INNER,
        "an extension in quotes over lines": b'2;a="\r\n0\r\n\r\n' + INNER,
        "a bare CR as an end": b"2\rab\r0\r\r" + INNER,
    }.items()
}

# Heads whose end or fields two readers see differently.
HEADS = {
    "all ends bare LF": _counted(b"", INNER).replace(b"\r\n", b"\n"),
    "a head that a bare LF ends": b"POST /outer HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\n"
    + INNER,
    "a fold": _counted(b"X: y\r\n z\r\n", INNER),
    "a fold before the first header": b"POST /outer HTTP/1.1\r\n Host: x\r\nHost: x\r\nContent-Length: 35\r\n\r\n"
    + INNER,
    "a header without a colon": _counted(b"nonsense\r\n", INNER),
    "a header without a name": _counted(b": x\r\n", INNER),
    "a zero byte in a value": _counted(b"X: a\x00b\r\n", INNER),
    "two hosts": _counted(b"Host: other\r\n", INNER),
    "no host": b"POST /outer HTTP/1.1\r\nContent-Length: 35\r\n\r\n" + INNER,
    "a host with a blank": _counted(b"", INNER).replace(b"Host: x", b"Host: x y"),
    "a bare CR in the request line": _counted(b"", INNER).replace(b"/outer ", b"/outer\r ", 1),
    "a request in the request line": b"POST /outer?HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /outer\r\n" + INNER,
    "HTTP/1.9": _counted(b"", INNER).replace(b"HTTP/1.1", b"HTTP/1.9", 1),
    "HTTP/2.0 in the old form": _counted(b"", INNER).replace(b"HTTP/1.1", b"HTTP/2.0", 1),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + INNER,
    "CONNECT": b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n" + INNER,
    "GET with a body": _counted(b"", INNER).replace(b"POST", b"GET", 1),
    "HEAD with a body": _counted(b"", INNER).replace(b"POST", b"HEAD", 1),
    "an upgrade with a body": _counted(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", INNER),
    "a WebSocket with a body": _counted(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", INNER),
    "an expectation with a body": _counted(b"Expect: 100-continue\r\n", INNER),
    "an unknown expectation": _counted(b"Expect: 100-continue, x\r\n", INNER),
}

WHOLE_BODIES = (INNER, _CHUNKS_AND_MORE, b"ab")  # the body of any that is let through
ALL = {**LENGTHS, **ENCODINGS, **CHUNKS, **HEADS}
