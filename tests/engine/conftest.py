"""A world shared by the tests that only read it, and small ones to break."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.engine import patience
from tests.daemonkit import copy_world, rich_world
from tests.world import World, build_world


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Keys in every state; see `tests.daemonkit.rich_world`. Not to be changed by a test."""
    return rich_world(tmp_path_factory.mktemp("rich"))


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three keys. Only to be copied."""
    return build_world(tmp_path_factory.mktemp("small") / "w", keys=("spin", "sspin.A", "sspin.B"))


@pytest.fixture
def small(small_template: World, tmp_path: Path) -> World:
    """Three keys, for one test alone."""
    return copy_world(small_template, tmp_path / "w")


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines on paper are started again at once, however many failed."""
    monkeypatch.setattr(patience, "pause", lambda failures, longest: 0.0)
