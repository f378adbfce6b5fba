"""Start, stop, reload: in the right order, with a clear reason when refused, and without losing an answer."""

from __future__ import annotations

import grp
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.audit.store import FILE_NAME
from tests.daemonkit import Daemon, Reply, alive, codes, edit_config, stream_path, wait_for
from tests.world import World, build_world

HELD_DISK = """
import os, time
sync = os.fdatasync
def held(descriptor):
    while os.path.exists({hold!r}):
        time.sleep(0.005)
    sync(descriptor)
os.fdatasync = held
from appliance.daemon import serve
serve.STREAM_GRACE_SECONDS, serve.GRACE_SECONDS = {grace}
from appliance.cli import main
main()
"""


class HeldDisk:
    """A daemon whose disk stops when told to."""

    def __init__(self, world: World, grace: tuple[float, float] = (8.0, 10.0)) -> None:
        self._file = world.folder / "hold"
        self.daemon = Daemon(world, program=("-c", HELD_DISK.format(hold=str(self._file), grace=grace)))

    def hold(self) -> None:
        self._file.touch()

    def release(self) -> None:
        self._file.unlink()


class Asking(threading.Thread):
    """A request under way; ``reply`` when it is answered."""

    def __init__(self, daemon: Daemon, *numbers: str) -> None:
        super().__init__(daemon=True)
        self._ask = lambda: daemon.convert("sspin.A", "sspin.B", numbers)
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.reply = self._ask()
        except Exception as error:
            self.error = error


def kinds(daemon: Daemon) -> list[str]:
    return [record["kind"] for record in daemon.records()]


def refused(world: World, code: int, *said: str) -> str:
    """A start that must end with the exit code, and say all this; nothing may be left behind."""
    with Daemon(world).launch() as daemon:
        assert daemon.wait() == code, daemon.log
        for text in said:
            assert text in daemon.log
        assert "Traceback" not in daemon.log
        return daemon.log


# --- the start -------------------------------------------------------------------------------------


def test_it_starts_serves_and_stops_cleanly(small: World) -> None:
    with Daemon(small) as daemon:
        engines = daemon.engines()
        path = small.socket("hub")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
        assert daemon.stop() == 0
        assert not path.exists()
        assert not any(alive(pid) for pid in engines)
        assert kinds(daemon) == ["start", "ledger_loaded", "conversion", "stop"]
        start, loaded, _, stop = daemon.records()
        assert start["roles"] == ["hub", "numbering", "oversight", "portal"]
        assert (loaded["sequence"], loaded["head"]) == (2, small.state().head)
        assert stop["reason"] == "SIGTERM"


def test_ctrl_c_stops_it_too(small: World) -> None:
    with Daemon(small) as daemon:
        daemon.signal(signal.SIGINT)
        assert daemon.wait() == 0
        assert daemon.records()[-1]["reason"] == "SIGINT"


def test_a_signal_during_the_start_ends_it(small: World) -> None:
    with Daemon(small).launch() as daemon:
        wait_for(lambda: (small.audit_directory / FILE_NAME).exists() and daemon.records())
        assert daemon.stop() == 0, daemon.log
        assert not small.socket("hub").exists()


def test_a_wrong_pin_is_tried_once_and_the_daemon_ends(small: World) -> None:
    small.pin_file.write_text("99999999\n", "ascii")
    edit_config(small, "\n[engine]\nprocesses = 4\n")
    log = refused(small, 5, "wrong PIN; it was tried once")
    assert log.count("tried once") == 1
    assert "99999999" not in log
    refused(small, 5, "the token refused this PIN before; it was not tried again")
    assert not small.socket("hub").exists()


def test_a_changed_ledger_refuses_the_start_by_name(small: World) -> None:
    path = small.ledger / "000002.outcome.cms"
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused(small, 4, "error: 000002.outcome.cms: ")
    assert not small.socket("hub").exists()


def test_a_ledger_put_back_refuses_the_start(small: World) -> None:
    with Daemon(small) as daemon:
        assert daemon.stop() == 0
    for name in ("000002.authorization.cms", "000002.outcome.cms"):
        (small.ledger / name).unlink()
    refused(small, 4, "error: the ledger ends at 000001; 000002 has been seen already", "hint: Somebody put back")


def test_a_role_that_the_policy_does_not_have(small: World) -> None:
    edit_config(small, '\n[[socket]]\nrole = "nobody"\npath = "run/nobody.sock"\n')
    refused(small, 3, "the ledger's policy has no role 'nobody'", "it has: hub, numbering, oversight, portal")


def test_no_socket_at_all(small: World) -> None:
    small.config.write_text(small.config.read_text("utf-8").split("[[socket]]")[0], "utf-8")
    refused(small, 3, "no [[socket]]")


