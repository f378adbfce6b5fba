"""The fault table, a daemon that serves: every fault in the middle of every kind of work."""

from __future__ import annotations

from collections.abc import Iterator

import cellkit
import pytest
from cellkit import Faulty

from tests.faults.faultwords import Cell
from tests.world import build_world


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    world = build_world(tmp_path_factory.mktemp("serving") / "w", keys=cellkit.DOMAINS)
    served = Faulty(world, deadline=20.0)
    with served.daemon:
        yield served


@cellkit.cells("serving")
def test_a_fault_in_the_middle_of_work(faulty: Faulty, cell: Cell) -> None:
    assert faulty.outcome(cell) == cell.expected
