"""Two appliances of one ledger, data to convert, and a cluster with a worker beside each appliance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clonekit import CloneWorld
from tests.cluster.clusterkit import Cluster, cluster, two_appliances, write_people
from tests.daemonkit import Daemon
from tests.world import World

PEOPLE = 200_000
PARTITIONS = 24


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[CloneWorld, World]:
    return two_appliances(tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="session")
def appliances(worlds: tuple[CloneWorld, World]) -> Iterator[list[Daemon]]:
    """Both serve; who kills one starts it again."""
    with ExitStack() as stack:
        yield [stack.enter_context(Daemon(world)) for world in worlds]


@pytest.fixture(scope="session")
def people(appliances: list[Daemon], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Parquet files."""
    folder = tmp_path_factory.mktemp("data") / "people.parquet"
    write_people(folder, appliances[0].world, PEOPLE, PARTITIONS)
    return folder


@pytest.fixture(scope="session")
def nodes(appliances: list[Daemon], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster."""
    with cluster(tmp_path_factory.mktemp("nodes"), [one.world for one in appliances]) as made:
        yield made
