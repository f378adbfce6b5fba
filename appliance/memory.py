"""How a process that serves for months keeps memory: what it frees stays; what it began with is not searched again.

glibc returns freed memory to the kernel above some thresholds, which adapt to what a process did so far. A SoftHSM call
over 8,192 blocks allocates and frees 256 KiB, a frame of bulk work as much in the daemon: given back each time, that
costs the engine up to a sixth of its time. Python's collector, at its most thorough, looks through every object there
is: 40 ms for what a daemon has once it is up, during which nobody is answered.
"""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT = 64 << 20  # bytes


def keep_freed_memory() -> None:
    """For the whole process; does nothing where malloc is not glibc's."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT // 4)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


def settle() -> None:
    """Once all is made that will stay: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
