"""No answer before its record is durable; and what a full, broken or hanging disk leads to."""

from __future__ import annotations

import resource
import socket
import threading
import time

import pytest

from tests.daemonkit import Asking, Daemon, HeldDisk, codes, edit_config, kinds, stream_path, wait_for
from tests.world import World


def test_no_answer_leaves_before_its_record_is_durable(small: World) -> None:
    disk = HeldDisk(small)
    with disk.daemon as daemon:
        number = daemon.numbers("resident", "sspin.A", codes(1), role="numbering")[0]
        disk.hold()
        asking = Asking(daemon, number)
        refusal = threading.Thread(target=daemon.convert, args=("sspin.A", "resident", ["x"]))
        refusal.start()
        time.sleep(0.7)
        assert asking.reply is None and asking.error is None
        assert refusal.is_alive(), "refusals wait for their records, too"
        assert daemon.ask("hub", "GET", "/healthz").status == 200, "the daemon itself is not held up"
        disk.release()
        asking.join(10)
        refusal.join(10)
        assert asking.reply is not None
        record = asking.reply.json["record"]
        assert [found["record"] for found in daemon.records() if found["kind"] == "conversion"][-1] == record


def test_no_line_of_a_stream_leaves_before_its_record_is_durable(small: World) -> None:
    disk = HeldDisk(small)
    with disk.daemon as daemon, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(small.socket("hub")))
        connection.settimeout(0.7)
        head = f"POST {stream_path('sspin.A', 'sspin.B', 'exchange')} HTTP/1.1\r\nHost: x\r\n"
        disk.hold()
        connection.sendall(head.encode() + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n?\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        disk.release()
        connection.settimeout(10)
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(65536)
        assert b"!malformed_number\n" in answer
        assert kinds(daemon)[-2:] == ["conversion", "stream_closed"]


def test_a_disk_that_hangs_means_504_and_nothing_handed_out(small: World) -> None:
    edit_config(small, "\n[engine]\ndeadline_seconds = 0.5\n")
    disk = HeldDisk(small)
    with disk.daemon as daemon:
        disk.hold()
        asking = Asking(daemon, "?")
        time.sleep(7.2)
        disk.release()  # the refusal needs a record as well
        asking.join(10)
        assert asking.reply is not None
        assert (asking.reply.status, asking.reply.code) == (504, "deadline_exceeded")


def test_a_full_disk_refuses_conversions_and_passes(small: World) -> None:
    """RLIMIT_FSIZE stands for the full disk: writes are cut short, then fail."""
    with Daemon(small) as daemon:
        for _ in range(20):  # so that it is the audit file and not the log that is too large
            number = daemon.numbers("resident", "sspin.A", codes(1), role="numbering")[0]
        size = small.audit_segment.stat().st_size
        before = daemon.records()
        no_limit = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (size + 10, no_limit[1]))
        for _ in range(3):
            reply = daemon.convert("sspin.A", "sspin.B", [number])
            assert (reply.status, reply.code) == (503, "audit_unavailable")
            assert reply.headers["retry-after"] == "2"
            streamed = daemon.stream("sspin.A", "sspin.B", number.encode())
            assert (streamed.status, streamed.code) == (503, "audit_unavailable")
        refusal = daemon.convert("sspin.A", "resident", ["x"])
        assert refusal.code == "audit_unavailable", "a refusal cannot be recorded either"
        ready = daemon.ask("hub", "GET", "/readyz")
        assert (ready.status, ready.json) == (503, {"ready": False, "reason": "audit_unavailable"})
        assert daemon.ask("hub", "GET", "/v1/status").json["audit"]["available"] is False
        assert small.audit_segment.stat().st_size == size, "what was cut short is taken back"
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, no_limit)
        wait_for(lambda: daemon.ask("hub", "GET", "/readyz").status == 200)
        assert daemon.convert("sspin.A", "sspin.B", [number]).status == 200
        after = daemon.records()[len(before) :]
        assert [record["kind"] for record in after] == ["audit_regained", "conversion"]
        assert after[0]["lost"] >= 4
        assert "audit log cannot be written" in daemon.log and "audit log writes again" in daemon.log
        assert daemon.stop() == 0
    with Daemon(small) as daemon:
        assert daemon.records()[-1]["kind"] == "ledger_loaded"


def test_a_stream_whose_record_cannot_be_written_is_cut(small: World) -> None:
    with Daemon(small) as daemon, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(small.socket("hub")))
        connection.settimeout(10)
        head = f"POST {stream_path('sspin.A', 'sspin.B', 'exchange')} HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(head.encode() + b"Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n?\n")
        answer = b""
        while b"!malformed_number\n" not in answer:
            answer += connection.recv(65536)
        size = small.audit_segment.stat().st_size
        hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (size, hard))
        connection.sendall(b"?\n")
        rest = b""
        while piece := connection.recv(65536):
            rest += piece
        assert rest.endswith(b"!!audit_unavailable\n\r\n"), rest


DEFECT = """
from appliance.daemon import conversion
def broken(numbers):
    raise RuntimeError(numbers[0])
conversion.to_lines = broken
from appliance.cli import main
main()
"""


def test_a_defect_is_an_internal_error_without_details(small: World) -> None:
    with Daemon(small, program=("-c", DEFECT)) as daemon:
        reply = daemon.convert("sspin.A", "sspin.B", ["ABC98765XYZ"])
        assert (reply.status, reply.code) == (500, "internal")
        assert "request failed type=RuntimeError at=" in daemon.log
        assert "ABC98765XYZ" not in daemon.log + reply.body.decode()
        assert daemon.ask("hub", "GET", "/healthz").status == 200
