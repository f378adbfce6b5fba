"""The fault table, a newer ledger with a rotation: it takes effect when an engine serves it, and not before."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import cellkit
import pytest
from cellkit import Faulty

from tests.daemonkit import wait_for
from tests.faults.faultcells import START_SECONDS
from tests.faults.faultwords import GOES_ON, RIGHT, Cell
from tests.world import World, build_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("reload") / "w", keys=cellkit.DOMAINS)


@pytest.fixture(scope="module")
def faulty(world: World) -> Iterator[Faulty]:
    """A daemon beside a ledger that has gone on: sspin.B.2 is current there."""
    served = Faulty(world, deadline=20.0, start=START_SECONDS)
    with served.daemon:
        world.ceremony(["generate sspin.B", "activate sspin.B.2"], "A rotation")
        yield served


def current(faulty: Faulty) -> str:
    reply = faulty.daemon.convert("sspin.A", "sspin.B", ["?"])
    assert reply.status == 200, reply
    return str(reply.json["target"])


@cellkit.cells("reload")
def test_a_fault_in_the_engine_of_the_newer_ledger(faulty: Faulty, cell: Cell) -> None:
    faulty.well()
    engines, already = faulty.daemon.engines(), len(faulty.daemon.log)
    faulty.shim.do(*cell.commands)
    faulty.daemon.signal(signal.SIGHUP)
    wait_for(lambda: "reload refused" in faulty.log_since(already), cellkit.AMPLE)
    faulty.require_met(cell, already)
    faulty.shim.clear()
    assert (current(faulty), faulty.daemon.engines()) == ("sspin.B.1", engines)
    assert faulty.ask("batch") == RIGHT
    assert cell.expected == GOES_ON


def test_zz_without_a_fault_it_takes_effect(faulty: Faulty) -> None:
    """Last of all, as the cells need the older one."""
    faulty.well()
    faulty.daemon.signal(signal.SIGHUP)
    wait_for(lambda: current(faulty) == "sspin.B.2", cellkit.AMPLE)
