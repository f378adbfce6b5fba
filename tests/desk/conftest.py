"""What the desk's tests share; the logs that they look at are those of oversight's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "oversight"))  # whose kits import each other by their names


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the desk of the believable log has its things."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose paths are short enough for sockets."""
    return tmp_path_factory.mktemp("d")
