"""HTTP/1.1 over a Unix socket: one request and its answer, or both at once for a stream.

The stream sends its body from inside the answer's `readinto`: one thread writes whenever the socket
takes something and reads whenever there is something, so neither side can block the other, the
caller's lines are drawn in the caller's own thread, and the standard library parses the answer.
"""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.hubkit.errors import AnswerTimeout, ConnectionLost, DaemonUnreachable, ProtocolError
from appliance.hubkit.wire import LARGEST_ANSWER

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_PATH = 107  # bytes of sun_path on Linux, without the closing zero (unix(7))
_CUT = "the daemon closed the connection before its answer was complete"


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower-case names) and body of one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def checked_path(path: str | os.PathLike[str]) -> str:
    """The socket's path.

    Raises:
        DaemonUnreachable: longer than the kernel allows for a Unix socket.
    """
    text = os.fspath(path)
    if len(os.fsencode(text)) > LONGEST_PATH:
        raise DaemonUnreachable(
            f"the socket path has more than {LONGEST_PATH} bytes, the most that Unix sockets allow",
            "change into the socket's folder and give a relative path",
        )
    return text


def connect(path: str, timeout: float) -> socket.socket:
    """A connected stream socket.

    Raises:
        DaemonUnreachable: nobody listens there, or the file's permissions forbid it.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(checked_path(path))
    except OSError as error:
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DaemonUnreachable(f"{path}: {reason}", _hint(error, path)) from None
    except BaseException:
        sock.close()
        raise
    return sock


def _hint(error: OSError, path: str) -> str:
    if isinstance(error, PermissionError):
        return "your user needs to be in the group that owns the socket"
    if isinstance(error, FileNotFoundError):
        return "no socket there: is the path right, and has the daemon been started (appliance serve)?"
    return f"is the daemon running? ls -l {Path(path).parent}"


def head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Request line and headers."""
    lines = [f"{method} {target} HTTP/1.1", "Host: kagimori", *(f"{name}: {text}" for name, text in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def roundtrip(sock: socket.socket, request: bytes) -> tuple[Answer, bool]:
    """Send a whole request, read the whole answer; and whether the connection may be used again.

    Raises:
        AnswerTimeout, ConnectionLost, ProtocolError: as their names say; close the socket then.
    """
    try:
        sock.sendall(request)
    except TimeoutError:
        raise AnswerTimeout("the daemon took none of the request in time") from None
    except OSError:
        pass  # it may have answered before it hung up: 413, 503
    response = http.client.HTTPResponse(sock)
    try:
        response.begin()
        body = response.read(LARGEST_ANSWER + 1)
        if len(body) > LARGEST_ANSWER:
            raise ProtocolError(f"the answer has more than {LARGEST_ANSWER} bytes", "ask in smaller batches or stream")
        if response.length:  # read(n) returns a short body without a word
            raise ConnectionLost(_CUT)
        return Answer(response.status, lower(response), body), not response.will_close
    except TimeoutError:
        raise AnswerTimeout(f"no answer within {sock.gettimeout():g} s", "is the daemon overloaded?") from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise translated(error) from None
    finally:
        response.close()


def translated(error: Exception) -> ConnectionLost | ProtocolError:
    """What a failure while reading an answer means."""
    if isinstance(error, OSError | http.client.IncompleteRead):
        return ConnectionLost(_CUT)
    return ProtocolError(f"the answer is not HTTP/1.1: {type(error).__name__}")


def lower(response: http.client.HTTPResponse) -> dict[str, str]:
    """The headers with lower-case names."""
    return {name.lower(): text for name, text in response.getheaders()}


def gone(sock: socket.socket) -> bool:
    """Whether an idle connection was closed by the other side (or says something unasked)."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Duplex(io.RawIOBase):
    """What the answer is read from; sends the request's chunks while there is nothing to read.

    ``timeout`` (seconds) is the longest time in which nothing moves in either direction; time that the
    caller's own ``blocks`` take does not count.

    Raises:
        AnswerTimeout: from `readinto`. Errors of ``blocks`` come through unchanged, noted in ``source_error``.
    """

    source_error: BaseException | None = None

    def __init__(self, sock: socket.socket, request_head: bytes, blocks: Iterator[bytes], timeout: float) -> None:
        self._sock = sock
        self._blocks = blocks
        self._pending = memoryview(request_head)
        self._writing = True
        self._timeout = timeout
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN | select.POLLOUT)
        sock.setblocking(False)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client.HTTPResponse` asks of a socket."""
        return io.BufferedReader(self, 64 * 1024)

    def readable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Close the socket too."""
        super().close()
        self._sock.close()

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Bytes of the answer; sends until there are some."""
        while True:
            ready = self._wait()
            if ready & ~select.POLLOUT:
                try:
                    return self._sock.recv_into(buffer)
                except BlockingIOError:
                    continue
            self._send()

    def _wait(self) -> int:
        ready = self._poll.poll(self._timeout * 1000)
        if not ready:
            raise AnswerTimeout(f"the stream stood still for {self._timeout:g} s", "is the daemon overloaded?")
        return ready[0][1]

    def _next_block(self) -> bytes | None:
        try:
            return next(self._blocks, None)
        except BaseException as error:
            self.source_error = error
            raise

    def _send(self) -> None:
        if not self._pending:
            block = self._next_block()
            self._pending = memoryview(b"%x\r\n%b\r\n" % (len(block), block) if block else b"0\r\n\r\n")
            self._writing = block is not None
        try:
            self._pending = self._pending[self._sock.send(self._pending) :]
        except BlockingIOError:
            return
        except OSError:
            self._writing, self._pending = False, memoryview(b"")  # it hung up; what it answered can still be read
        if not self._writing and not self._pending:
            self._poll.modify(self._sock, select.POLLIN)
