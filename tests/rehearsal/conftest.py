"""One life of a ledger, and one replay of it, per test process."""

from __future__ import annotations

import lifekit
import pytest
from lifekit import Life, Replayed


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A ledger of fourteen entries; not to be changed by a test."""
    return lifekit.lived(lifekit.bare(tmp_path_factory.mktemp("rehearsal") / "life"))


@pytest.fixture(scope="session")
def replayed(life: Life, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """The whole life, rehearsed."""
    before, folder = life.fingerprints(), tmp_path_factory.mktemp("replay") / "rehearsal"
    done = life.run("rehearse", "--replay", str(life.ledger), *life.where, "--folder", str(folder))
    return Replayed(before, life.fingerprints(), folder, done)
