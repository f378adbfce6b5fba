"""The daemon and its engines, sampled: ``python -m tests.bench.profile.profiled FOLDER serve --config FILE``.

For the bench only: no such switch exists. Each process writes its samples into the folder when it ends.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from tests.bench.profile.sampler import Sampler
from tests.bench.variants import own_engine


def main() -> None:
    """Be the one or the other."""
    folder, what = sys.argv[1:3]
    if what == "engine":
        Sampler("engine", Path(folder) / f"engine-{os.getpid()}.jsonl")
        sys.argv = ["appliance.engine", *sys.argv[3:]]
        runpy.run_module("appliance.engine", run_name="__main__")
        return
    Sampler("daemon", Path(folder) / f"daemon-{os.getpid()}.jsonl")
    own_engine("tests.bench.profile.profiled", folder, "engine")
    from appliance.cli import main as run

    sys.argv = ["appliance", *sys.argv[2:]]
    run()


if __name__ == "__main__":
    main()
