"""Which requests could two parsers read in two ways? Each is refused with one answer and a closed connection.

After RFC 9112 (sections in brackets) and what request smuggling has used. ``REFUSED``: one answer, 400. ``ODD``: valid,
or harmless, and answered exactly once.
"""

from __future__ import annotations

HOST = b"Host: kagimori\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"  # what is smuggled


def post(fields: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """A conversion with these header fields, each with its line end."""
    return b"POST /v1/convert " + version + b"\r\n" + HOST + JSON + fields + b"\r\n" + body


def get(fields: bytes = b"", target: bytes = b"/healthz", version: bytes = b"HTTP/1.1") -> bytes:
    """A harmless question with these header fields."""
    return b"GET " + target + b" " + version + b"\r\n" + HOST + fields + b"\r\n"


REFUSED: dict[str, bytes] = {
    # two lengths (6.3)
    "length and chunked": post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunked and length": post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n"),
    "the same length twice": post(b"Content-Length: 1\r\n" * 2, b"x"),
    "two lengths": post(b"Content-Length: 1\r\nContent-Length: 2\r\n", b"x"),
    "a list of lengths": post(b"Content-Length: 1, 1\r\n", b"x"),
    # what is no length (6.2)
    "length with a plus": post(b"Content-Length: +1\r\n", b"x"),
    "negative length": post(b"Content-Length: -1\r\n", b"x"),
    "hexadecimal length": post(b"Content-Length: 0x1\r\n", b"x"),
    "empty length": post(b"Content-Length: \r\n", b"x"),
    "length with a space in it": post(b"Content-Length: 1 0\r\n", b"x"),
    "length with an underscore": post(b"Content-Length: 1_0\r\n", b"x"),
    "length in other digits": post("Content-Length: \uff11\r\n".encode(), b"x"),
    "length of 2**63": post(b"Content-Length: 9223372036854775808\r\n", b"x"),
    "length of 2**64 - 1": post(b"Content-Length: 18446744073709551615\r\n", b"x"),
    "length of 2**64 + 1": post(b"Content-Length: 18446744073709551617\r\n", b"x"),
    # transfer encodings (6.1)
    "identity": post(b"Transfer-Encoding: identity\r\n", b"x"),
    "gzip": post(b"Transfer-Encoding: gzip\r\n", b"x"),
    "identity, chunked": post(b"Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n"),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "chunked, identity": post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "chunked, chunked": post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "chunked twice": post(CHUNKED * 2, b"0\r\n\r\n"),
    "xchunked": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "quoted chunked": post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "vertical tab before chunked": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "chunked in HTTP/1.0": post(CHUNKED, b"0\r\n\r\n", b"HTTP/1.0"),
    "folded chunked": post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    # chunks (7.1)
    "chunk size with a space": post(CHUNKED, b"1 \r\nx\r\n0\r\n\r\n"),
    "chunk size with 0x": post(CHUNKED, b"0x1\r\nx\r\n0\r\n\r\n"),
    "negative chunk size": post(CHUNKED, b"-1\r\nx\r\n0\r\n\r\n"),
    "chunk size too large": post(CHUNKED, b"fffffffffffffffff\r\nx\r\n0\r\n\r\n"),
    "chunk longer than its size": post(CHUNKED, b"1\r\nxx\r\n0\r\n\r\n"),
    "chunk without its end": post(CHUNKED, b"1\r\nx0\r\n\r\n"),
    "chunk sizes ended by a bare LF": post(CHUNKED, b"1\nx\n0\n\n"),
    "chunk extension ended by a bare LF": post(CHUNKED, b"1;a\nx\r\n0\r\n\r\n"),
    "length in a trailer": post(CHUNKED, b"0\r\nContent-Length: 5\r\n\r\n"),
    "chunked in a trailer": post(CHUNKED, b"0\r\n" + CHUNKED + b"\r\n"),
    # lines and fields (2.2, 5)
    "space before the colon": post(b"Content-Length : 1\r\n", b"x"),
    "tab before the colon": post(b"Content-Length\t: 1\r\n", b"x"),
    "space before the first field": b"GET /healthz HTTP/1.1\r\n " + HOST + b"\r\n",
    "folded field": get(b"X: a\r\n b\r\n"),
    "bare LF everywhere": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "bare LF after a field": get(b"X: y\n"),
    "bare CR in a field": get(b"X: a\rY: b\r\n"),
    "NUL in a name": get(b"X\0: y\r\n"),
    "NUL in a value": get(b"X: \0\r\n"),
    "control character in a value": get(b"X: \x01\r\n"),
    "no name": get(b": y\r\n"),
    "no colon": get(b"abc\r\n"),
    "name beyond ASCII": get(b"X\xff: y\r\n"),
    "two hosts": get(HOST),
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    # request line (3)
    "NUL in the target": get(target=b"/\0"),
    "target beyond ASCII": get(target=b"/\xff\xfe"),
    "space in the target": get(target=b"/a b"),
    "tab for a space": b"GET\t/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "space after the version": b"GET /healthz HTTP/1.1 \r\n" + HOST + b"\r\n",
    "method in small letters": b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "broken absolute target": get(target=b"http://[::1"),
    "no protocol at all": b"HELLO\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
    # versions and other protocols
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/0.9, named": get(version=b"HTTP/0.9"),
    "HTTP/1.2": get(version=b"HTTP/1.2"),
    "HTTP/2.0": get(version=b"HTTP/2.0"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": b"CONNECT kagimori:1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "WebSocket": get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "old WebSocket": get(b"Sec-WebSocket-Key1: 1\r\n"),
    # sizes
    "long target": get(target=b"/" + b"x" * 20_000),
    "long field": get(b"X: " + b"y" * 100_000 + b"\r\n"),
    "many fields": get(b"X: y\r\n" * 2_000),
    "large head": get(b"".join(b"X-%d: %b\r\n" % (place, b"y" * 60_000) for place in range(3))),
}

ODD: dict[str, tuple[bytes, int]] = {
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "empty lines first": (b"\r\n\r\n" + get(b"Connection: close\r\n"), 200),
    "chunked in capitals": (post(b"Transfer-Encoding: CHUNKED\r\nConnection: close\r\n", b"0\r\n\r\n"), 400),
    "chunk extension": (post(CHUNKED + b"Connection: close\r\n", b"1;a=b\r\n{\r\n0\r\n\r\n"), 400),
    "trailer": (post(CHUNKED + b"Connection: close\r\n", b"1\r\n{\r\n0\r\nX: y\r\n\r\n"), 400),
    "a body that nobody wants": (get(b"Content-Length: 3\r\nConnection: close\r\n") + b"abc", 200),
    "absolute target": (get(b"Connection: close\r\n", target=b"http://kagimori/healthz"), 404),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 404),
    "HTTP/2 upgrade": (get(b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"), 200),
    "value beyond ASCII": (get(b"X: \xff\xfe\r\nConnection: close\r\n"), 200),
    "two spaces": (b"GET  /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 200),
    "more after the last": (get(b"Connection: close\r\n") + NEXT, 200),
}
