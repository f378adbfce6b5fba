"""A daemon with a key for sector C, shared by the tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemonkit import Daemon
from tests.world import build_world


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """It must stay as it is."""
    world = build_world(tmp_path_factory.mktemp("l") / "w", keys=("spin", "sspin.C"))
    with Daemon(world) as running:
        yield running
        assert running.stop() == 0, running.log


@pytest.fixture
def socket(daemon: Daemon) -> Path:
    """The numbering authority's."""
    return daemon.world.socket("numbering")