def test_an_unknown_group(small: World) -> None:
    edit_config(small, 'group = "no-such-group"\n')
    refused(small, 3, "there is no group 'no-such-group'")


def test_the_group_of_the_configuration_gets_the_socket(small: World) -> None:
    own = grp.getgrgid(os.getgid())
    edit_config(small, f'group = "{own.gr_name}"\n')
    with Daemon(small):
        facts = small.socket("portal").stat()
        assert (facts.st_gid, stat.S_IMODE(facts.st_mode)) == (own.gr_gid, 0o660)


def test_without_its_audit_folder_it_does_not_start(tmp_path: Path) -> None:
    world = build_world(tmp_path / "w", keys=(), audit=False)
    refused(world, 3, "audit store", "No such file or directory", "it is not made here")
    assert not world.audit_directory.exists()


def test_a_damaged_audit_store_refuses_the_start(small: World) -> None:
    (small.audit_directory / FILE_NAME).write_bytes(b'{"kind":"stop"}\n')
    refused(small, 3, "line 1 is no audit record", "keep this file as evidence")
    assert (small.audit_directory / FILE_NAME).read_bytes() == b'{"kind":"stop"}\n'


def test_a_missing_configuration(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(tmp_path / "nothing.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "nothing.toml: No such file or directory" in done.stderr


def test_a_second_daemon_on_the_same_audit_store(small: World) -> None:
    with Daemon(small) as daemon:
        second = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(small.config)]
        done = subprocess.run(second, env=small.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 3
        assert "already running: another daemon writes it" in done.stderr
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_a_second_daemon_on_the_same_socket(small: World) -> None:
    text = small.config.read_text("utf-8")
    other = small.folder / "other.toml"
    (small.folder / "audit2").mkdir()
    other.write_text(text.replace('directory = "audit"', 'directory = "audit2"'), "utf-8")
    with Daemon(small) as daemon:
        second = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(other)]
        done = subprocess.run(second, env=small.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 3
        assert "hub.sock: already running: somebody listens on it" in done.stderr
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200, "the first one keeps its socket"


def test_a_socket_file_that_nobody_listens_on_is_replaced(small: World) -> None:
    with Daemon(small) as daemon:
        engines = daemon.engines()
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        assert small.socket("hub").exists()
        wait_for(lambda: not any(alive(pid) for pid in engines))
    with Daemon(small) as daemon:
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_a_file_that_is_no_socket_is_left_alone(small: World) -> None:
    small.socket("hub").write_text("mine", "ascii")
    refused(small, 3, "a file that is no socket is there")
    assert small.socket("hub").read_text("ascii") == "mine"


def test_after_a_crash_a_torn_record_is_removed_and_said(small: World) -> None:
    with Daemon(small) as daemon:
        assert daemon.stop() == 0
        before = len(daemon.records())
    with (small.audit_directory / FILE_NAME).open("ab") as file:
        file.write(b'{"converted":1,"cou')
    with Daemon(small) as daemon:
        repair, start = daemon.records()[before : before + 2]
        assert (repair["kind"], repair["removed"], start["kind"]) == ("repair", 19, "start")
        assert "audit store repaired" in daemon.log


# --- who may call ----------------------------------------------------------------------------------


def test_only_listed_users_are_let_in(small: World) -> None:
    mine = os.getuid()
    text = small.config.read_text("utf-8")
    text = text.replace('role = "hub"\n', f'role = "hub"\nuids = [{mine + 1}]\n')
    text = text.replace('role = "numbering"\n', f'role = "numbering"\nuids = [{mine}]\n')
    small.config.write_text(text, "utf-8")
    with Daemon(small) as daemon:
        for reply in (
            daemon.convert("sspin.A", "sspin.B", ["?"]),
            daemon.stream("sspin.A", "sspin.B", b"?\n"),
            daemon.ask("hub", "GET", "/v1/domains"),
            daemon.ask("hub", "GET", "/v1/status"),
        ):
            assert (reply.status, reply.code) == (403, "caller_denied")
        found = [record for record in daemon.records() if record["kind"] == "refusal"]
        assert [(record["code"], record["uid"], record["pid"]) for record in found] == [
            ("caller_denied", mine, os.getpid())
        ] * 4
        assert daemon.convert("resident", "sspin.B", codes(1), role="numbering").status == 200


# --- audit before answer ---------------------------------------------------------------------------


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
        size = (small.audit_directory / FILE_NAME).stat().st_size
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
        assert (small.audit_directory / FILE_NAME).stat().st_size == size, "what was cut short is taken back"
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, no_limit)
        wait_for(lambda: daemon.ask("hub", "GET", "/readyz").status == 200)
        assert daemon.convert("sspin.A", "sspin.B", [number]).status == 200
        after = daemon.records()[len(before) :]
        assert [record["kind"] for record in after] == ["audit_regained", "conversion"]
        assert after[0]["lost"] >= 4
        assert "audit store cannot be written" in daemon.log and "audit store writes again" in daemon.log
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
        size = (small.audit_directory / FILE_NAME).stat().st_size
        hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (size, hard))
        connection.sendall(b"?\n")
        rest = b""
        while piece := connection.recv(65536):
            rest += piece
        assert rest.endswith(b"!!audit_unavailable\n\r\n"), rest


