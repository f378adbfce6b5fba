"""Stop: what was accepted is answered, what cannot be finished says so."""

from __future__ import annotations

import json
import signal
import socket
import time

from tests.daemonkit import Asking, Daemon, HeldDisk, codes, kinds, stream_path, wait_for
from tests.world import World


def test_sigterm_answers_what_was_accepted(small: World) -> None:
    disk = HeldDisk(small)
    with disk.daemon as daemon:
        numbers = daemon.numbers("resident", "sspin.A", codes(8), role="numbering")
        disk.hold()
        asking = [Asking(daemon, number) for number in numbers]
        time.sleep(0.5)
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in daemon.log)
        wait_for(lambda: not small.socket("hub").exists())
        time.sleep(0.2)
        assert all(one.reply is None and one.error is None for one in asking)
        disk.release()
        for one in asking:
            one.join(10)
            assert one.reply is not None and one.reply.status == 200, one.error
        assert daemon.wait() == 0
        assert kinds(daemon)[-1] == "stop"
        assert kinds(daemon).count("conversion") == 9


def test_requests_on_an_open_connection_are_refused_while_stopping(small: World) -> None:
    disk = HeldDisk(small)
    with disk.daemon as daemon, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(small.socket("hub")))
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in connection.recv(65536)
        disk.hold()
        asking = Asking(daemon, "?")
        time.sleep(0.3)
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in daemon.log)
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.recv(65536)
        assert b"503 Service Unavailable" in answer and b'"reason":"stopping"' in answer
        body = json.dumps(
            {"source": "sspin.A", "target": "sspin.B", "purpose": "exchange", "reference": "r", "numbers": ["?"]}
        ).encode()
        head = f"POST /v1/convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        time.sleep(0.2)
        disk.release()
        answer = connection.recv(65536)
        assert b"503 Service Unavailable" in answer and b'"code":"stopping"' in answer
        asking.join(10)
        assert asking.reply is not None and asking.reply.status == 200
        assert daemon.wait() == 0


def test_a_stream_in_progress_is_cut_when_the_time_is_over(small: World) -> None:
    disk = HeldDisk(small, grace=(0.5, 3.0))
    with disk.daemon as daemon, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(small.socket("hub")))
        connection.settimeout(10)
        head = f"POST {stream_path('sspin.A', 'sspin.B', 'exchange')} HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(
            head.encode() + b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n?\n\r\n"
        )
        answer = b""
        while b"!malformed_number\n" not in answer:
            answer += connection.recv(65536)
        daemon.signal(signal.SIGTERM)
        while piece := connection.recv(65536):
            answer += piece
        assert answer.endswith(b"!!stopping\n\r\n"), answer
        connection.close()
        assert daemon.wait() == 0
        closing = next(record for record in daemon.records() if record["kind"] == "stream_closed")
        assert (closing["outcome"], closing["count"]) == ("stopping", 1)


def test_a_stream_that_ends_in_time_is_finished(small: World) -> None:
    with Daemon(small) as daemon, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(small.socket("hub")))
        connection.settimeout(10)
        head = f"POST {stream_path('sspin.A', 'sspin.B', 'exchange')} HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(head.encode() + b"Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n?\n")
        answer = b""
        while b"!malformed_number\n" not in answer:
            answer += connection.recv(65536)
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in daemon.log)
        connection.sendall(b"?\n")
        while not answer.endswith(b"\r\n0\r\n\r\n"):
            piece = connection.recv(65536)
            assert piece, answer
            answer += piece
        assert answer.count(b"!malformed_number\n") == 2
        assert daemon.wait() == 0
