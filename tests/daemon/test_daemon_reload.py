"""Reload: a newer ledger takes effect without a gap, a refused one not at all."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import Any

from tests.daemonkit import Daemon, alive, codes, kinds, stream_path, wait_for
from tests.world import World


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
