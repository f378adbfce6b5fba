"""One founded ledger a test process; every test plays on a copy of it."""

from __future__ import annotations

from pathlib import Path

import ceremonykit as kit
import pytest
from ceremonykit import Stage


@pytest.fixture(scope="session")
def enrolled_stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Tokens and participants; do not change it."""
    return kit.enrolled(kit.bare(tmp_path_factory.mktemp("stage") / "enrolled"))


@pytest.fixture(scope="session")
def founded_stage(enrolled_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """After the genesis; do not change it."""
    return kit.prepared(kit.founded(enrolled_stage.copy(tmp_path_factory.mktemp("stage") / "founded")))


@pytest.fixture
def beginning(enrolled_stage: Stage, tmp_path: Path) -> Stage:
    """People are enrolled, and there is no ledger yet."""
    return enrolled_stage.copy(tmp_path / "stage")


@pytest.fixture
def stage(founded_stage: Stage, tmp_path: Path) -> Stage:
    """A founded ledger without keys."""
    return founded_stage.copy(tmp_path / "stage")
