"""The fault table, an engine that replaces another one: tried again until it serves, or the end with a clear word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cellkit
import pytest
from cellkit import Faulty

from tests.daemonkit import copy_world
from tests.faults.faultcells import START_SECONDS
from tests.faults.faultwords import Cell
from tests.world import World, build_world


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("replacing") / "w", keys=cellkit.DOMAINS)


@pytest.fixture(scope="module")
def faulty(template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    served = Faulty(copy_world(template, tmp_path_factory.mktemp("replaced") / "w"), deadline=20.0, start=START_SECONDS)
    with served.daemon:
        yield served


@cellkit.cells("replacing")
def test_a_fault_in_the_start_of_the_next_engine(faulty: Faulty, cell: Cell) -> None:
    assert faulty.restarted(cell) == cell.expected


@cellkit.cells("stopping")
def test_a_fault_that_repeating_cannot_mend(template: World, tmp_path: Path, cell: Cell) -> None:
    faulty = Faulty(copy_world(template, tmp_path / "w"), deadline=20.0)
    with faulty.daemon as daemon:
        faulty.shim.do(*cell.commands)
        faulty.kill_engine()
        assert f"stops {daemon.wait(cellkit.AMPLE)}" == cell.expected
        (error,) = (line for line in daemon.log.splitlines() if line.startswith("error: "))
        assert cell.says in error
        assert "Traceback" not in daemon.log
        assert all(faulty.shim.fired().values()), faulty.shim.met()
        assert sum(faulty.shim.fired().values()) <= len(cell.commands), "one attempt"
