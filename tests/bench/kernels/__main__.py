"""``make kernels``: the inner kernels in token blocks, held against the last saved run; fails where one became slower.

Runs are saved in var/kernels. A kernel whose quickest round takes a quarter more blocks than last time is a failure
(``--tolerance``); the first run has nothing to be held against. Other options are pytest's (``-k scalar``).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.world import PROJECT

STORAGE = PROJECT / "var" / "kernels"


def main() -> int:
    """Run pytest-benchmark over this folder; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kernels", description=__doc__)
    parser.add_argument("--tolerance", type=float, default=25, help="percent that a kernel may become slower")
    parser.add_argument("--storage", type=Path, default=STORAGE, help="where runs are saved")
    parser.add_argument("--no-save", action="store_true", help="compare only")
    given, rest = parser.parse_known_args()
    before = any(given.storage.rglob("*.json"))
    compare = ["--benchmark-compare", f"--benchmark-compare-fail=min:{given.tolerance:g}%"] if before else []
    save = [] if given.no_save else ["--benchmark-autosave"]
    # addopts are the test suite's: it keeps this plugin out
    pytest = [sys.executable, "-m", "pytest", "-o", "addopts=", "-o", "python_files=bench_*.py", "-q", "-p", "no:xdist"]
    shown = ["--benchmark-columns=min,median,iqr,rounds", "--benchmark-sort=fullname", "--benchmark-warmup=off"]
    storage = [f"--benchmark-storage=file://{given.storage}"]
    folder = str(PROJECT / "tests" / "bench" / "kernels")
    plain = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}  # in a test of this
    return subprocess.call([*pytest, *shown, *storage, *save, *compare, folder, *rest], cwd=PROJECT, env=plain)


if __name__ == "__main__":
    sys.exit(main())
