"""``python -m tests.engine.alteringkit FILE …``: a real engine whose token does once what a word in a file says.

The other words are the engine's own. ``alter``: a bit of the next answer (to many blocks) is flipped; ``swap``: the
next call is done with the key of another running operation; ``stop``: the engine stops itself (SIGSTOP) in the next
call. The file is removed when that is done. ``hold``: the disk takes what is written as soon as the file is gone.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

from appliance.engine.hardening import harden

LAST_BYTE_OF_Y = 2 * 16 + 7  # of a block in the middle, which is no canary


def main() -> None:
    """The engine's own program, after that change."""
    harden()  # before the token's library is loaded, as in the real one
    from appliance.token import calls

    update, told, running = calls.Operation.update, Path(sys.argv[1]), []

    def meddled(operation: Any, source: Any, target: Any, size: Any) -> int:
        running.append(operation) if operation not in running else None
        if not told.exists() or (word := told.read_text("ascii")) == "hold":
            return update(operation, source, target, size)
        told.unlink()
        if word == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        used = next(one for one in running if one is not operation) if word == "swap" else operation
        came = update(used, source, target, size)
        if word == "alter":
            ctypes.cast(target, ctypes.POINTER(ctypes.c_ubyte))[LAST_BYTE_OF_Y] ^= 1
        return came

    def held(descriptor: int) -> None:
        while told.exists():
            time.sleep(0.005)
        sync(descriptor)

    calls.Operation.update = meddled  # type: ignore[method-assign]
    sync, os.fsync = os.fsync, held
    sys.argv = ["appliance.engine", *sys.argv[2:]]
    runpy.run_module("appliance.engine", run_name="__main__")


if __name__ == "__main__":
    main()
