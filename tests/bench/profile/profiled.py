"""The daemon, its engines and the process of its index, sampled.

``python -m tests.bench.profile.profiled FOLDER serve --config FILE``. For the bench only: no such switch exists. Each
process writes its samples into the folder when it ends.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from tests.bench.profile.sampler import Sampler
from tests.bench.variants import own_program

PROCESSES = {"engine": "appliance.engine", "index": "appliance.audit.tagindex"}


def main() -> None:
    """Be one of them."""
    folder, what = sys.argv[1:3]
    if what in PROCESSES:
        Sampler(what, Path(folder) / f"{what}-{os.getpid()}.jsonl")
        sys.argv = [PROCESSES[what], *sys.argv[3:]]
        runpy.run_module(PROCESSES[what], run_name="__main__")
        return
    Sampler("daemon", Path(folder) / f"daemon-{os.getpid()}.jsonl")
    for name, module in PROCESSES.items():
        own_program(module, "tests.bench.profile.profiled", folder, name)
    from appliance.cli import main as run

    sys.argv = ["appliance", *sys.argv[2:]]
    run()


if __name__ == "__main__":
    main()
