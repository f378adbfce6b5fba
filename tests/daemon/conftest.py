"""A daemon shared by the tests that only ask it, and small worlds to break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemonkit import Daemon, copy_world, rich_world
from tests.world import World, build_world


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on a world with keys in every state; see `tests.daemonkit.rich_world`. It must stay as it is."""
    with Daemon(rich_world(tmp_path_factory.mktemp("served"))) as daemon:
        yield daemon
        assert daemon.stop() == 0, daemon.log


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three keys. Only to be copied."""
    return build_world(tmp_path_factory.mktemp("small") / "w", keys=("spin", "sspin.A", "sspin.B"))


@pytest.fixture
def small(small_template: World, tmp_path: Path) -> World:
    """Three keys, for one test alone."""
    return copy_world(small_template, tmp_path / "w")
