"""Co-signing demanded by the policy: a warning, then no conversion, until the witness signs again, restart or not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from appliance.ledger.policy import LogRules
from tests.daemonkit import Daemon, codes, copy_world, wait_for
from tests.metrickit import scrape, with_metrics
from tests.watchkit import Witness, signed_checkpoint, watched_world
from tests.world import World

WITNESSED = Witness()
WARN, REFUSE = 2, 4


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    rules = LogRules(witnesses=WITNESSED.vkeys, warn_seconds=WARN, refuse_seconds=REFUSE)
    return watched_world(tmp_path_factory.mktemp("witness") / "w", rules)


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copy_world(template, tmp_path / "w")


def convert(daemon: Daemon) -> str:
    """What comes of a conversion: ``done`` or the problem's code."""
    reply = daemon.convert("resident", "sspin.A", codes(1), role="numbering", purpose="linking")
    return "done" if reply.status == 200 else reply.code


def cosign(daemon: Daemon, at: int | None = None, kinds: str = "both") -> int:
    _, body = signed_checkpoint(daemon)
    return daemon.ask("oversight", "POST", "/v1/log/cosignatures", WITNESSED.cosigned(body, at, kinds=kinds)).status


def test_past_the_limits_it_warns_then_refuses_and_recovers(world: World) -> None:
    with Daemon(with_metrics(world)) as daemon:
        assert convert(daemon) == "done"
        wait_for(lambda: convert(daemon) != "done", REFUSE + 8)
        assert convert(daemon) == "cosignature_overdue"
        assert "has not co-signed the log for long" in daemon.log
        ready = daemon.ask("hub", "GET", "/readyz")
        assert (ready.status, ready.json["reason"]) == (503, "cosignature_overdue")
        overdue = scrape(world)
        assert overdue.value("kagimori_unready", reason="cosignature_overdue") == 1
        assert overdue.value("kagimori_audit_cosignature_age_seconds") > REFUSE
        limits = [overdue.value("kagimori_audit_cosignature_limit_seconds", limit=name) for name in ("warn", "refuse")]
        assert limits == [WARN, REFUSE]
        assert cosign(daemon) == 200
        assert convert(daemon) == "done"
        fresh = scrape(world)
        name = "kagimori_audit_cosignature_age_seconds"
        assert fresh.value(name) < overdue.value(name)
        assert fresh.value("kagimori_audit_uncosigned_records") < fresh.value("kagimori_audit_records")
        assert "the oversight body co-signs again" in daemon.log
        refusals = [record["code"] for record in daemon.records() if record["kind"] == "refusal"]
        assert set(refusals) == {"cosignature_overdue"}


def test_both_kinds_of_key_must_sign(world: World) -> None:
    with Daemon(world) as daemon:
        wait_for(lambda: convert(daemon) == "cosignature_overdue", REFUSE + 8)
        assert cosign(daemon, kinds="ed25519") == 200
        assert convert(daemon) == "cosignature_overdue"
        assert cosign(daemon, kinds="ml-dsa") == 200
        assert convert(daemon) == "done"


def test_an_old_cosignature_does_not_help(world: World) -> None:
    with Daemon(world) as daemon:
        wait_for(lambda: convert(daemon) == "cosignature_overdue", REFUSE + 8)
        assert cosign(daemon, int(time.time()) - 100) == 200
        assert convert(daemon) == "cosignature_overdue"


def test_a_restart_makes_nothing_fresh_and_forgets_no_cosignature(world: World) -> None:
    with Daemon(world) as daemon:
        wait_for(lambda: convert(daemon) == "cosignature_overdue", REFUSE + 8)
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        assert convert(daemon) == "cosignature_overdue"
        assert cosign(daemon) == 200
        assert daemon.stop() == 0
    with Daemon(world) as daemon:
        said = daemon.ask("hub", "GET", "/v1/status").json["audit"]
        assert said["cosigned"] > 0
        assert said["cosignature_age"] < 60