DEFECT = """
from appliance.daemon import app
def broken(numbers):
    raise RuntimeError(numbers[0])
app.to_lines = broken
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


# --- the stop --------------------------------------------------------------------------------------


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


# --- the ledger, again -----------------------------------------------------------------------------


def test_sighup_takes_a_new_ledger_without_a_gap(small: World) -> None:
    with Daemon(small) as daemon:
        people = codes(20)
        in_a = daemon.numbers("resident", "sspin.A", people, role="numbering")
        in_b = daemon.numbers("resident", "sspin.B", people, role="numbering")
        small.ceremony(["generate sspin.B", "activate sspin.B.2"])
        before, stop = daemon.engines(), threading.Event()
        seen: list[tuple[int, Any]] = []

        def keep_asking() -> None:
            while not stop.is_set():
                reply = daemon.convert("sspin.A", "sspin.B", in_a)
                seen.append((reply.status, reply.json))

        asking = threading.Thread(target=keep_asking)
        asking.start()
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: daemon.ask("hub", "GET", "/v1/status").json["ledger"]["sequence"] == 3)
        time.sleep(0.3)
        stop.set()
        asking.join(10)
        assert {status for status, _ in seen} == {200}
        assert [said["target"] for _, said in seen] == sorted(said["target"] for _, said in seen)
        assert seen[-1][1]["target"] == "sspin.B.2"
        assert daemon.numbers("sspin.A", "sspin.B.1", in_a) == in_b, "the dual window"
        for _, said in seen:
            if said["target"] == "sspin.B.1":
                assert [result["number"] for result in said["results"]] == in_b
        wait_for(lambda: not any(alive(pid) for pid in before))
        assert [record["sequence"] for record in daemon.records() if record["kind"] == "ledger_loaded"] == [2, 3]
        assert "engine_lost" not in kinds(daemon)


def test_an_emergency_stop_takes_effect_on_sighup_even_in_a_stream(small: World) -> None:
    with Daemon(small) as daemon, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(small.socket("hub")))
        connection.settimeout(10)
        head = f"POST {stream_path('sspin.A', 'sspin.B', 'exchange')} HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(head.encode() + b"Content-Type: text/plain\r\nContent-Length: 9\r\n\r\n?\n")
        answer = b""
        while b"!malformed_number\n" not in answer:
            answer += connection.recv(65536)
        small.ceremony(["suspend sspin.A.1"])
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: "sequence=3" in daemon.log)
        assert daemon.convert("sspin.A.1", "sspin.B", ["?"]).code == "generation_unusable"
        connection.sendall(b"?\n")
        while piece := connection.recv(65536):
            answer += piece
        assert answer.endswith(b"!!generation_unusable\n\r\n"), answer


def test_a_refused_ledger_leaves_the_one_before_in_force(small: World) -> None:
    with Daemon(small) as daemon:
        path = small.ledger / "000002.outcome.cms"
        whole = path.read_bytes()
        path.unlink()
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: "reload refused" in daemon.log)
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
        assert daemon.records()[-2]["kind"] == "ledger_refused"
        assert daemon.records()[-2]["reason"] == "000002.outcome.cms: is missing"
        first = small.ledger / "000002.authorization.cms"
        kept = first.read_bytes()
        first.unlink()
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: daemon.log.count("reload refused") == 2)
        assert "000002 has been seen already" in daemon.log, "the engine noticed the rollback"
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
        first.write_bytes(kept)
        path.write_bytes(whole)
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: "ledger unchanged" in daemon.log)
        assert daemon.stop() == 0


def test_a_ledger_that_grew_is_noticed_when_an_engine_is_replaced(small: World) -> None:
    with Daemon(small) as daemon:
        small.ceremony(["generate sspin.B", "activate sspin.B.2"])
        os.kill(daemon.engines()[0], signal.SIGKILL)
        wait_for(lambda: daemon.ask("hub", "GET", "/v1/status").json["ledger"]["sequence"] == 3, 20)
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).json["target"] == "sspin.B.2"
