"""100,000 random residents through the token: code → sPIN → A–F → back, all equal, no two alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.world import PROJECT, SECTORS

COUNT = 100_000


def test_residents_come_back_and_no_two_are_alike(tmp_path: Path) -> None:
    """The journey itself asserts every way back; what is counted here is that nobody shares a number."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance.residents", str(tmp_path), str(COUNT)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    distinct = json.loads(done.stdout)
    assert [distinct[name] for name in ("resident", "spin", "common", *SECTORS)] == [COUNT] * 9
    # By chance, a number of one sector could be another's, too: expected 21 * COUNT**2 / 36**11 = 1.6e-6 times.
    assert distinct["sPIN and all sectors together"] == 7 * COUNT
