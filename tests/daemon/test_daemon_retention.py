"""Expired records go, their hashes stay: proofs of younger ones hold, and a restart accepts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.tlog import merkle, tiles
from appliance.tlog.tiles import TileTree
from tests.daemonkit import Daemon, codes, copy_world, kinds, wait_for
from tests.watchkit import history, log_file, signed_checkpoint, watched_world
from tests.world import World

SMALL_SEGMENTS = """
from datetime import timedelta
from appliance.audit.log import AuditLog
from appliance.daemon import upkeep
whole = AuditLog.open.__func__
AuditLog.open = classmethod(lambda cls, directory, **more: whole(cls, directory, segment_records=256, **more))
upkeep.timedelta = lambda days: timedelta(seconds=days)
upkeep.PRUNE_SECONDS = 0.2
from appliance.cli import main
main()
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = watched_world(tmp_path_factory.mktemp("retention") / "w")
    text = world.config.read_text("utf-8").replace('directory = "audit"', 'directory = "audit"\nretention_days = 2')
    world.config.write_text(text, "utf-8")
    return world


def test_expired_records_go_and_proofs_keep_working(template: World, tmp_path: Path) -> None:
    world = copy_world(template, tmp_path / "w")
    segments = world.audit_directory / "entries"
    with Daemon(world, program=("-c", SMALL_SEGMENTS)) as daemon:
        old, young = codes(2, 5_000)
        number = daemon.numbers("resident", "sspin.A", [old], role="numbering")[0]
        for _ in range(600):
            daemon.numbers("sspin.A", "sspin.B", [number])
        wait_for(lambda: not (segments / "000000000").exists() and not (segments / "000000001").exists(), 20)
        new = daemon.numbers("resident", "sspin.A", [young], role="numbering")[0]
        assert len(history(daemon, "sspin.A", new).json["conversions"]) == 1
        kept = history(daemon, "sspin.A", number, limit=1_000).json
        assert 0 < len(kept["conversions"]) < 256
        assert min(one["record"] for one in kept["conversions"]) > 512
        assert kept["before"] is None
        signed, _ = signed_checkpoint(daemon, 600)
        assert daemon.ask("oversight", "GET", "/v1/log/tile/entries/000").code == "gone"
        assert len(tiles.read_hashes(log_file(daemon, "tile/0/000"), 256)) == 256
        tree = TileTree(lambda tile: log_file(daemon, tile.path), signed.size)
        assert merkle.root(signed.size, tree.subtree) == signed.root
        assert "expired records were removed; their hashes stay first=513" in daemon.log
        assert daemon.stop() == 0
    with Daemon(world, program=("-c", SMALL_SEGMENTS)) as daemon:
        assert kinds(daemon)[-1] == "ledger_loaded"
        assert "repaired" not in daemon.log
        assert daemon.ask("oversight", "GET", "/v1/log/tile/entries/001").code == "gone"


def test_a_segment_that_nobody_pruned_is_missed(template: World, tmp_path: Path) -> None:
    world = copy_world(template, tmp_path / "w")
    with Daemon(world) as daemon:
        assert daemon.stop() == 0
    world.audit_segment.unlink()
    with Daemon(world).launch() as daemon:
        assert daemon.wait() == 3
        assert "error: audit log" in daemon.log
        assert "keep the folder as evidence" in daemon.log
