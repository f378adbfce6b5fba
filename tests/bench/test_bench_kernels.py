"""The kernels' benchmark sees a regression: a run is saved, and one that is slower than the saved one fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.world import PROJECT

KERNEL = "test_halves_to_lines"


def _run(storage: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "tests.bench.kernels",
        "--storage",
        str(storage),
        "--tolerance",
        "300",
        "-k",
        KERNEL,
    ]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)


def test_a_kernel_that_became_slower_fails(tmp_path: Path) -> None:
    first = _run(tmp_path)
    assert first.returncode == 0, first.stdout
    assert KERNEL in first.stdout
    (saved,) = tmp_path.rglob("*.json")
    document = json.loads(saved.read_text("utf-8"))
    (kernel,) = document["benchmarks"]
    assert kernel["extra_info"]["blocks_a_number"] > 0
    assert kernel["extra_info"]["nanoseconds_a_number"] > 0
    assert _run(tmp_path).returncode == 0
    kernel["stats"]["min"] /= 20
    saved.write_text(json.dumps(document), "utf-8")
    for later in tmp_path.rglob("0002_*.json"):
        later.unlink()
    slower = _run(tmp_path)
    assert slower.returncode != 0
    assert "Performance has regressed" in slower.stdout + slower.stderr
