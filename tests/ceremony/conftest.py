"""One founded ledger a test process; every test plays on a copy of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ceremonykit as kit
import livingkit
import pytest
from ceremonykit import Stage
from killkit import Stages


@pytest.fixture(scope="session", autouse=True)
def _server() -> Iterator[None]:
    """The process that runs the command line ends with the tests."""
    yield
    kit.SERVER.stop()


@pytest.fixture(scope="session")
def enrolled_stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Tokens and participants; do not change it."""
    return kit.enrolled(kit.bare(tmp_path_factory.mktemp("stage") / "enrolled"))


@pytest.fixture(scope="session")
def founded_stage(enrolled_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """After the genesis; do not change it."""
    return kit.prepared(kit.founded(enrolled_stage.copy(tmp_path_factory.mktemp("stage") / "founded")))


MEMORY = Path("/dev/shm")


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a process that is killed loses nothing of a file either way."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="kagimori-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def living_stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """In the middle of its life (see `livingkit.living`), people's keys in memory; do not change it."""
    return livingkit.living(livingkit.founded(tmp_path_factory.mktemp("stage") / "living"))


@pytest.fixture(scope="session")
def guarded_stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The same with two keys (see `livingkit.guarded`); do not change it."""
    return livingkit.guarded(livingkit.founded(tmp_path_factory.mktemp("stage") / "guarded"))


@pytest.fixture(scope="session")
def cloned_stage(guarded_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The same with a clone (see `livingkit.cloned`); do not change it."""
    return livingkit.cloned(guarded_stage.copy(tmp_path_factory.mktemp("stage") / "cloned"))


@pytest.fixture(scope="session")
def stages(living_stage: Stage, guarded_stage: Stage, cloned_stage: Stage) -> Stages:
    """A stage for every scenario."""
    return Stages(living_stage, guarded_stage, cloned_stage)


@pytest.fixture
def living(living_stage: Stage, tmp_path: Path) -> Stage:
    """The same, to be changed."""
    return living_stage.copy(tmp_path / "stage")


@pytest.fixture
def beginning(enrolled_stage: Stage, tmp_path: Path) -> Stage:
    """People are enrolled, and there is no ledger yet."""
    return enrolled_stage.copy(tmp_path / "stage")


@pytest.fixture
def stage(founded_stage: Stage, tmp_path: Path) -> Stage:
    """A founded ledger without keys."""
    return founded_stage.copy(tmp_path / "stage")
