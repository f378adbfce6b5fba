"""Memory that the engine frees stays with the process: giving it back after each large call costs a sixth of its time.

glibc returns freed memory to the kernel above some thresholds, which adapt to what a process did so far; a SoftHSM call
over 8,192 blocks allocates and frees 256 KiB, right where they lie. Fixed thresholds make that the same in every run.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT = 64 << 20  # bytes; an engine's own memory is about as much


def keep_freed_memory() -> None:
    """For the whole process; does nothing where malloc is not glibc's."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT // 4)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
