"""A daemon with two generations of sector C, shared by the tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bulkkit import Numbers, bulk_world, numbers_of

from tests.daemonkit import Daemon, copy_world
from tests.world import World


@pytest.fixture(scope="session")
def bulk_template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world of `bulk_world`. Only to be copied."""
    return bulk_world(tmp_path_factory.mktemp("bulk") / "w")


@pytest.fixture(scope="session")
def daemon(bulk_template: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on it. It must stay as it is."""
    world = copy_world(bulk_template, tmp_path_factory.mktemp("bulk-daemon") / "w")
    with Daemon(world) as running:
        yield running
        assert running.stop() == 0, running.log


@pytest.fixture(scope="session")
def numbers(daemon: Daemon) -> Numbers:
    """Four thousand people's numbers."""
    return numbers_of(daemon, 4_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for one test's files."""
    return tmp_path
