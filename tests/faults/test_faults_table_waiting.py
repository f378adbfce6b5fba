"""The fault table, calls that do not come back: the engine is killed at its deadline, its work done by another."""

from __future__ import annotations

from collections.abc import Iterator

import cellkit
import pytest
from cellkit import Faulty

from tests.faults.faultcells import WAITING_SECONDS
from tests.faults.faultwords import Cell
from tests.world import build_world


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    world = build_world(tmp_path_factory.mktemp("waiting") / "w", keys=cellkit.DOMAINS)
    served = Faulty(world, deadline=WAITING_SECONDS)
    with served.daemon:
        yield served


@cellkit.cells("waiting")
def test_a_call_that_does_not_come_back(faulty: Faulty, cell: Cell) -> None:
    assert faulty.outcome(cell) == cell.expected
