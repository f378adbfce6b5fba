"""SIGKILL at any moment under load: every answer that a client got has its record, and every record is whole.

``KAGIMORI_KILLS`` sets how often. The suite has little time for it; two hundred take six minutes, and pytest must be
told to wait that long::

    KAGIMORI_KILLS=200 pytest -o faulthandler_timeout=1200 tests/faults/test_faults_daemon_kill.py
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

from appliance.audit import records
from tests.daemonkit import JSON, Daemon, UnixConnection, codes, copy_world, stored_entries
from tests.watchkit import root_of, verified
from tests.world import World, build_world

KILLS = int(os.environ.get("KAGIMORI_KILLS", "6"))
CLIENTS = 6


class Client(threading.Thread):
    """Asks until the daemon is gone; remembers what it was answered: record number by reference."""

    def __init__(self, world: World, name: str, numbers: list[str]) -> None:
        super().__init__(daemon=True)
        self.answers: dict[str, int] = {}
        self._world, self._name, self._numbers = world, name, numbers

    def run(self) -> None:
        connection = UnixConnection(self._world.socket("hub"), timeout=5.0)
        for count in range(1_000_000):
            reference = f"{self._name}-{count}"
            question = {"source": "sspin.A", "target": "sspin.B", "purpose": "exchange", "reference": reference}
            try:
                body = json.dumps({**question, "numbers": self._numbers}).encode()
                connection.request("POST", "/v1/convert", body, JSON)
                said = json.loads(connection.getresponse().read())
            except (OSError, ValueError, http.client.HTTPException):  # the daemon was killed
                return
            if "record" in said:
                self.answers[reference] = said["record"]


def test_every_answer_has_its_record_and_every_record_is_whole(tmp_path: Path) -> None:
    template = build_world(tmp_path / "template", keys=("spin", "sspin.A", "sspin.B"))
    world = copy_world(template, tmp_path / "w")
    answers: dict[str, int] = {}
    chance = random.Random(20261126)
    numbers: list[str] = []
    for kill in range(KILLS):
        daemon = Daemon(world).start()
        numbers = numbers or daemon.numbers("resident", "sspin.A", codes(3), role="numbering")
        clients = [Client(world, f"run-{kill}-client-{index}", numbers[:1]) for index in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(chance.uniform(0.02, 0.5))
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        for client in clients:
            client.join(10)
            assert not client.is_alive()
            answers |= client.answers
    with Daemon(world) as daemon:
        assert daemon.stop() == 0, daemon.log
    _hold(world, answers)


def _hold(world: World, answers: dict[str, int]) -> None:
    entries = stored_entries(world.audit_directory)
    kept = [records.decode(entry) for entry in entries]
    assert [record.record for record in kept] == list(range(1, len(kept) + 1))
    where = {record.reference: record.record for record in kept if isinstance(record, records.Conversion)}
    assert len(answers) > 10 * KILLS
    assert {reference: where.get(reference) for reference in answers} == answers
    newest = (world.audit_directory / "checkpoint").read_bytes()
    signed = verified(world, newest)
    assert (signed.size, signed.root) == (len(entries), root_of(entries))
    assert sum(isinstance(record, records.Start) for record in kept) == KILLS + 1
