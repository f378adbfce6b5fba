"""Every cell of the fault table that is run is noted in its report, for the table that tests/conftest.py prints."""

from __future__ import annotations

import pytest

from tests.faults.faulttable import NOTED
from tests.faults.faultwords import Cell


@pytest.fixture(autouse=True)
def _noted(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    cell = None if callspec is None else callspec.params.get("cell")
    if isinstance(cell, Cell):
        request.node.user_properties.append((NOTED, cell.name))
