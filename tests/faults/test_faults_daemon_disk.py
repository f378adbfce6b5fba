"""A daemon whose log lies on a small disk that is full: no answer without its record, and it comes back by itself.

The disk is a tmpfs of the daemon's own (a mount namespace); where nobody may mount one, `SmallDisk` stands for it.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from appliance.audit import records
from tests.daemonkit import READABLE, Daemon, codes, copy_world, stored_entries, wait_for
from tests.faults.test_faults_audit_disk import UNSHARE, can_mount
from tests.watchkit import root_of, verified
from tests.world import PROJECT, World, build_world

__all__ = ["can_mount"]  # a fixture

BYTES = 3 << 20
BALLAST = 500_000
STOOD_FOR = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import pytest
from auditkit import SmallDisk
SmallDisk(Path({directory!r}), {size}).patch(pytest.MonkeyPatch())
from appliance.cli import main
main()
"""


class OnSmallDisk(Daemon):
    """A daemon with ``BYTES`` for its log. ``folder``: the log as this process sees it."""

    def __init__(self, world: World, *, mounted: bool) -> None:
        directory = str(world.audit_directory)
        script = STOOD_FOR.format(tests=str(PROJECT / "tests"), directory=directory, size=BYTES)
        super().__init__(world, program=READABLE if mounted else ("-c", script))
        self._mounted = mounted

    def launch(self) -> Self:
        """Start it, in a mount namespace of its own if that can be."""
        if not self._mounted:
            return super().launch()
        self._connections = {}
        mount = f'mount -t tmpfs -o size={BYTES} none "$0" && exec "$@"'
        command = [sys.executable, *self._program, "serve", "--config", str(self.world.config)]
        with self._log.open("wb") as log:
            whole = [*UNSHARE, "sh", "-c", mount, str(self.world.audit_directory), *command]
            self.process = subprocess.Popen(whole, env=self.world.env, stdout=log, stderr=log)
        return self

    @property
    def folder(self) -> Path:
        """Where the log is, seen from outside."""
        own = Path(f"/proc/{self.pid}/root") if self._mounted else Path("/")
        return own / self.world.audit_directory.relative_to("/")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("disk") / "w", keys=("spin", "sspin.A", "sspin.B"))


@pytest.mark.parametrize("mounted", [True, False])
def test_full_refused_and_back_by_itself(template: World, tmp_path: Path, can_mount: bool, mounted: bool) -> None:
    world = copy_world(template, tmp_path / "w")
    with OnSmallDisk(world, mounted=mounted and can_mount) as daemon:
        number = daemon.numbers("resident", "sspin.A", codes(1), role="numbering")[0]
        ballast = daemon.folder / "ballast"
        ballast.write_bytes(bytes(BALLAST))
        answered = _fill(daemon, number)
        assert daemon.ask("hub", "GET", "/readyz").json == {"ready": False, "reason": "audit_unavailable"}
        assert daemon.convert("sspin.A", "sspin.B", [number]).code == "audit_unavailable"
        ballast.unlink()
        wait_for(lambda: daemon.ask("hub", "GET", "/readyz").status == 200, 20)
        after = daemon.convert("sspin.A", "sspin.B", [number]).json["record"]
        entries = stored_entries(daemon.folder)
        kept = [records.decode(entry) for entry in entries]
        assert [record.record for record in kept] == list(range(1, len(kept) + 1))
        where = {record.reference: record.record for record in kept if isinstance(record, records.Conversion)}
        assert {name: where.get(name) for name in answered} == answered
        tail = [type(record).__name__ for record in kept[max(answered.values()) :]]
        assert [name for name in tail if name != "Conversion"][-2:] == ["AuditLost", "AuditRegained"]
        assert after == len(kept)
        assert "audit log cannot be written" in daemon.log
        assert "audit log writes again" in daemon.log
        wait_for(lambda: verified(world, (daemon.folder / "checkpoint").read_bytes()).size >= after, 10)
        newest = verified(world, (daemon.folder / "checkpoint").read_bytes())
        assert newest.root == root_of(stored_entries(daemon.folder)[: newest.size])
        assert daemon.stop() == 0


def _fill(daemon: Daemon, number: str) -> dict[str, int]:
    """Convert until it is refused; record numbers of what was answered, by reference."""
    answered: dict[str, int] = {}
    many = [number] * 90
    for count in range(10_000):
        reference = f"{count:04d}-" + "x" * 100
        try:
            reply = daemon.convert("sspin.A", "sspin.B", many, reference=reference)
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(daemon.log) from error
        if reply.status != http.client.OK:
            assert reply.code == "audit_unavailable"
            return answered
        answered[reference] = reply.json["record"]
    raise AssertionError("the disk never became full")


HIDE = 'mount --bind "$1" "$2" && mount -o remount,bind,ro "$2"'
SHOW = 'umount "$2"'


@pytest.mark.parametrize("mounted", [True, False])
def test_a_read_only_file_system_over_the_log(template: World, tmp_path: Path, can_mount: bool, mounted: bool) -> None:
    """The kernel lets nobody make a mount read-only that is written to; one can lie over it. Else: moved away."""
    world = copy_world(template, tmp_path / "w")
    mounted = mounted and can_mount
    empty = tmp_path / "empty"
    empty.mkdir()
    with OnSmallDisk(world, mounted=mounted) as daemon:
        number = daemon.numbers("resident", "sspin.A", codes(1), role="numbering")[0]
        before = daemon.convert("sspin.A", "sspin.B", [number]).json["record"]
        _change(daemon, HIDE, empty, mounted)
        for _ in range(3):
            assert daemon.convert("sspin.A", "sspin.B", [number]).code == "audit_unavailable"
        assert daemon.ask("hub", "GET", "/readyz").status == 503
        _change(daemon, SHOW, empty, mounted)
        wait_for(lambda: daemon.ask("hub", "GET", "/readyz").status == 200, 20)
        after = daemon.convert("sspin.A", "sspin.B", [number]).json["record"]
        kept = [records.decode(entry) for entry in stored_entries(daemon.folder)]
        assert [record.record for record in kept] == list(range(1, after + 1))
        kinds = [type(record).__name__ for record in kept[before:]]
        assert kinds == ["AuditRegained", "Conversion"]
        assert daemon.stop() == 0


def _change(daemon: OnSmallDisk, script: str, empty: Path, mounted: bool) -> None:
    audit = daemon.world.audit_directory
    if mounted:
        inside = ("nsenter", "--target", str(daemon.pid), "--user", "--mount", "--preserve-credentials")
        subprocess.run([*inside, "sh", "-ec", script, "sh", str(empty), str(audit)], check=True)
    elif script == HIDE:
        (audit / "entries").rename(audit / "away")
    else:
        (audit / "away").rename(audit / "entries")
